"""Attacks on language models: a small transformer learns half of some invented facts."""

import numpy as np
import torch
from numpy.typing import NDArray

from sterling.lm import TokenStats, token_stats
from sterling.lm.small_transformer import SmallTransformer
from sterling.privacy.data.author_facts import AuthorFacts, author_facts
from sterling.privacy.membership.registry import text_attack_scores
from sterling.privacy.membership.shadow_design import random_half
from sterling.privacy.unlearning.descent import Descent, descend
from sterling.privacy.unlearning.examples import IGNORED
from sterling.privacy.unlearning.losses import mean_loss
from sterling.runs import Cell, Row, derive_seed
from sterling.studies.privacy.mia_fdr._config import ALPHA, TEXTS, MiaFdrConfig
from sterling.studies.privacy.mia_fdr._resplits import realised, split_records
from sterling.study import row

TOKEN_SHARE = 0.4  # K of Min-K on answers of three tokens: the one lowest


def audit_texts(config: MiaFdrConfig, cell: Cell) -> list[Row]:
    """Declare learned facts by every attack on texts.

    A third of the facts is the attacker's, who trains a reference on them. Half of the other
    non-members calibrate.
    """
    facts = author_facts(config.authors, seed=cell.seed)
    n = len(facts.examples)
    rng = np.random.default_rng(cell.seed)
    learned = random_half(n, rng)
    auxiliary = np.isin(np.arange(n), rng.permutation(n)[: n // 3])
    target, reference = (
        _token_stats(config, facts, own, derive_seed(cell.seed, role) % 2**31)
        for role, own in (("target", learned), ("reference", auxiliary))
    )
    sentences = [facts.text(each) for each in facts.examples.inputs]
    member = learned[~auxiliary]
    splits = [split_records(member, rng) for _ in range(config.resplits)]
    scores = text_attack_scores(target, reference, sentences, share=TOKEN_SHARE)
    return [
        row(metric, value, data=TEXTS, setting=attack)
        for attack, values in scores.items()
        for metric, value in realised(values[~auxiliary], member, splits, ALPHA).items()
    ]


def _token_stats(
    config: MiaFdrConfig, facts: AuthorFacts, own: NDArray[np.bool_], seed: int
) -> TokenStats:
    """Train a transformer on some facts, and return its statistics of all of them."""
    examples = facts.examples
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        start = SmallTransformer(len(facts.vocabulary), context=examples.inputs.shape[1])
    known = examples.select(torch.from_numpy(own))
    model = descend(
        start,
        lambda student, batch, _: mean_loss(student(batch.inputs), batch.labels),
        known,
        known,
        torch.Generator().manual_seed(seed),
        Descent(steps=config.text_steps, learning_rate=2e-3),
    )
    with torch.no_grad():
        logits = model(examples.inputs)
    return token_stats(logits, examples.labels, examples.labels != IGNORED)
