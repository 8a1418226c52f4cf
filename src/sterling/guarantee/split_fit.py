"""Items that train and items that calibrate, and a model fitted on the first."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator

from sterling.errors import InputError
from sterling.guarantee.arrays import check_alpha


def split_items(
    n: int, calibration_share: float, rng: np.random.Generator
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Positions of the items that train, and of those that calibrate, at random.

    Raises:
        InputError: A share outside (0, 1), or one of the parts would be empty.
    """
    check_alpha(calibration_share, "calibration_share")
    order = rng.permutation(n)
    size = round(calibration_share * n)
    if not 0 < size < n:
        raise InputError(
            f"{n} sample(s) cannot be split by calibration_share = {calibration_share:g}; give more"
        )
    return order[size:], order[:size]


def fit_apart(
    estimator: Any,
    X: NDArray[Any],  # noqa: N803
    y: NDArray[Any],
    calibration_share: float,
    rng: np.random.Generator,
    *,
    least_classes: int = 1,
) -> tuple[Any, NDArray[np.intp]]:
    """A model fitted on a part of the items, and the positions of the others, which calibrate.

    A ``FrozenEstimator`` is not fitted, and all items calibrate.

    Args:
        estimator: Any scikit-learn estimator; it is cloned.
        X: Features (n, d).
        y: Labels or values (n,).
        calibration_share: Share of the items that calibrate, in (0, 1).
        rng: Draws who calibrates.
        least_classes: Different values of y that training needs.

    Raises:
        InputError: As :func:`split_items`, or the training items show too few classes.
    """
    if isinstance(estimator, FrozenEstimator):
        return estimator, np.arange(len(y))
    trains, calibrates = split_items(len(y), calibration_share, rng)
    if len(np.unique(y[trains])) < least_classes:
        raise InputError(
            f"the {len(trains)} training items hold one class, {y[trains[0]]!s}; give more items, "
            "or a smaller calibration_share"
        )
    return clone(estimator).fit(X[trains], y[trains]), calibrates
