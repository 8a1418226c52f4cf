"""Which records a benchmark of unlearning asks to forget: the choice decides how much leaks."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from sterling.errors import InputError, unknown_name
from sterling.privacy.models import initialise
from sterling.privacy.training import Recipe, balanced_membership, train_many
from sterling.privacy.unlearning import Examples
from sterling.privacy.unlearning.random_label import wrong_labels

__all__ = ["VICTIMS", "Victim", "choose_victim"]

VICTIMS = ("random", "outliers", "mislabelled", "duplicates")


@dataclass(frozen=True, eq=False)
class Victim:
    """A data set cut for one benchmark.

    Attributes:
        pool: Records of which each model learns, and forgets, its own half.
        base: Records that every model learns and retains.
        test: Records that no model learns.
        copies: How often a learned record of the pool stands in the training set.
    """

    pool: Examples
    base: Examples
    test: Examples
    copies: int


def choose_victim(
    kind: str,
    data: Examples,
    build: Callable[[], nn.Module],
    recipe: Recipe,
    *,
    pool: int,
    base: int,
    seed: int,
) -> Victim:
    """Cut a data set into what is forgotten, retained and tested on.

    Args:
        kind: "random"; "outliers", the records with the largest loss under models that were not
            trained on them; "mislabelled", random records with wrong labels, which can only be
            memorised (the canaries of U-LiRA+); "duplicates", every record three times.
        data: At least pool + base + 50 records; what is left over is the test set.
        build: Makes one network, for finding outliers.
        recipe: How it is trained.
        pool: Records that may be forgotten, even.
        base: Records that are retained.
        seed: Of all choices.

    Raises:
        InputError: On an unknown kind or too few records.
    """
    if kind not in VICTIMS:
        raise unknown_name("victim", kind, VICTIMS)
    if len(data) < pool + base + 50:
        raise InputError(
            f"{len(data)} records: a pool of {pool}, a base of {base} and 50 to test on need "
            f"{pool + base + 50}"
        )
    rng = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(data), generator=rng)
    test, rest = order[pool + base :], order[: pool + base]
    if kind == "outliers":
        rest = rest[
            _held_out_losses(data.select(rest), build, recipe, seed).argsort(descending=True)
        ]
    chosen = data.select(rest[:pool])
    if kind == "mislabelled":
        classes = int(data.labels.max()) + 1
        chosen = chosen.with_labels(wrong_labels(chosen.labels, classes, rng))
    return Victim(
        chosen, data.select(rest[pool:]), data.select(test), 3 if kind == "duplicates" else 1
    )


def _held_out_losses(
    data: Examples, build: Callable[[], nn.Module], recipe: Recipe, seed: int
) -> torch.Tensor:
    """Mean loss of each record under the half of 8 models that did not learn it, (N,)."""
    rng = np.random.default_rng(seed)
    membership = balanced_membership(8, len(data), rng)
    seeds = rng.integers(2**62, size=8).tolist()
    start = initialise(build, seeds)
    models = train_many(start, data.inputs, data.labels, membership, recipe, seeds=seeds)
    logits = models.logits(data.inputs)
    losses = torch.stack([F.cross_entropy(z, data.labels, reduction="none") for z in logits])
    outside = torch.from_numpy(~membership)
    return (losses * outside).sum(0) / outside.sum(0)
