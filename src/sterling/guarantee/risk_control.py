"""Risk control along one dial: the least cautious setting whose risk is still bounded.

The dial's settings stand from least to most cautious, so that no item's loss rises along it.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.guarantee.family_wise import fixed_sequence
from sterling.guarantee.learn_then_test import RiskTest
from sterling.guarantee.losses import Losses, total_losses
from sterling.guarantee.risk_p_values import hoeffding_bentkus_p_values
from sterling.guarantee.statement import Assumption, Guarantee


@dataclass(frozen=True)
class ControlledRisk:
    """A chosen setting.

    Attributes:
        setting: Its position on the dial.
        risk: Its mean calibration loss.
        guarantee: What it promises.
    """

    setting: int
    risk: float
    guarantee: Guarantee


def conformal_risk_control(
    losses: ArrayLike, alpha: float, *, bound: float = 1.0
) -> ControlledRisk:
    """Conformal risk control (Angelopoulos, Bates, Fisch, Lei, Schuster, ICLR 2024).

    The first setting with ``n / (n + 1) R + bound / (n + 1) <= alpha``; its expected loss is at
    most alpha. With the 0/1 loss of a missed label it is split conformal prediction.

    Args:
        losses: (n, L) in [0, bound], no row rises along the dial.
        alpha: Bound of the expected loss, in (0, bound).
        bound: The largest loss possible.

    Raises:
        InputError: A row rises, or no setting is good enough; the message says why.
    """
    array, risk = _along_a_dial(losses, bound)
    if not 0 < alpha < bound:
        raise InputError(f"alpha {alpha}: give a bound between 0 and the largest loss, {bound:g}")
    n = len(array)
    good = np.flatnonzero((n * risk + bound) / (n + 1) <= alpha * (1 + 1e-12))
    if not len(good):
        raise InputError(
            f"no setting has (n R + bound) / (n + 1) <= {alpha:g}: the most cautious one has mean "
            f"loss {risk[-1]:.4g} on {n} items; add a more cautious setting or more items (at "
            f"least {int(np.ceil(bound / alpha)) - 1})"
        )
    guarantee = Guarantee(
        statement=f"The expected loss of a new item is at most {alpha:g}, averaged over "
        "calibration sets.",
        assumptions=(
            Assumption("calibration and later items are exchangeable"),
            Assumption("no item's loss rises with caution", "holds on the calibration items"),
        ),
        n=n,
        level=alpha,
    )
    return ControlledRisk(int(good[0]), float(risk[good[0]]), guarantee)


def risk_controlling_sets(
    losses: ArrayLike,
    epsilon: float,
    delta: float,
    *,
    risk_test: RiskTest = hoeffding_bentkus_p_values,
) -> ControlledRisk:
    """Risk-controlling prediction sets (Bates, Angelopoulos, Lei, Malik, Jordan, JACM 2021).

    The least cautious setting such that it and all more cautious ones have an upper confidence
    bound of the risk at most epsilon; a bound at or below epsilon is a p-value at or below delta.

    Args:
        losses: (n, L) in [0, 1], no row rises along the dial.
        epsilon: Allowed risk in (0, 1).
        delta: Allowed probability, over the draw of the items, that the risk is larger.
        risk_test: As in :func:`sterling.guarantee.learn_then_test`.

    Raises:
        InputError: A row rises (then use ``learn_then_test``), or no setting is good enough.
    """
    array, risk = _along_a_dial(losses, 1.0)
    cautious_first = risk_test(array[:, ::-1], epsilon)
    certified = int(fixed_sequence(cautious_first, delta).sum())
    if not certified:
        raise InputError(
            f"even the most cautious setting (mean loss {risk[-1]:.4g} on {len(array)} "
            f"items) cannot be certified at epsilon = {epsilon:g}, delta = {delta:g}; add a more "
            "cautious setting or more items"
        )
    setting = array.shape[1] - certified
    guarantee = Guarantee(
        statement=f"With confidence {1 - delta:g} over the draw of the calibration items, the risk "
        f"is at most {epsilon:g}.",
        assumptions=(
            Assumption("calibration and later items are independent draws of one kind"),
            Assumption("no item's loss rises with caution", "holds on the calibration items"),
        ),
        n=len(array),
        level=epsilon,
        confidence=1 - delta,
    )
    return ControlledRisk(setting, float(risk[setting]), guarantee)


def _along_a_dial(losses: ArrayLike, bound: float) -> tuple[Losses, NDArray[np.float64]]:
    """Checked losses, and their mean at each setting."""
    array, total = total_losses(losses, bound)
    rises = np.argwhere(array[:, 1:] > array[:, :-1])
    if len(rises):
        item, setting = rises[0]
        raise InputError(
            f"the loss of item {item} rises from setting {setting} to {setting + 1}; order the "
            "settings from least to most cautious, or use learn_then_test"
        )
    return array, total / len(array)
