"""φ, and the attacks that are functions of it."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from sterling.errors import InputError
from sterling.privacy.membership import confidence_score, loss_score, phi

LOGITS = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 6), st.integers(2, 5)),
    elements=st.floats(-30, 30, width=32),
)


@given(LOGITS)
def test_it_is_the_log_odds_of_the_true_class(logits: np.ndarray) -> None:
    y = np.arange(len(logits)) % logits.shape[1]
    weight = np.exp(logits - logits.max(1, keepdims=True))
    own = weight[np.arange(len(y)), y]
    others = np.array([np.delete(row, label).sum() for row, label in zip(weight, y, strict=True)])
    np.testing.assert_allclose(np.exp(-phi(logits, y)) * own, others, rtol=1e-9)
    p = own / weight.sum(1)
    np.testing.assert_allclose(confidence_score(logits, y), p, rtol=1e-9)
    np.testing.assert_allclose(np.exp(loss_score(logits, y)), p, rtol=1e-9)


def test_two_classes_in_closed_form() -> None:
    assert phi([[3.0, 1.0]], [0]) == pytest.approx(2)
    odds = Fraction(3, 5)
    assert phi(np.log([[3.0, 4.0, 1.0]]), [0])[0] == pytest.approx(np.log(float(odds)))


def test_it_keeps_an_order_that_probabilities_lose() -> None:
    sure = np.array([[60.0, 0.0], [61.0, 0.0]])
    p = np.float32(1) / (1 + np.exp(-sure[:, 0]).astype(np.float32))
    assert p[0] == p[1] == 1
    assert np.diff(phi(sure, [0, 0])) == pytest.approx(1)
    assert np.diff(confidence_score(sure, [0, 0])) == 0
    assert np.diff(loss_score(sure, [0, 0])) > 0


def test_many_models_at_once_equal_one_at_a_time() -> None:
    logits = np.random.default_rng(0).normal(size=(3, 7, 4))
    y = np.arange(7) % 4
    together = phi(logits, y)
    assert together.shape == (3, 7)
    for row in range(3):
        np.testing.assert_array_equal(together[row], phi(logits[row], y))


@pytest.mark.parametrize(
    ("logits", "labels", "message"),
    [
        ([[1.0]], [0], "two classes"),
        ([1.0, 2.0], [0], "two classes"),
        ([[1.0, 2.0]], [0, 1], "shape"),
        ([[1.0, 2.0]], [2], "from 0 to 1"),
        ([[1.0, 2.0]], [0.5], "whole numbers"),
        ([[1.0, float("nan")]], [0], "not finite"),
    ],
)
def test_wrong_outputs_are_refused(logits: object, labels: object, message: str) -> None:
    with pytest.raises(InputError, match=message):
        phi(logits, labels)  # type: ignore[arg-type]
