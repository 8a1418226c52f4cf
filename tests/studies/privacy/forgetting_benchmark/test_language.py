"""The language bench: references, methods, and what the switch adds."""

from dataclasses import replace

from sterling.studies.privacy.forgetting_benchmark._language import (
    NEW_FACTS,
    LanguageBench,
    attack_forgotten_authors,
)

BENCH = LanguageBench(
    authors=(4, 4, 4, 2),
    methods=("FT", "IdK"),
    train_steps=80,
    steps=3,
    attack_steps=2,
    research_use=False,
    seed=0,
)


def test_what_was_learned_is_said_and_what_was_never_seen_is_not() -> None:
    rows = attack_forgotten_authors(BENCH)
    assert list(rows) == ["no unlearning", "retrain", "FT", "IdK"]
    untouched, retrained = rows["no unlearning"], rows["retrain"]
    for way in ("greedy words", "behind chatter"):
        assert untouched[way] > 0.7 > 0.3 > retrained[way], way
    assert untouched["retain words"] > 0.7
    assert untouched["output difference"] == 0.5, "it is the model before"
    assert retrained["output difference"] > 0.8, "what was forgotten became less likely"
    assert NEW_FACTS in retrained
    assert "soft prompt" not in untouched


def test_the_switch_adds_prompts_that_steer() -> None:
    rows = attack_forgotten_authors(replace(BENCH, methods=(), train_steps=2, research_use=True))
    for row in rows.values():
        assert {"plainly asked", "best prefix", "soft prompt"} < set(row)
