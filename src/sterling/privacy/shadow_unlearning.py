"""Shadow models for audits of unlearning: trained, unlearned, and asked once about every record.

Every model learns the base records and its own half of a pool; then it is asked to forget that
half. All attacks read the same stored answers.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.models import Models, initialise
from sterling.privacy.training import Recipe, balanced_membership, train_many
from sterling.privacy.unlearning import Examples, Method

__all__ = ["Shadows", "forget_own_half", "retrain_shadows", "train_shadows"]


@dataclass(frozen=True, eq=False)
class Shadows:
    """Models before unlearning.

    Attributes:
        models: Trained on the base and their half of the pool.
        base: Records of every model.
        pool: Records of half of the models each; a record may stand in it more than once.
        membership: Which model learned which record of the pool, (models, pool); rows 2i and
            2i + 1 are complements.
    """

    models: Models
    base: Examples
    pool: Examples
    membership: NDArray[np.bool_]

    def request(self, row: int) -> tuple[Examples, Examples]:
        """What model `row` is asked to forget, and what it retains."""
        return self.pool.select(torch.from_numpy(self.membership[row])), self.base


def train_shadows(
    build: Callable[[], nn.Module],
    base: Examples,
    pool: Examples,
    recipe: Recipe,
    *,
    models: int,
    seed: int,
    copies: int = 1,
) -> Shadows:
    """Train complementary pairs of models.

    Args:
        build: Makes one network.
        base: Records of every model.
        pool: Records to forget; ids apart from the base's.
        recipe: How each model is trained.
        models: Even.
        seed: Draws the halves, the initial weights and the orders.
        copies: How often a learned record of the pool stands in the training set.

    Raises:
        InputError: When base and pool share a record.
    """
    if torch.isin(pool.ids, base.ids).any():
        raise InputError("pool: a record is in the base too; keep them apart")
    rng = np.random.default_rng(seed)
    membership = balanced_membership(models, len(pool), rng)
    seeds = rng.integers(2**62, size=models).tolist()
    x = torch.cat([base.inputs, *[pool.inputs] * copies])
    y = torch.cat([base.labels, *[pool.labels] * copies])
    everyone = np.ones((models, len(base)), dtype=np.bool_)
    inside = np.concatenate([everyone, *[membership] * copies], axis=1)
    trained = train_many(initialise(build, seeds), x, y, inside, recipe, seeds=seeds)
    return Shadows(trained, base, pool, membership)


def retrain_shadows(
    shadows: Shadows, build: Callable[[], nn.Module], recipe: Recipe, *, seed: int
) -> Models:
    """Every model exactly retrained: new initial weights, the base records only.

    All at once, where the method "retrain" does one model after the other.
    """
    seeds = np.random.default_rng(seed).integers(2**62, size=len(shadows.models)).tolist()
    everyone = np.ones((len(seeds), len(shadows.base)), dtype=np.bool_)
    base = shadows.base
    return train_many(
        initialise(build, seeds), base.inputs, base.labels, everyone, recipe, seeds=seeds
    )


def forget_own_half(
    shadows: Shadows,
    method: Method,
    records: Tensor,
    *,
    seed: int,
) -> NDArray[np.float32]:
    """Logits of every unlearned model on some records, (models, records, classes).

    Args:
        shadows: Models before.
        method: How each model forgets its own half of the pool.
        records: Inputs to ask about, (records, ...).
        seed: Of the method's random draws, another for every model.
    """
    answers = []
    for row in range(len(shadows.models)):
        forget, retain = shadows.request(row)
        rng = torch.Generator().manual_seed(seed + row)
        unlearned = method(shadows.models.module(row), forget, retain, rng)
        with torch.no_grad():
            answers.append(unlearned(records).numpy())
    return np.stack(answers)
