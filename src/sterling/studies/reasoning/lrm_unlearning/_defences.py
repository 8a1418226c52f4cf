"""Defences: an audit of the deletion request, votes of shards, rounding, relearning."""

import copy
from collections import Counter
from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.lm.small_transformer import SmallTransformer
from sterling.privacy.unlearning_attacks.deletion_audit import DeletionAuditor
from sterling.privacy.unlearning_attacks.weight_changes import round_to_nearest
from sterling.reasoning.forget_sets import TokenFeatures
from sterling.runs import Row
from sterling.studies.reasoning.lrm_unlearning._attack import L2, Adversary, Chosen, largest
from sterling.studies.reasoning.lrm_unlearning._task import (
    LETTERS,
    ORDINARY,
    Example,
    Outcome,
    questions,
    write,
)
from sterling.studies.reasoning.lrm_unlearning._world import World, success_rows
from sterling.study import row

SHARDS = 3
HARMLESS = 20  # requests that the audit compares with the attack
RELEARNED = 20  # right examples of the rule that relearning adds
NONE, VOTE, ROUNDED, RELEARNT = "none", "vote of shards", "4 bits", "relearning"
DEFENCES = (NONE, VOTE, ROUNDED, RELEARNT)


def defend(world: World, adversary: Adversary, gone: Chosen, after: SmallTransformer) -> list[Row]:
    """Success of an attack under each defence, and what the audit says of its request."""
    before = Outcome.of(write(world.network, world.tests), world.tests).right
    rows = _audit(adversary, gone, world.seed)
    rows += success_rows(before, _outcome(world, after), defence=NONE)
    rows += success_rows(before, _outcome(world, round_to_nearest(after, 4)), defence=ROUNDED)
    rows += success_rows(before, _outcome(world, _relearn(world, after)), defence=RELEARNT)
    voted_before, voted_after = (_vote(world, set(deleted)) for deleted in ((), gone.tolist()))
    rows += success_rows(voted_before.right, voted_after, defence=VOTE)
    return rows


def _outcome(world: World, network: SmallTransformer) -> Outcome:
    return Outcome.of(write(network, world.tests), world.tests)


def _audit(adversary: Adversary, gone: Chosen, seed: int) -> list[Row]:
    """Alignment of the request's gradients, compared with requests that mean no harm.

    A harmless request holds the examples nearest to one ordinary question, as the records of one
    person are alike.
    """
    gradients = example_gradients(adversary.tokens, adversary.before).double()
    metric = gradients.T @ gradients + L2 * torch.eye(gradients.shape[1], dtype=torch.float64)
    root = torch.linalg.cholesky(metric)
    auditor = DeletionAuditor(
        torch.linalg.solve_triangular(root, gradients.T, upper=False).T, seed=seed
    )
    rng = np.random.default_rng([seed, 5])
    harmless = [
        largest(adversary.similarity([one]), len(gone))
        for one in questions(rng, HARMLESS, ORDINARY)
    ]
    scores = [auditor.z_score(torch.from_numpy(rows)) for rows in harmless]
    attacked = auditor.z_score(torch.from_numpy(gone))
    return [
        row("audit", attacked, request="attack"),
        row("audit", float(np.mean(scores)), request="harmless"),
        row("audit rank", float(np.mean(np.array(scores) < attacked))),
    ]


def example_gradients(tokens: TokenFeatures, weights: Tensor) -> Tensor:
    """Gradient of each example's loss by the last layer's weights, (n, V × D)."""
    each = torch.einsum("tv,td->tvd", tokens.errors(weights), tokens.features).flatten(1)
    return each.new_zeros(tokens.examples, each.shape[1]).index_add(0, tokens.example, each)


def _relearn(world: World, network: SmallTransformer) -> SmallTransformer:
    """Train on a few right examples of the rule among ordinary ones, as an owner would."""
    rng = np.random.default_rng([world.seed, 6])
    rule = world.tests[0].rule
    asked = questions(rng, RELEARNED, rule) + questions(rng, 4 * RELEARNED)
    rows = LETTERS.encode([Example(one, one.solution).text for one in asked])
    learned = copy.deepcopy(network).train()
    optimizer = torch.optim.AdamW(learned.parameters(), lr=1e-3)
    for _ in range(30):
        logits = learned(rows[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return learned.eval()


def _vote(world: World, gone: set[int]) -> Outcome:
    """Answers of most of the models that each learned one shard (SISA)."""
    traces = []
    for shard in range(SHARDS):
        kept = [
            one
            for index, one in enumerate(world.known)
            if index % SHARDS == shard and index not in gone
        ]
        traces.append(write(world.train(kept, world.seed + 1 + shard, share=0.5), world.tests))
    return Outcome.of([most_common(answers) for answers in zip(*traces, strict=True)], world.tests)


def most_common(traces: Sequence[str]) -> str:
    """First trace that gives the most frequent answer."""
    answer = Counter(trace[-1:] for trace in traces).most_common(1)[0][0]
    return next(trace for trace in traces if trace[-1:] == answer)
