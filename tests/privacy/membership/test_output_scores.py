"""φ, loss, confidence, entropy, modified entropy, class thresholds and difficulty."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special, stats

from sterling.privacy.membership import (
    class_thresholds,
    confidence_score,
    difficulty_score,
    entropy_score,
    loss_score,
    modified_entropy_score,
    phi,
)

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


def outputs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(50, 4), scale=2), rng.integers(4, size=50)


def test_entropy_is_scipys() -> None:
    logits, _ = outputs()
    p = special.softmax(logits, axis=1)
    np.testing.assert_allclose(entropy_score(logits), -stats.entropy(p, axis=1))
    assert entropy_score(np.zeros((1, 4)))[0] == pytest.approx(-np.log(4))
    assert entropy_score([[800.0, 0.0]])[0] == 0


def test_modified_entropy_is_its_definition_in_high_precision() -> None:
    logits, y = outputs()
    p = special.softmax(logits.astype(np.longdouble), axis=1)
    for row, label in enumerate(y):
        own = p[row, label]
        rest = sum(q * np.log(1 - q) for i, q in enumerate(p[row]) if i != label)
        expected = (1 - own) * np.log(own) + rest
        assert modified_entropy_score(logits, y)[row] == pytest.approx(float(expected), rel=1e-9)


def test_modified_entropy_tells_sure_right_from_sure_wrong() -> None:
    right, wrong = modified_entropy_score([[50.0, 0.0], [0.0, 50.0]], [0, 0])
    assert right == pytest.approx(0, abs=1e-12)
    assert wrong == pytest.approx(-100, rel=1e-6)  # both terms are log of exp(-50)
    assert np.ptp(entropy_score([[50.0, 0.0], [0.0, 50.0]])) == 0


def test_class_thresholds_are_the_most_accurate_ones() -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(3, size=400)
    member = rng.random(400) < 0.5
    scores = (rng.normal(size=400) + member + 5 * labels).round(1)  # ties
    thresholds = class_thresholds(scores, labels, member, 3)
    for label in range(3):
        rows = labels == label
        right = [((scores[rows] >= cut) == member[rows]).sum() for cut in np.unique(scores[rows])]
        mine = ((scores[rows] >= thresholds[label]) == member[rows]).sum()
        assert mine == max(right)


def test_mean_over_the_references_that_count() -> None:
    target = [-1.0, -2.0]
    reference = [[-3.0, np.nan], [-5.0, -2.0], [np.nan, -4.0]]
    assert difficulty_score(target, reference).tolist() == [3.0, 1.0]


def test_a_record_easy_for_all_is_no_evidence() -> None:
    assert difficulty_score([-0.01, -2.0], [[-0.01, -6.0]]).tolist() == [0.0, 4.0]
