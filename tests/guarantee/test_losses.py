import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sterling.errors import InputError
from sterling.guarantee import (
    betting_p_values,
    binomial_p_values,
    hoeffding_bentkus_p_values,
    learn_then_test,
)
from sterling.guarantee import losses as module
from sterling.guarantee.losses import check_losses, total_losses


@given(st.integers(1, 700), st.integers(1, 30), st.integers(0, 99), st.integers(1, 4000))
def test_sums_in_blocks_are_sums(n: int, settings: int, seed: int, block: int) -> None:
    losses = np.random.default_rng(seed).random((n, settings))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "BLOCK_BYTES", block)
        np.testing.assert_allclose(total_losses(losses)[1], losses.sum(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(total_losses(losses < 0.5)[1], (losses < 0.5).sum(axis=0))


@pytest.mark.parametrize("risk_test", [hoeffding_bentkus_p_values, binomial_p_values])
def test_bool_losses_give_what_zeros_and_ones_give(risk_test: module.Losses) -> None:
    failed = np.random.default_rng(0).random((600, 40)) < np.linspace(0.02, 0.3, 40)
    for view in (failed, np.asfortranarray(failed), np.repeat(failed, 2, axis=1)[:, ::2]):
        as_bool = learn_then_test(view, 0.15, 0.1, risk_test=risk_test)  # type: ignore[arg-type]
        as_float = learn_then_test(
            view.astype(float),
            0.15,
            0.1,
            risk_test=risk_test,  # type: ignore[arg-type]
        )
        np.testing.assert_allclose(as_bool.p, as_float.p, rtol=1e-12)
        np.testing.assert_array_equal(as_bool.risk, as_float.risk)
        assert 0 < as_bool.safe.sum() < 40
    np.testing.assert_allclose(betting_p_values(failed, 0.15), betting_p_values(1.0 * failed, 0.15))


@pytest.mark.parametrize("wrong", [np.nan, -1e-300, np.nextafter(1, 2), np.inf, -np.inf, -np.nan])
def test_one_wrong_loss_anywhere_is_found(wrong: float) -> None:
    losses = np.full((500, 700), 0.5)
    losses[-1, 3] = wrong
    with pytest.raises(InputError, match=r"bring them into \[0, 1\]"):
        check_losses(losses)


def test_the_ends_of_the_range_are_in_it() -> None:
    ends = np.array([[0.0, -0.0, 2.5, 5e-324]])
    np.testing.assert_array_equal(check_losses(ends, 2.5), ends)
    assert check_losses([[1, 0]]).dtype == np.float64
    with pytest.raises(InputError, match="items, settings"):
        check_losses(np.zeros((0, 3)))
