"""Forget sets of a benchmark of unlearning: which records are forgotten decides how much leaks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.errors import InputError, unknown_name
from sterling.privacy.targets.models import initialise
from sterling.privacy.targets.training import Recipe, balanced_membership, train_many
from sterling.privacy.unlearning import Examples
from sterling.privacy.unlearning.relabelling import wrong_labels

FORGET_SETS = (
    "random",
    "outliers",
    "mislabelled",
    "duplicates",
    "canaries",
    "groups",
    "sub-population",
)
COPIES = 3  # copies of a duplicated record
GROUP = 5  # records per group


@dataclass(frozen=True, eq=False)
class ForgetSetSplit:
    """A data set cut for one benchmark.

    Attributes:
        pool: Records of which each model learns, and forgets, its own half.
        base: Records that every model learns and retains.
        validation: Records of the pool's kind that no model learns.
        test: Records of the base's kind that no model learns.
        group: Group of each record of the pool (pool,), of one record each except for "groups",
            whose members are learned and forgotten together.
        copies: Number of copies of a learned record of the pool in the training set.
    """

    pool: Examples
    base: Examples
    validation: Examples
    test: Examples
    group: Tensor
    copies: int


def choose_forget_set(
    kind: str,
    data: Examples,
    build: Callable[[], nn.Module],
    recipe: Recipe,
    *,
    pool: int,
    base: int,
    seed: int,
) -> ForgetSetSplit:
    """Cut a data set into what is forgotten, retained, validated and tested on.

    ==================  ==========================================================================
    kind                records to forget
    ==================  ==========================================================================
    ``random``          drawn at random
    ``outliers``        those with the largest loss under models that were not trained on them
    ``mislabelled``     random, with wrong labels, which can only be memorised (canaries of U-LiRA+)
    ``duplicates``      random, each three times in the training set
    ``canaries``        inserted: each feature taken from a random record, a label drawn at random
    ``groups``          random groups of five neighbours, as one person's records are alike
    ``sub-population``  those nearest to one random record: the base holds none like them
    ==================  ==========================================================================

    Args:
        kind: One of the above.
        data: At least 1.5 pool + base + 50 records; the rest is the test set.
        build: Makes one network, for finding outliers.
        recipe: Training of that network.
        pool: Number of records that may be forgotten, even; the last of "groups" may be smaller.
        base: Number of records that are retained.
        seed: Seed of all choices.

    Raises:
        InputError: On an unknown kind or too few records.
    """
    if kind not in FORGET_SETS:
        raise unknown_name("forget set", kind, FORGET_SETS)
    wanted = pool + pool // 2
    if len(data) < wanted + base + 50:
        raise InputError(
            f"{len(data)} records: a pool of {pool}, {pool // 2} to validate, a base of {base} and "
            f"50 to test on need {wanted + base + 50}"
        )
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(data), generator=rng)
    group = torch.arange(pool)
    if kind == "outliers":
        order = order[
            _held_out_losses(data.select(order), build, recipe, seed).argsort(descending=True)
        ]
    elif kind == "sub-population":
        order = order[_distances(data, order[:1])[0, order].argsort()]
    elif kind == "groups":
        order, group = _in_groups(data, order, wanted), group // GROUP
    chosen, rest = order[:wanted], order[wanted:]
    if kind in ("outliers", "sub-population"):
        # Both parts of a kind are alike, and what is left is in no order.
        chosen = chosen[torch.randperm(len(chosen), generator=rng)]
        rest = rest[torch.randperm(len(rest), generator=rng)]
    special = _changed(kind, data.select(chosen), int(data.labels.max()) + 1, rng)
    return ForgetSetSplit(
        special.select(torch.arange(pool)),
        data.select(rest[:base]),
        special.select(torch.arange(pool, wanted)),
        data.select(rest[base:]),
        group,
        COPIES if kind == "duplicates" else 1,
    )


def _changed(kind: str, chosen: Examples, classes: int, rng: torch.Generator) -> Examples:
    if kind == "mislabelled":
        return chosen.with_labels(wrong_labels(chosen.labels, classes, rng))
    if kind == "canaries":
        flat = chosen.inputs.flatten(1)
        donors = torch.rand(flat.shape, generator=rng).argsort(0)
        inputs = flat.gather(0, donors).view_as(chosen.inputs)
        labels = torch.randint(classes, chosen.labels.shape, generator=rng)
        return Examples(inputs, labels, chosen.ids)
    return chosen


def _distances(data: Examples, rows: Tensor) -> Tensor:
    """Return Euclidean distances of some records to all, (rows, N)."""
    flat = data.inputs.flatten(1)
    return torch.cdist(flat[rows], flat)


def _in_groups(data: Examples, order: Tensor, size: int) -> Tensor:
    """Reorder records: first `size` in groups, each a record and its nearest ones left."""
    left = torch.ones(len(data), dtype=torch.bool)
    taken: list[Tensor] = []
    for row in order:
        if GROUP * len(taken) >= size:
            break
        if left[row]:
            nearest = _distances(data, row[None])[0].where(left, torch.inf).argsort()[:GROUP]
            left[nearest] = False
            taken.append(nearest)
    return torch.cat([*taken, order[left[order]]])


def _held_out_losses(
    data: Examples, build: Callable[[], nn.Module], recipe: Recipe, seed: int
) -> Tensor:
    """Return each record's mean loss under the half of 8 models that did not learn it, (N,)."""
    rng = np.random.default_rng(seed)
    membership = balanced_membership(8, len(data), rng)
    seeds = rng.integers(2**62, size=8).tolist()
    start = initialise(build, seeds)
    models = train_many(start, data.inputs, data.labels, membership, recipe, seeds=seeds)
    logits = models.logits(data.inputs)
    losses = torch.stack([F.cross_entropy(z, data.labels, reduction="none") for z in logits])
    outside = torch.from_numpy(~membership)
    return (losses * outside).sum(0) / outside.sum(0)
