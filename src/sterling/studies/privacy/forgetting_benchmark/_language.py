"""A small language model that forgets authors: each unlearning method under each attack.

Beside the model that was truly retrained and the model that forgot nothing; all facts are invented.
"""

from dataclasses import dataclass
from functools import partial

import numpy as np
import torch
from torch import nn

from sterling.lm.small_transformer import SmallTransformer
from sterling.privacy.data.author_facts import author_facts
from sterling.privacy.data.author_texts import AuthorTexts
from sterling.privacy.unlearning import (
    Descent,
    Examples,
    Method,
    train_by_steps,
    unlearning_methods,
)
from sterling.privacy.unlearning.exact import Train
from sterling.privacy.unlearning.gradient_based import idk
from sterling.privacy.unlearning.rmu import rmu
from sterling.privacy.unlearning_attacks import (
    LanguageTarget,
    attack_language_model,
    exact_memorisation,
    relearning_curve,
    steer_language_model,
)
from sterling.studies.privacy.forgetting_benchmark._names import (
    RETRAINED,
    UNTOUCHED,
    Figures,
)

NEW_FACTS = "relearning, new facts"
LANGUAGE_METHODS = (
    "FT",
    "GA",
    "GradDiff",
    "KL-min",
    "random label",
    "NPO",
    "SimNPO",
    "WGA",
    "SatImp",
    "UNDIAL",
    "CE-U",
    "WHP",
    "PDU",
    "task vector",
    "IdK",
    "RMU",
)


@dataclass(frozen=True)
class LanguageBench:
    """Settings of the language benchmark: authors, methods, lengths of training and attacks.

    Attributes:
        authors: Retained, forgotten, never seen, and read only (their facts stand in their texts).
        methods: Names out of ``LANGUAGE_METHODS``.
        train_steps: Steps of training, by Adam at 3e-3.
        steps: Steps of unlearning.
        attack_steps: Steps of relearning, of the benign adapter and of the soft prompt.
        research_use: Adds the prompts that steer the model.
        seed: Seed of all that is random.
    """

    authors: tuple[int, int, int, int]
    methods: tuple[str, ...]
    train_steps: int
    steps: int
    attack_steps: int
    research_use: bool
    seed: int


def attack_forgotten_authors(bench: LanguageBench) -> Figures:
    """Every method under every attack on one language model: for each a row of figures."""
    retained, forgotten, unseen, read = bench.authors
    first_unseen = retained + forgotten
    first_fresh = first_unseen + unseen
    facts = author_facts(first_fresh + unseen + read, seed=bench.seed)

    def some(first: int, count: int) -> Examples:
        return facts.of(torch.arange(first, first + count))

    texts, rng = AuthorTexts(facts), torch.Generator().manual_seed(bench.seed)
    kept, gone = some(0, retained), some(retained, forgotten)
    never_seen, fresh = some(first_unseen, unseen), some(first_fresh, unseen)
    retain, forget = texts.corpus(kept, gone, some(first_fresh + unseen, read), rng)
    train = train_by_steps(Descent(bench.train_steps, 3e-3))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(bench.seed)
        network = SmallTransformer(len(texts.vocabulary), context=texts.context)
    model = train(network, retain.join(forget), bench.seed)
    target = LanguageTarget(
        before=model,
        forget=texts.ask(gone),
        never_seen=texts.ask(never_seen),
        groups=torch.cat([facts.author[gone.ids], facts.author[never_seen.ids]]),
        asked={
            "in other words": texts.ask(gone, reword=True),
            "behind chatter": texts.ask(gone, texts.chatter(len(gone), rng)),
            "in context": texts.ask(gone, texts.telling(gone)),
        },
        benign=retain,
        layers=("blocks.0",),
        prompt=texts.prompt,
    )
    attack = Descent(bench.attack_steps, 1e-3)
    unlearned: dict[str, nn.Module] = {UNTOUCHED: model}
    for name, method in _methods(bench, train, texts.refused(forget)).items():
        unlearned[name] = method(model, forget, retain, torch.Generator().manual_seed(bench.seed))
    rows = {}
    for name, after in unlearned.items():
        rows[name] = attack_language_model(after, target, relearn=attack, seed=bench.seed)
        if bench.research_use:
            rows[name] |= steer_language_model(
                after,
                target,
                texts.prefixes(),
                research_use=True,
                descent=Descent(bench.attack_steps, 3e-2),
                seed=bench.seed,
            )
        rows[name]["retain words"] = _said(after, texts.ask(kept))
    rows[RETRAINED][NEW_FACTS] = _relearn(
        unlearned[RETRAINED], texts.ask(fresh), attack, bench.seed
    )
    return rows


def _methods(bench: LanguageBench, train: Train, refusals: Examples) -> dict[str, Method]:
    descent = Descent(bench.steps, 1e-3)
    methods = unlearning_methods(train, descent)
    methods["IdK"] = Method(
        "IdK", partial(idk, refusals=refusals, descent=descent), "Maini et al., COLM 2024"
    )
    methods["RMU"] = Method(
        "RMU", partial(rmu, layer="blocks.0", descent=descent), "Li et al., ICML 2024"
    )
    wanted = [name for name in LANGUAGE_METHODS if name in bench.methods]
    return {name: methods[name] for name in (RETRAINED, *wanted)}


@torch.no_grad()
def _said(model: nn.Module, examples: Examples) -> float:
    return float(exact_memorisation(model(examples.inputs), examples.labels).mean())


def _relearn(model: nn.Module, fresh: Examples, descent: Descent, seed: int) -> float:
    """Measure how fast a model learns facts that it was never asked to forget."""
    rng = torch.Generator().manual_seed(seed)
    lesson = fresh.select(torch.randperm(len(fresh), generator=rng)[: max(1, len(fresh) // 2)])
    curve = relearning_curve(model, lesson, lambda student: _said(student, fresh), rng, descent)
    return float(np.mean(curve))
