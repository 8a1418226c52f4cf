"""The quantile-regression attack of Bertran et al. (2023): no shadow model at all."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.ensemble import GradientBoostingRegressor

from sterling.errors import InputError


class QuantileRegression:
    """Learn, from non-members, how high φ of a record of this kind can be without membership.

    Gradient boosting with the pinball loss (the regressor is ours; any will do).

    Args:
        quantile: 1 - a, the quantile of φ to predict, in (0, 1).
        seed: Of the regressor.
    """

    def __init__(self, quantile: float = 0.9, seed: int = 0) -> None:
        if not 0 < quantile < 1:
            raise InputError(f"quantile {quantile}: give a number between 0 and 1")
        self._regressor = GradientBoostingRegressor(
            loss="quantile", alpha=quantile, max_features="sqrt", random_state=seed
        )

    def fit(self, features: ArrayLike, phi: ArrayLike) -> "QuantileRegression":
        """Learn from non-members of the target.

        Args:
            features: What the records are like, (records, features).
            phi: φ under the target, (records,). These records cannot calibrate a guarantee.
        """
        x, value = np.asarray(features), np.asarray(phi)
        least = round(2 / (1 - self._regressor.alpha))
        if x.ndim != 2 or value.shape != x.shape[:1] or len(value) < least:
            raise InputError(
                f"features have shape {x.shape}, phi {value.shape}; give (records, features) and "
                f"(records,), {least} records or more"
            )
        self._regressor.fit(x, value)
        return self

    def score(self, features: ArrayLike, phi: ArrayLike) -> NDArray[np.float64]:
        """φ minus its predicted quantile, (records,); higher = more member."""
        predicted = self._regressor.predict(np.asarray(features))
        return np.asarray(np.asarray(phi, dtype=np.float64) - predicted)
