"""Settings of a decision rule whose risk, by any loss, is bounded.

:func:`learn_then_test` tests every setting of any grid. Along one dial, whose settings stand from
least to most cautious so that no item's loss rises, :func:`risk_controlling_sets` and
:func:`conformal_risk_control` choose the least cautious setting whose risk is still bounded.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from sterling.display import line, number
from sterling.errors import InputError
from sterling.guarantee.checks import Bools, Floats, check_alpha
from sterling.guarantee.family_wise import bonferroni, fixed_sequence
from sterling.guarantee.risk_tests import (
    Losses,
    RiskTest,
    hoeffding_bentkus_p_values,
    total_losses,
)
from sterling.guarantee.statement import EXCHANGEABLE, INDEPENDENT, Assumption, Guarantee

Correction = Callable[[Floats, float], Bools]
MONOTONE = Assumption("no item's loss rises with caution", "holds on the calibration items")


@dataclass(frozen=True, eq=False)
class SafeSettings:
    """Settings that were certified.

    Attributes:
        safe: True for settings that may be used, bool (L,). When none may be, abstain.
        p: p-value of each setting (L,).
        losses: The calibration losses (n, L).
        guarantee: Promise of using any safe setting, or several.
    """

    safe: Bools
    p: Floats
    losses: Losses
    guarantee: Guarantee

    def __repr__(self) -> str:
        safe = f"{int(self.safe.sum())} of {len(self.safe)} settings safe"
        return line(self, safe, f"risk <= {self.guarantee.level:g}")

    @property
    def risk(self) -> Floats:
        """Mean calibration loss of each setting (L,)."""
        return np.asarray(self.losses.mean(axis=0))


@dataclass(frozen=True)
class ControlledRisk:
    """A chosen setting.

    Attributes:
        setting: Its position on the dial.
        risk: Its mean calibration loss.
        guarantee: The promise.
    """

    setting: int
    risk: float
    guarantee: Guarantee

    def __repr__(self) -> str:
        risks = f"risk {number(self.risk)} on {self.guarantee.n} calibration items"
        return line(self, f"setting {self.setting}", f"{risks}, to be <= {self.guarantee.level:g}")


def learn_then_test(
    losses: ArrayLike,
    epsilon: float,
    delta: float,
    *,
    risk_test: RiskTest = hoeffding_bentkus_p_values,
    correction: Correction = bonferroni,
) -> SafeSettings:
    """Certify all settings at once (Angelopoulos, Bates, Candès, Jordan, Lei, 2021).

    The risk need not be monotone in the setting, and the settings may have any dimension.

    Args:
        losses: (n, L) in [0, 1], lower is better: loss of each calibration item at each setting.
            Give losses that are 0 or 1 as bool: they are tested several times as fast.
        epsilon: Allowed risk, in (0, 1).
        delta: Allowed probability, over the draw of the items, that a safe setting is not.
        risk_test: ``hoeffding_bentkus_p_values``, ``binomial_p_values`` (0/1 losses, exact) or
            ``betting_p_values``.
        correction: ``bonferroni``; ``fixed_sequence`` when the settings stand in an order chosen
            on other data; a ``graphical`` procedure with its weights bound by ``partial``.
    """
    array = np.asarray(losses)
    check_alpha(delta, "delta")
    p = risk_test(array, epsilon)  # checks losses and epsilon
    guarantee = Guarantee(
        statement=f"With confidence {1 - delta:g} over the draw of the calibration items, the "
        f"risk of every safe setting is at most {epsilon:g}.",
        assumptions=(
            INDEPENDENT,
            Assumption("settings, and their order, were chosen without the calibration items"),
            Assumption("losses lie in [0, 1]", "all of them do"),
        ),
        n=len(array),
        level=epsilon,
        confidence=1 - delta,
    )
    return SafeSettings(correction(p, delta), p, array, guarantee)


def conformal_risk_control(
    losses: ArrayLike, alpha: float, *, bound: float = 1.0
) -> ControlledRisk:
    """Choose by conformal risk control (Angelopoulos, Bates, Fisch, Lei, Schuster, ICLR 2024).

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
        assumptions=(EXCHANGEABLE, MONOTONE),
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
    """Choose by risk-controlling prediction sets (Bates et al., JACM 2021).

    The least cautious setting such that it and all more cautious ones have an upper confidence
    bound of the risk at most epsilon; a bound at or below epsilon is a p-value at or below delta.

    Args:
        losses: (n, L) in [0, 1], no row rises along the dial.
        epsilon: Allowed risk in (0, 1).
        delta: Allowed probability, over the draw of the items, that the risk is larger.
        risk_test: As in :func:`learn_then_test`.

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
        assumptions=(INDEPENDENT, MONOTONE),
        n=len(array),
        level=epsilon,
        confidence=1 - delta,
    )
    return ControlledRisk(setting, float(risk[setting]), guarantee)


def _along_a_dial(losses: ArrayLike, bound: float) -> tuple[Losses, Floats]:
    """Return checked losses, and their mean at each setting."""
    array, total = total_losses(losses, bound)
    rises = np.argwhere(array[:, 1:] > array[:, :-1])
    if len(rises):
        item, setting = rises[0]
        raise InputError(
            f"the loss of item {item} rises from setting {setting} to {setting + 1}; order the "
            "settings from least to most cautious, or use learn_then_test"
        )
    return array, total / len(array)
