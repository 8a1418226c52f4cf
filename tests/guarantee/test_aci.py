import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sterling.errors import InputError
from sterling.guarantee import adaptive_conformal_inference


@given(
    st.lists(st.floats(1e-6, 1), min_size=1, max_size=300),
    st.floats(0.05, 0.5),
    st.floats(0.005, 0.5),
)
def test_the_share_missed_is_near_alpha_on_any_stream(
    p: list[float], alpha: float, gamma: float
) -> None:
    run = adaptive_conformal_inference(p, alpha, gamma)
    assert abs(run.missed.mean() - alpha) <= run.bound + 1e-12
    assert run.levels.min() >= -gamma - 1e-12
    assert run.levels.max() <= 1 + gamma + 1e-12


def test_it_recovers_after_a_change_that_breaks_fixed_levels() -> None:
    rng = np.random.default_rng(0)
    p = np.concatenate([rng.random(2000), rng.random(2000) ** 3]).clip(1e-6)
    run = adaptive_conformal_inference(p, 0.1, 0.02)
    assert (p[2000:] <= 0.1).mean() > 0.4
    assert run.missed[2500:].mean() == pytest.approx(0.1, abs=0.03)


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="gamma 0"):
        adaptive_conformal_inference([0.5], 0.1, 0)
    with pytest.raises(InputError, match="holds a 0"):
        adaptive_conformal_inference([0.0], 0.1, 0.1)
