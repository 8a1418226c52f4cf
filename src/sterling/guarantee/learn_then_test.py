"""Learn then Test: settings whose risk is at most epsilon, found by testing each one."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.guarantee.arrays import check_alpha
from sterling.guarantee.family_wise import bonferroni
from sterling.guarantee.losses import Losses
from sterling.guarantee.risk_p_values import hoeffding_bentkus_p_values
from sterling.guarantee.statement import Assumption, Guarantee

Correction = Callable[[NDArray[np.float64], float], NDArray[np.bool_]]
RiskTest = Callable[[ArrayLike, float], NDArray[np.float64]]


@dataclass(frozen=True, eq=False)
class SafeSettings:
    """Which settings may be used.

    Attributes:
        safe: bool (L,). None may be: then abstain.
        p: p-value of each setting (L,).
        losses: The calibration losses (n, L).
        guarantee: What using any safe setting, or several, promises.
    """

    safe: NDArray[np.bool_]
    p: NDArray[np.float64]
    losses: Losses
    guarantee: Guarantee

    @property
    def risk(self) -> NDArray[np.float64]:
        """Mean calibration loss of each setting (L,)."""
        return np.asarray(self.losses.mean(axis=0))


def learn_then_test(
    losses: ArrayLike,
    epsilon: float,
    delta: float,
    *,
    risk_test: RiskTest = hoeffding_bentkus_p_values,
    correction: Correction = bonferroni,
) -> SafeSettings:
    """All settings certified at once (Angelopoulos, Bates, Candès, Jordan, Lei, 2021).

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
    return SafeSettings(
        safe=correction(p, delta),
        p=p,
        losses=array,
        guarantee=Guarantee(
            statement=f"With confidence {1 - delta:g} over the draw of the calibration items, the "
            f"risk of every safe setting is at most {epsilon:g}.",
            assumptions=(
                Assumption("calibration and later items are independent draws of one kind"),
                Assumption("settings, and their order, were chosen without the calibration items"),
                Assumption("losses lie in [0, 1]", "all of them do"),
            ),
            n=len(array),
            level=epsilon,
            confidence=1 - delta,
        ),
    )
