"""Contracts of unlearning methods and membership attacks."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from sterling.measure import Scores, auc


def check_unlearning(
    method: Callable[[Any, Any, Any, torch.Generator], nn.Module],
    model: nn.Module,
    forget: Any,
    retain: Any,
) -> nn.Module:
    """Check an unlearning method: the model stays, a new one comes back, and a seed decides it.

    Args:
        method: From (model, forget set, retain set, generator) to the unlearned model.
        model: Trained model.
        forget: Examples to forget.
        retain: Examples to keep.

    Returns:
        The unlearned model.

    Raises:
        AssertionError: The model itself was changed, the new one is in training mode, has frozen or
            other parameters or the very same weights, or the same seed gives another one.
    """
    before = [value.detach().clone() for value in model.parameters()]

    def unlearn() -> tuple[nn.Module, list[Tensor]]:
        unlearned = method(model, forget, retain, torch.Generator().manual_seed(0))
        return unlearned, [value.detach().clone() for value in unlearned.parameters()]

    def same(one: Sequence[Tensor], other: Sequence[Tensor]) -> bool:
        return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))

    unlearned, after = unlearn()
    if not same(before, [value.detach() for value in model.parameters()]):
        raise AssertionError("the model itself was changed")
    if unlearned.training:
        raise AssertionError("the unlearned model is in training mode")
    if not all(value.requires_grad for value in unlearned.parameters()):
        raise AssertionError("parameters of the unlearned model are frozen")
    if [value.shape for value in after] != [value.shape for value in before]:
        raise AssertionError("the unlearned model has other parameters")
    if same(before, after):
        raise AssertionError("the unlearned model has the weights of the model: nothing was done")
    if not same(after, unlearn()[1]):
        raise AssertionError("the same seed gives another model the second time")
    return unlearned


def check_membership_attack(
    attack: Callable[[Any], ArrayLike],
    attacked: Any,
    hidden: Any,
    member: NDArray[np.bool_],
    tested: NDArray[np.bool_],
) -> None:
    """Check a membership attack: form, direction, and that it does not look at what it predicts.

    Args:
        attack: From a model under attack to scores (n,), higher for members.
        attacked: The model under attack.
        hidden: The same with the membership of the tested records turned around.
        member: Whether each record was trained on, (n,).
        tested: Records that are not the attacker's own, (n,).

    Raises:
        AssertionError: Scores are not finite or of the wrong shape, change when the truth that is
            asked for is turned around, or do not tell members better than chance.
    """
    scores = np.asarray(attack(attacked), dtype=np.float64)
    if scores.shape != member.shape:
        raise AssertionError(f"scores of shape {scores.shape} for {len(member)} records")
    if not np.isfinite(scores).all():
        raise AssertionError(f"scores hold {scores[~np.isfinite(scores)][0]}")
    if not np.array_equal(np.asarray(attack(hidden), dtype=np.float64), scores):
        raise AssertionError("scores depend on the membership of tested records")
    area = auc(Scores(scores[tested], member[tested]))
    if area.interval is None or area.interval.low <= 0.5:
        raise AssertionError(f"AUC {area.value:.3f}: not above chance")
