"""Calibration errors by hand and on calibrated forecasts of known truth."""

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.measure import (
    brier_score,
    calibration_error,
    classwise_calibration_error,
    negative_log_likelihood,
)


def test_by_hand() -> None:
    p = np.array([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.3, 0.7]])
    y = np.array([0, 1, 1, 1])
    # Bins of a tenth: 0.9 twice, one right; 0.6 and 0.7, both right.
    expected = (2 * abs(0.5 - 0.9) + 0.4 + 0.3) / 4
    assert calibration_error(p, y, bins=10) == pytest.approx(expected)
    # Two bins of equal count hold the same pairs.
    adaptive = (abs(2 - 1.3) + abs(1 - 1.8)) / 4
    assert calibration_error(p, y, bins=2, adaptive=True) == pytest.approx(adaptive)
    brier = (2 * 0.01 + 2 * 0.81 + 2 * 0.16 + 2 * 0.09) / 4
    assert brier_score(p, y) == pytest.approx(brier)
    assert negative_log_likelihood(p, y) == pytest.approx(-np.log(0.9 * 0.1 * 0.6 * 0.7) / 4)
    one_bin = np.mean([abs((y == c).mean() - p[:, c].mean()) for c in (0, 1)])
    assert classwise_calibration_error(p, y, bins=1) == pytest.approx(one_bin)


def test_calibrated_forecasts_err_by_sampling_only_and_sharpened_ones_do_not() -> None:
    rng = np.random.default_rng(0)
    p = rng.dirichlet(np.ones(4), size=40_000)
    y = (rng.random(40_000)[:, None] > np.cumsum(p, axis=1)).sum(axis=1)
    # 15 bins of 2,667: a gap is normal with deviation at most 0.5 / sqrt(2667) = 0.0097, its size
    # 0.0077 on average; the mean of 15 deviates by 0.0015. Four of these above: 0.014.
    assert calibration_error(p, y) < 0.014
    assert calibration_error(p, y, adaptive=True) < 0.014
    assert classwise_calibration_error(p, y) < 0.014
    sharp = p**3 / (p**3).sum(axis=1, keepdims=True)
    assert calibration_error(sharp, y) > 0.1
    # Brier and likelihood are proper: the truth is best.
    assert brier_score(p, y) < brier_score(sharp, y)
    assert negative_log_likelihood(p, y) < negative_log_likelihood(sharp, y)


def test_certainty_about_a_wrong_label_is_infinite() -> None:
    assert negative_log_likelihood([[1.0, 0.0]], [1]) == np.inf
    assert brier_score([[1.0, 0.0]], [1]) == 2
    assert calibration_error([[1.0, 0.0]], [1]) == 1
    assert calibration_error([[1.0, 0.0]], [0]) == 0


@pytest.mark.parametrize(
    ("p", "y", "message"),
    [
        ([[0.9, 0.3]], [0], "no distribution"),
        ([[2.0, -1.0]], [0], "no distribution"),
        ([[np.nan, 0.5]], [0], "no distribution"),
        ([[0.5, 0.5]], [2], "from 0 to 1"),
        ([[0.5, 0.5]], [0.0], "from 0 to 1"),
        ([0.5, 0.5], [0], "give"),
        (np.zeros((0, 2)), [], "one item at least"),
    ],
)
def test_bad_input_is_refused(p: object, y: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        calibration_error(p, y)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="bins 0"):
        calibration_error([[0.5, 0.5]], [0], bins=0)
