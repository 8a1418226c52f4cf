import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression, QuantileRegressor
from sklearn.utils.estimator_checks import parametrize_with_checks

from sterling.errors import InputError
from sterling.guarantee import (
    ConformalizedQuantileRegressor,
    CrossConformalRegressor,
    ResolutionWarning,
    SplitConformalRegressor,
)

QUANTILE = QuantileRegressor(alpha=0.0, solver="highs")


@pytest.mark.no_cover
@parametrize_with_checks(
    [
        SplitConformalRegressor(),
        ConformalizedQuantileRegressor(QUANTILE),
        CrossConformalRegressor(folds=3),
    ]
)
def test_follows_scikit_learns_contract(estimator: Any, check: Callable[[Any], None]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def draw(rng: np.random.Generator, n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    X = rng.uniform(0, 1, size=(n, 1))
    return X, 2 * X[:, 0] + (0.1 + X[:, 0]) * rng.normal(size=n)


@pytest.mark.no_cover
@pytest.mark.parametrize(
    ("model", "low", "high"),
    [
        (SplitConformalRegressor(alpha=0.1), 46 / 51, 46 / 51),
        (ConformalizedQuantileRegressor(QUANTILE, alpha=0.1), 46 / 51, 46 / 51),
        (CrossConformalRegressor(alpha=0.1, folds=5), 0.7, 1.0),
        (CrossConformalRegressor(alpha=0.1, folds=20), 0.7, 1.0),
    ],
)
def test_intervals_cover_one_new_item_at_the_promised_rate(
    model: Any, low: float, high: float
) -> None:
    rng = np.random.default_rng(0)
    repeats, covered = 200, 0
    for seed in range(repeats):
        X, y = draw(rng, 101)
        model.set_params(random_state=seed).fit(X[:100], y[:100])
        left, right = model.predict_interval(X[100:])[0]
        covered += int(left <= y[100] <= right)
    assert stats.binomtest(covered, repeats, low, alternative="less").pvalue > 1e-6
    assert stats.binomtest(covered, repeats, high, alternative="greater").pvalue > 1e-6


def test_quantile_intervals_widen_with_the_noise() -> None:
    X, y = draw(np.random.default_rng(1), 2000)
    model = ConformalizedQuantileRegressor(alpha=0.1).fit(X, y)
    widths = np.diff(model.predict_interval([[0.05], [0.95]]), axis=1)[:, 0]
    assert widths[1] > 2.5 * widths[0]


def test_jackknife_plus_of_the_mean_in_closed_form() -> None:
    # Least squares on no feature: leave-one-out means of 0, 1, 5 are 3, 2.5, 0.5; residuals
    # 3, 1.5, 4.5. alpha = 0.45: rank ceil(4 * 0.55) = 3, so the ends are the extremes of
    # m - r = 0, 1, -4 and m + r = 6, 4, 5.
    X, y = np.ones((3, 1)), np.array([0.0, 1.0, 5.0])
    model = CrossConformalRegressor(LinearRegression(), alpha=0.45, folds=None).fit(X, y)
    assert model.predict_interval([[1.0]])[0] == pytest.approx([-4.0, 6.0])
    assert model.guarantee_.level == pytest.approx(0.1)


def test_a_frozen_model_calibrates_on_everything_and_too_few_items_warn() -> None:
    X, y = draw(np.random.default_rng(2), 60)
    base = FrozenEstimator(LinearRegression().fit(X[:30], y[:30]))
    model = SplitConformalRegressor(base, alpha=0.1).fit(X[30:], y[30:])
    assert model.guarantee_.n == 30
    with pytest.warns(ResolutionWarning, match="give at least 9"):
        model.fit(X[:8], y[:8])
    assert np.isinf(model.predict_interval(X[:1])).all()
    few = CrossConformalRegressor(alpha=0.1, folds=None).fit(X[:5], y[:5])
    assert np.isinf(few.predict_interval(X[:2])).all()
    with pytest.raises(InputError, match="2 alpha"):
        CrossConformalRegressor(alpha=0.5).fit(X, y)
