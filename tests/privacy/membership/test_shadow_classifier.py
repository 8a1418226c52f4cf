"""The classifier f_bc and the conformity score made from it."""

from typing import Any

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.measure import Scores, auc
from sterling.privacy.membership import MembershipFDR, ShadowClassifier, nonmember_conformity


def shadows(seed: int = 0) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=300)
    member = rng.random((4, 300)) < 0.5
    logits = rng.normal(size=(4, 300, 3))
    # Members of class 0 are surer; in class 1 it is the other way round; class 2 shows nothing.
    shift = np.select([labels == 0, labels == 1], [3.0, -3.0], 0.0)
    logits[:, np.arange(300), labels] += shift * member
    return logits, labels, member


def test_it_learns_what_each_class_shows() -> None:
    logits, labels, member = shadows()
    fitted = ShadowClassifier().fit(logits[:3], labels, member[:3])
    u = fitted.nonmember_probability(logits[3], labels)
    assert ((u > 0) & (u < 1)).all()
    for label, least in ((0, 0.85), (1, 0.85)):
        rows = labels == label
        assert auc(Scores(-u[rows], member[3][rows])).value > least
    rows = labels == 2
    assert auc(Scores(-u[rows], member[3][rows])).value < 0.65


def test_a_class_that_shows_one_side_only_is_refused() -> None:
    logits, labels, member = shadows()
    member[:, labels == 1] = True
    with pytest.raises(InputError, match="class 1 has no member or no non-member"):
        ShadowClassifier().fit(logits, labels, member)
    with pytest.raises(InputError, match="shadows, records, classes"):
        ShadowClassifier().fit(logits[0], labels, member[0])


def test_conformity_in_closed_form_and_clamped() -> None:
    s = nonmember_conformity([0.5, 0.8], mixing=0.25)
    np.testing.assert_allclose(s, [0.375, 0.25 * np.log(4) + 0.6])
    ends = nonmember_conformity([0.0, 1.0], mixing=1.0)
    np.testing.assert_allclose(ends, [np.log(1e-6 / (1 - 1e-6)), np.log((1 - 1e-6) / 1e-6)])
    with pytest.raises(InputError, match="mixing 2"):
        nonmember_conformity([0.5], mixing=2)
    with pytest.raises(InputError, match="between 0 and 1"):
        nonmember_conformity([1.5])


def test_the_mixing_changes_no_p_value() -> None:
    u = np.random.default_rng(0).beta(2, 2, size=400)
    p = [
        MembershipFDR()
        .calibrate(-nonmember_conformity(u[:200], mixing=mixing))
        .p_values(-nonmember_conformity(u[200:], mixing=mixing))
        for mixing in (0.0, 0.3, 1.0)
    ]
    np.testing.assert_array_equal(p[0], p[1])
    np.testing.assert_array_equal(p[0], p[2])
