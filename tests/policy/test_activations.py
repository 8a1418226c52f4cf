import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sterling.errors import InputError
from sterling.policy import Activation, exponential, huber, linear, snra, threshold

ALL = [snra, exponential, linear, huber, threshold]
ERRORS = st.floats(0, 1e6)
SHARPNESS = st.floats(0, 1e4)


def test_golden_values() -> None:
    assert snra(0.01, 100) == pytest.approx(0.53788, abs=5e-6)
    for k in (0.5, 1, 10, 100, 400):
        assert snra(0, k) == 1
        assert snra(math.log(3) / k, k) == pytest.approx(0.5)


@pytest.mark.parametrize(("k", "error"), [(1, 1.048), (10, 0.331), (100, 0.105), (400, 0.052)])
def test_half_level_relative_errors(k: float, error: float) -> None:
    assert snra((error - 5e-4) ** 2, k) > 0.5 > snra((error + 5e-4) ** 2, k)


def test_slope() -> None:
    step = 1e-6
    for k in (1, 10, 100):
        assert (snra(step, k) - 1) / step == pytest.approx(-k / 2, rel=1e-3)
        for x in (0.01, 0.3):
            slope = (snra(x + step, k) - snra(x - step, k)) / (2 * step)
            assert slope == pytest.approx(-k / 2 / math.cosh(k * x / 2) ** 2, rel=1e-4)


@given(ERRORS, ERRORS, SHARPNESS)
def test_p7_rewards_fall_with_the_error(x: float, y: float, k: float) -> None:
    for activation in ALL:
        near, far = activation(sorted((x, y)), k)
        assert 0 <= far <= near <= 1
        assert activation(0, k) == 1


@given(ERRORS, SHARPNESS, SHARPNESS)
def test_p7_rewards_fall_with_the_sharpness(x: float, k: float, other: float) -> None:
    for activation in ALL:
        assert activation(x, max(k, other)) <= activation(x, min(k, other))


def test_p7_is_strict_where_float64_can_show_it() -> None:
    errors = np.linspace(0.001, 1, 500)
    for k in (1, 10, 100):
        assert (np.diff(snra(errors, k)) < 0).all()
        assert (snra(errors, k) > snra(errors, 1.1 * k)).all()


@pytest.mark.parametrize("activation", ALL)
def test_hopeless_feedback_earns_nothing(activation: Activation) -> None:
    for k in (0, 1, 1e300):
        assert activation([math.inf, math.nan], k).tolist() == [0, 0]
        assert activation(1e308, max(k, 1)) < 1e-300


def test_shapes_of_the_others() -> None:
    assert exponential(0.2, 5) == pytest.approx(math.exp(-1))
    assert linear([0.05, 0.1, 0.2], 10).tolist() == pytest.approx([0.5, 0, 0])
    assert threshold([0.1, 0.100001], 10).tolist() == [1, 0]
    # the square and the line meet with the same slope
    below, at, above = huber(np.array([0.999, 1.0, 1.001]), 1.0, delta=1.0)
    assert at == 0.5
    assert at - above == pytest.approx(below - at, rel=2e-3)


@pytest.mark.parametrize("activation", ALL)
def test_bad_input_is_refused(activation: Activation) -> None:
    with pytest.raises(InputError, match="k is -1: a number of 0 or more"):
        activation(1, -1)
    with pytest.raises(InputError, match="k is nan"):
        activation(1, math.nan)
    with pytest.raises(InputError, match=r"feedback -0.5 is negative"):
        activation([1, -0.5], 1)
