"""Any scikit-learn regressor, with intervals that hold the true value at a stated rate."""

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold
from sklearn.utils.validation import check_is_fitted, validate_data

from sterling.errors import InputError
from sterling.guarantee.arrays import check_alpha
from sterling.guarantee.quantile import conformal_quantile, conformal_rank
from sterling.guarantee.split_fit import fit_apart, split_items
from sterling.guarantee.statement import Assumption, Guarantee


def _coverage(n: int, level: float) -> Guarantee:
    return Guarantee(
        statement=f"The interval holds the true value with probability at least {level:g}, "
        "averaged over calibration sets and test items.",
        assumptions=(Assumption("calibration and test items are exchangeable"),),
        n=n,
        level=level,
    )


class _IntervalRegressor(RegressorMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """What all three share: they check features, and differ in their middle and their interval."""

    def predict(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """The middle of each interval before calibration, (N,); it carries no guarantee."""
        return np.asarray(self._middle(self._checked(X)), dtype=np.float64)

    def predict_interval(self, X: Any) -> NDArray[np.float64]:  # noqa: N803
        """Lower and upper ends, (N, 2); infinite when there are too few calibration items."""
        return self._interval(self._checked(X))

    def _checked(self, X: Any) -> NDArray[Any]:  # noqa: N803
        check_is_fitted(self)
        checked: NDArray[Any] = validate_data(self, X, reset=False)
        return checked

    @abstractmethod
    def _middle(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        """The middles of checked features, (N,)."""

    @abstractmethod
    def _interval(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        """Lower and upper ends of checked features, (N, 2)."""


class SplitConformalRegressor(_IntervalRegressor):
    """Split conformal regression: prediction plus and minus one quantile of absolute residuals.

    Lei, G'Sell, Rinaldo, Tibshirani, Wasserman (JASA 2018), algorithm 2. For a trained model wrap
    it in ``sklearn.frozen.FrozenEstimator``: then all data given to ``fit`` calibrate.

    Args:
        estimator: Regressor; least squares by default.
        alpha: Error level in (0, 1).
        calibration_share: Share of the items that calibrate, in (0, 1).
        random_state: Seed of the split.

    Attributes:
        estimator_: The fitted regressor.
        half_width_: Half the width of every interval.
        guarantee_: What ``predict_interval`` promises.
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        alpha: float = 0.1,
        calibration_share: float = 0.5,
        random_state: int = 0,
    ) -> None:
        self.estimator = estimator
        self.alpha = alpha
        self.calibration_share = calibration_share
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Train on one part of the items (n, d) with values (n,), and calibrate on the rest."""
        X, y = validate_data(self, X, y, y_numeric=True)
        estimator = LinearRegression() if self.estimator is None else self.estimator
        rng = np.random.default_rng(self.random_state)
        self.estimator_, calibrates = fit_apart(estimator, X, y, self.calibration_share, rng)
        residuals = np.abs(y[calibrates] - self.estimator_.predict(X[calibrates]))
        self.half_width_ = conformal_quantile(residuals, self.alpha)
        self.guarantee_ = _coverage(len(calibrates), 1 - self.alpha)
        return self

    def _middle(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        values: NDArray[np.float64] = self.estimator_.predict(X)
        return values

    def _interval(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        values = self._middle(X)
        return np.column_stack([values - self.half_width_, values + self.half_width_])


class ConformalizedQuantileRegressor(_IntervalRegressor):
    """CQR: intervals that are wide where the data are noisy (Romano, Patterson, Candès, 2019).

    Two quantile regressions at alpha/2 and 1 - alpha/2, moved apart by the conformal quantile of
    ``max(low - y, y - high)``.

    Args:
        estimator: Regressor with a parameter ``quantile``; gradient boosting by default.
        alpha: Error level in (0, 1).
        calibration_share: Share of the items that calibrate, in (0, 1).
        random_state: Seed of the split.

    Attributes:
        low_: Fitted regression of the lower quantile.
        high_: Fitted regression of the upper quantile.
        margin_: By how much both ends move outwards; negative when they move in.
        guarantee_: What ``predict_interval`` promises.
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        alpha: float = 0.1,
        calibration_share: float = 0.5,
        random_state: int = 0,
    ) -> None:
        self.estimator = estimator
        self.alpha = alpha
        self.calibration_share = calibration_share
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Train on one part of the items (n, d) with values (n,), and calibrate on the rest."""
        X, y = validate_data(self, X, y, y_numeric=True)
        check_alpha(self.alpha)
        base = self.estimator
        if base is None:
            base = HistGradientBoostingRegressor(loss="quantile", quantile=0.5, random_state=0)
        rng = np.random.default_rng(self.random_state)
        trains, calibrates = split_items(len(y), self.calibration_share, rng)
        self.low_, self.high_ = (
            clone(base).set_params(quantile=quantile).fit(X[trains], y[trains])
            for quantile in (self.alpha / 2, 1 - self.alpha / 2)
        )
        ends = self._ends(X[calibrates])
        outside = np.maximum(ends[:, 0] - y[calibrates], y[calibrates] - ends[:, 1])
        self.margin_ = conformal_quantile(outside, self.alpha)
        self.guarantee_ = _coverage(len(calibrates), 1 - self.alpha)
        return self

    def _middle(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        middle: NDArray[np.float64] = self._ends(X).mean(axis=1)
        return middle

    def _interval(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        ends: NDArray[np.float64] = self._ends(X) + np.array([-self.margin_, self.margin_])
        # An interval that a negative margin empties is a point.
        empty = ends[:, 0] > ends[:, 1]
        ends[empty] = ends[empty].mean(axis=1, keepdims=True)
        return ends

    def _ends(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        # Two quantile regressions may cross.
        ends: NDArray[np.float64] = np.sort(
            np.column_stack([self.low_.predict(X), self.high_.predict(X)]), axis=1
        )
        return ends


class CrossConformalRegressor(_IntervalRegressor):
    """CV+ and jackknife+: every item both trains and calibrates.

    Foygel Barber, Candès, Ramdas, Tibshirani (Annals of Statistics, 2021). Coverage is at least
    1 - 2 alpha (less at most sqrt(2/n) for CV+), and near 1 - alpha in practice.

    Args:
        estimator: Regressor; least squares by default.
        alpha: In (0, 1/2).
        folds: Number of folds; None gives one per item, the jackknife+.
        random_state: Seed of the folds.

    Attributes:
        estimators_: One regressor per fold.
        guarantee_: What ``predict_interval`` promises.
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        alpha: float = 0.1,
        folds: int | None = 10,
        random_state: int = 0,
    ) -> None:
        self.estimator = estimator
        self.alpha = alpha
        self.folds = folds
        self.random_state = random_state

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Train once per fold on the other folds' items (n, d) with values (n,)."""
        X, y = validate_data(self, X, y, y_numeric=True)
        check_alpha(2 * self.alpha, "2 alpha")
        n = len(y)
        folds = n if self.folds is None else min(self.folds, n)
        if folds < 2:
            raise InputError(f"{n} sample(s) in {folds} fold(s); give at least two of each")
        base = LinearRegression() if self.estimator is None else self.estimator
        self.estimators_, self.residuals_, self._fold_of = [], np.empty(n), np.empty(n, dtype=int)
        parts = KFold(folds, shuffle=True, random_state=self.random_state).split(X)
        for fold, (trains, held_out) in enumerate(parts):
            model = clone(base).fit(X[trains], y[trains])
            self.estimators_.append(model)
            self.residuals_[held_out] = np.abs(y[held_out] - model.predict(X[held_out]))
            self._fold_of[held_out] = fold
        # Their theorem 4; nothing is lost with one fold per item.
        lost = min(2 * (1 - 1 / folds) / (n / folds + 1), (1 - folds / n) / (folds + 1))
        self.guarantee_ = _coverage(n, max(0.0, 1 - 2 * self.alpha - lost))
        return self

    def _middle(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        middle: NDArray[np.float64] = np.mean([one.predict(X) for one in self.estimators_], axis=0)
        return middle

    def _interval(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        predicted = np.array([one.predict(X) for one in self.estimators_])
        n = len(self.residuals_)
        rank = conformal_rank(n, self.alpha)
        if rank > n:
            return np.column_stack([np.full(len(X), -np.inf), np.full(len(X), np.inf)])
        ends = np.empty((len(X), 2))
        for row, at_item in enumerate(predicted.T):
            of_fold = at_item[self._fold_of]
            ends[row, 0] = -np.partition(self.residuals_ - of_fold, rank - 1)[rank - 1]
            ends[row, 1] = np.partition(self.residuals_ + of_fold, rank - 1)[rank - 1]
        return ends
