"""Entropy and modified entropy."""

import numpy as np
import pytest
from scipy import special, stats

from sterling.errors import InputError
from sterling.privacy.membership import (
    class_thresholds,
    entropy_score,
    modified_entropy_score,
)


def outputs() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.normal(size=(50, 4), scale=2), rng.integers(4, size=50)


def test_entropy_is_scipys() -> None:
    logits, _ = outputs()
    p = special.softmax(logits, axis=1)
    np.testing.assert_allclose(entropy_score(logits), -stats.entropy(p, axis=1))
    assert entropy_score(np.zeros((1, 4)))[0] == pytest.approx(-np.log(4))
    assert entropy_score([[800.0, 0.0]])[0] == 0
    with pytest.raises(InputError, match="two classes"):
        entropy_score([1.0, 2.0])


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
    with pytest.raises(InputError, match="class 0 has no member"):
        class_thresholds([1.0, 2.0], [0, 0], [False, False], 1)
