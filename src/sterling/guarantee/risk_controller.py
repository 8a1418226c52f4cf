"""A controller that sets the dial of any decision rule so that its risk is bounded."""

from collections.abc import Callable, Sequence
from typing import Any, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sterling.errors import InputError, unknown_name
from sterling.guarantee.family_wise import bonferroni
from sterling.guarantee.risk_control import (
    Correction,
    conformal_risk_control,
    learn_then_test,
    risk_controlling_sets,
)
from sterling.guarantee.risk_tests import RiskTest, hoeffding_bentkus_p_values

Method = Literal["ltt", "rcps", "crc"]


class RiskController(BaseEstimator):  # type: ignore[misc]
    """The most wanted setting of a decision rule whose risk is still bounded.

    By Learn then Test (``ltt``), risk-controlling prediction sets (``rcps``) or conformal risk
    control (``crc``); :mod:`sterling.guarantee.risk_control` names the papers.

    ========  ==================================  ===============================================
    method    promises a risk of at most epsilon  needs
    ========  ==================================  ===============================================
    ``ltt``   with confidence 1 - delta           losses in [0, 1]; settings may have any form
    ``rcps``  with confidence 1 - delta           losses in [0, 1] that do not rise with caution
    ``crc``   on average over calibration sets    losses in [0, bound] that do not rise either
    ========  ==================================  ===============================================

    Args:
        decide: ``(X, setting)`` to decisions, one per item, as ``predict`` returns them. The model
            in it must not have seen the items given to ``fit``.
        loss: ``(decisions, y)`` to losses (n,), lower is better.
        settings: The dial, from the most to the least wanted (for ``rcps`` and ``crc``: from the
            least to the most cautious), chosen without the items given to ``fit``.
        method: See above.
        epsilon: Bound of the risk, in (0, 1), for ``crc`` in (0, bound).
        delta: Allowed probability, over the draw of the items, that it is larger; not for ``crc``.
        bound: The largest loss possible, for ``crc``.
        risk_test: As in :func:`sterling.guarantee.learn_then_test`; not for ``crc``.
        correction: As there; for ``ltt``.

    Attributes:
        setting_: The chosen setting.
        position_: Its position among the settings.
        safe_: True for settings that may be used, bool (L,); ``setting_`` is the first.
        risk_: Mean calibration loss of ``setting_``.
        guarantee_: Promise of ``predict``.
    """

    def __init__(
        self,
        decide: Callable[[Any, Any], Any] | None = None,
        loss: Callable[[Any, Any], ArrayLike] | None = None,
        settings: Sequence[Any] | None = None,
        *,
        method: Method = "ltt",
        epsilon: float = 0.1,
        delta: float = 0.05,
        bound: float = 1.0,
        risk_test: RiskTest = hoeffding_bentkus_p_values,
        correction: Correction = bonferroni,
    ) -> None:
        self.decide = decide
        self.loss = loss
        self.settings = settings
        self.method = method
        self.epsilon = epsilon
        self.delta = delta
        self.bound = bound
        self.risk_test = risk_test
        self.correction = correction

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Decide about the items at every setting, and choose a setting.

        Args:
            X: The n items, in the form that ``decide`` takes.
            y: The truth, in the form that ``loss`` takes.

        Raises:
            InputError: As :meth:`fit_losses`; or a part that is needed was not given.
        """
        if self.decide is None or self.loss is None or self.settings is None:
            raise InputError("decide, loss, settings: give all three, or call fit_losses")
        columns = [np.asarray(self.loss(self.decide(X, one), y)) for one in self.settings]
        if len({column.shape for column in columns}) != 1 or columns[0].ndim != 1:
            shapes = sorted({str(column.shape) for column in columns})
            raise InputError(f"loss gave arrays of shape {', '.join(shapes)}; give one per item")
        return self.fit_losses(np.column_stack(columns))

    def fit_losses(self, losses: ArrayLike) -> Self:
        """Choose a setting from losses (n, L) that were computed elsewhere.

        Without ``settings`` the chosen one is its column.

        Raises:
            InputError: A loss out of range, losses that rise with caution, a number of columns
                other than that of the settings, or no setting that can be promised.
        """
        if self.method not in get_args(Method):
            raise unknown_name("method", self.method, get_args(Method))
        array = np.asarray(losses)  # each method checks it
        if self.settings is not None and array.shape[1:] != (len(self.settings),):
            raise InputError(f"losses have shape {array.shape} for {len(self.settings)} settings")
        if self.method == "ltt":
            tested = learn_then_test(
                array,
                self.epsilon,
                self.delta,
                risk_test=self.risk_test,
                correction=self.correction,
            )
            if not tested.safe.any():
                raise InputError(
                    f"no setting can be certified at epsilon = {self.epsilon:g}, delta = "
                    f"{self.delta:g}: the least mean loss is {tested.risk.min():.4g} on "
                    f"{len(array)} items; add a more cautious setting or more items"
                )
            self.safe_, self.guarantee_ = tested.safe, tested.guarantee
            self.position_ = int(tested.safe.argmax())
        else:
            chosen = (
                conformal_risk_control(array, self.epsilon, bound=self.bound)
                if self.method == "crc"
                else risk_controlling_sets(
                    array, self.epsilon, self.delta, risk_test=self.risk_test
                )
            )
            # Every more cautious setting has no larger risk.
            self.safe_ = np.arange(array.shape[1]) >= chosen.setting
            self.position_, self.guarantee_ = chosen.setting, chosen.guarantee
        self.risk_ = float(array[:, self.position_].mean())
        self.setting_ = self.position_ if self.settings is None else self.settings[self.position_]
        return self

    def predict(self, X: Any) -> Any:  # noqa: N803
        """Return the decisions at the chosen setting."""
        check_is_fitted(self)
        if self.decide is None:
            raise InputError("decide: none was given; use setting_")
        return self.decide(X, self.setting_)
