"""Shadow models for audits of unlearning: trained, unlearned, and asked once about every record.

Every model learns the base records and its own half of a pool; then it is asked to forget that
half. All attacks read the same stored logits.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.targets.models import Models, initialise
from sterling.privacy.targets.training import Recipe, balanced_membership, train_many
from sterling.privacy.unlearning import Examples, Method
from sterling.runs import derive_seed


@dataclass(frozen=True, eq=False)
class Shadows:
    """Models before unlearning.

    Attributes:
        models: Models trained on the base and their half of the pool.
        base: Records that every model learned.
        pool: Records that half of the models learned; a record may stand in it more than once.
        membership: Whether a model learned a record of the pool, (models, pool); rows 2i and
            2i + 1 are complements.
    """

    models: Models
    base: Examples
    pool: Examples
    membership: NDArray[np.bool_]

    def deletion_request(self, row: int) -> tuple[Examples, Examples]:
        """Return the examples that model `row` is asked to forget, and those that it retains."""
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
    group: Tensor | None = None,
) -> Shadows:
    """Train complementary pairs of models.

    Args:
        build: Makes one network.
        base: Records that every model learns.
        pool: Records to forget; ids apart from the base's.
        recipe: Training of each model.
        models: Number of models, even.
        seed: Draws the halves, the initial weights and the orders.
        copies: Number of copies of a learned record of the pool in the training set.
        group: Group of each record, from 0, learned together, (pool,); None learns each by itself.

    Raises:
        InputError: When base and pool share a record.
    """
    if torch.isin(pool.ids, base.ids).any():
        raise InputError("pool: a record is in the base too; keep them apart")
    rng = np.random.default_rng(seed)
    together = np.arange(len(pool)) if group is None else group.numpy()
    membership = balanced_membership(models, int(together.max()) + 1, rng)[:, together]
    seeds = rng.integers(2**62, size=models).tolist()
    x = torch.cat([base.inputs, *[pool.inputs] * copies])
    y = torch.cat([base.labels, *[pool.labels] * copies])
    everyone = np.ones((models, len(base)), dtype=np.bool_)
    inside = np.concatenate([everyone, *[membership] * copies], axis=1)
    trained = train_many(initialise(build, seeds), x, y, inside, recipe, seeds=seeds)
    return Shadows(trained, base, pool, membership)


def retrain_shadows(
    shadows: Shadows,
    build: Callable[[], nn.Module],
    recipe: Recipe,
    *,
    seed: int,
    retained: NDArray[np.bool_] | None = None,
) -> Models:
    """Retrain every model exactly: new initial weights, no record that it was asked to forget.

    All at once, where the method "retrain" does one model after the other.

    Args:
        shadows: Models before unlearning.
        build: Makes one network.
        recipe: Training of each model.
        seed: Draws the initial weights and the orders.
        retained: Whether a model keeps a record of the pool beside the base, (models, pool); None
            keeps none.
    """
    seeds = np.random.default_rng(seed).integers(2**62, size=len(shadows.models)).tolist()
    kept = np.zeros_like(shadows.membership) if retained is None else retained
    everyone = np.ones((len(seeds), len(shadows.base)), dtype=np.bool_)
    return train_many(
        initialise(build, seeds),
        torch.cat([shadows.base.inputs, shadows.pool.inputs]),
        torch.cat([shadows.base.labels, shadows.pool.labels]),
        np.concatenate([everyone, kept], axis=1),
        recipe,
        seeds=seeds,
    )


def forget_own_half(
    shadows: Shadows, method: Method, records: Tensor, *, seed: int
) -> NDArray[np.float32]:
    """Return logits of every unlearned model on some records, (models, records, classes).

    Args:
        shadows: Models before unlearning.
        method: Method by which each model forgets its own half of the pool.
        records: Inputs to ask about, (records, ...).
        seed: Seed of the method's random draws, another for every model.
    """
    answers = []
    for row in range(len(shadows.models)):
        forget, retain = shadows.deletion_request(row)
        rng = torch.Generator().manual_seed(seed + row)
        answers.append(_ask(method(shadows.models.module(row), forget, retain, rng), records))
    return np.stack(answers)


def deletion_request_parts(records: int, requests: int) -> NDArray[np.int64]:
    """Return for each record the deletion request that asks for it, (records,), from 0."""
    return np.arange(records) * requests // records


def forget_in_sequence(
    shadows: Shadows, method: Method, records: Tensor, *, requests: int, seed: int
) -> NDArray[np.float32]:
    """Return logits after each of several deletion requests, (requests, models, records, C).

    Request r asks every model for its own half of the r-th part of the pool, whose parts are of
    equal size, the last perhaps smaller. Records that later requests ask for are still retained.

    Args:
        shadows: Models before unlearning.
        method: Method of each model, which starts from the model after the request before.
        records: Inputs to ask about, (records, ...).
        requests: Number of deletion requests.
        seed: Seed of the method's random draws, another for every model and request.

    Raises:
        InputError: When a part holds no record that a model learned.
    """
    part = deletion_request_parts(len(shadows.pool), requests)
    answers = []
    for row, own in enumerate(shadows.membership):
        model = shadows.models.module(row)
        after = []
        for request in range(requests):
            now, later = (
                torch.from_numpy(own & when) for when in (part == request, part > request)
            )
            if not now.any():
                raise InputError(
                    f"requests {requests}: one asks model {row} for nothing; give less"
                )
            kept = [shadows.pool.select(later)] if later.any() else []
            rng = torch.Generator().manual_seed(derive_seed(seed, row, request))
            model = method(model, shadows.pool.select(now), shadows.base.join(*kept), rng)
            after.append(_ask(model, records))
        answers.append(np.stack(after))
    return np.stack(answers, axis=1)


def forget_with_own_training(
    shadows: Shadows,
    fit: Callable[[Examples, Tensor, int], nn.Module],
    method: Method,
    records: Tensor,
    *,
    seed: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return logits before and after unlearning, for methods that need a training of their own.

    Args:
        shadows: Source of the base, the pool and the halves; its models are not used.
        fit: Trains one model, from its training set, the ids that it will be asked to forget (a
            log may need them; the weights must not depend on them), and a seed.
        method: Method by which each model forgets its own half of the pool.
        records: Inputs to ask about, (records, ...).
        seed: Seed of training and forgetting, another for every model.

    Returns:
        Logits before and after, each (models, records, classes).
    """
    before, after = [], []
    for row in range(len(shadows.membership)):
        forget, retain = shadows.deletion_request(row)
        model = fit(retain.join(forget), forget.ids, seed + row)
        before.append(_ask(model, records))
        rng = torch.Generator().manual_seed(seed + row)
        after.append(_ask(method(model, forget, retain, rng), records))
    return np.stack(before), np.stack(after)


@torch.no_grad()
def _ask(model: nn.Module, records: Tensor) -> NDArray[np.float32]:
    return np.asarray(model(records).numpy())
