"""A model's own samples stand out by their likelihood, and typing errors hide them again."""

import numpy as np

from sterling.lm import Sampling, train_small
from sterling.measure import Scores, auc
from sterling.text.attacks import attack_text
from sterling.text.corpus.prose import human_prose
from sterling.text.detectors import score_metrics


def test_own_samples_are_likelier_until_they_are_misspelt() -> None:
    """Cool ones, that is: after a minute's training warm samples drift into nonsense."""
    passages = [passage.text for passage in human_prose("manual", 50)]
    learned, held_out = passages[:150], passages[-60:]
    model = train_small(learned, steps=80)
    prompts = [model.decode(model.encode(text)[:4]) for text in held_out]
    drawn = model.generate(prompts, Sampling(max_new_tokens=80, temperature=0.6), seed=0)
    samples = [one.text for one in drawn if len(one.token_ids) >= 24]
    assert len(samples) >= 20
    attacked = [
        attack_text(text, "typo", np.random.default_rng(row), share=0.6).text
        for row, text in enumerate(samples)
    ]

    def area(machine: list[str]) -> float:
        values = score_metrics(model, [*held_out, *machine], ["likelihood"], max_tokens=80)
        label = np.repeat([False, True], [len(held_out), len(machine)])
        return auc(Scores(values["likelihood"].values, label)).value

    clean = area(samples)
    assert clean > 0.9
    assert area(attacked) < clean - 0.2
