import warnings

import numpy as np
import pytest
from sklearn.base import clone

from sterling.errors import InputError
from sterling.guarantee import (
    ConformalSelector,
    Procedure,
    ResolutionWarning,
    benjamini_hochberg,
    conformal_p_values,
)


def test_it_is_the_procedure_on_the_p_values() -> None:
    rng = np.random.default_rng(0)
    known, test = rng.normal(size=500), np.append(rng.normal(size=100), rng.normal(size=50) - 4)
    selector = clone(ConformalSelector(alpha=0.2)).fit(known)
    expected = benjamini_hochberg(conformal_p_values(known, test), 0.2)
    assert np.array_equal(selector.predict(test), expected)
    assert expected[100:].mean() > 0.8
    storey = ConformalSelector(alpha=0.2, procedure="storey").fit(known).predict(test)
    assert storey.sum() >= expected.sum()
    assert ConformalSelector(alpha=0.2, procedure="by").fit(known).predict(test).sum() > 0
    assert selector.guarantee_.n == 500


def test_groups_are_compared_within() -> None:
    known, groups = np.arange(40.0), np.repeat(["a", "b"], 20)
    selector = ConformalSelector(alpha=0.2).fit(known, groups)
    assert selector.p_values([20.0], ["b"])[0] == pytest.approx(2 / 21)
    with pytest.raises(InputError, match="to neither"):
        selector.predict([20.0])


def test_held_out_items_check_the_assumption_and_the_guarantee_says_so() -> None:
    rng = np.random.default_rng(2)
    known = rng.normal(size=1000)
    same = ConformalSelector().fit(known, held_out=rng.normal(size=300)).guarantee_
    moved = ConformalSelector().fit(known, held_out=rng.normal(size=300) + 0.5).guarantee_
    checks = [str(one.assumptions[0].checked) for one in (same, moved)]
    assert checks[0].startswith("not refuted by a two-sample")
    assert checks[1].startswith("REFUTED")
    assert ConformalSelector().fit(known).guarantee_.assumptions[0].checked is None


def test_too_small_a_calibration_set_warns_with_the_number_needed() -> None:
    # n = 50, T = 1000, alpha = 0.1: k discoveries need 51 >= 1000 / (0.1 k).
    rng = np.random.default_rng(1)
    selector = ConformalSelector(alpha=0.1).fit(rng.normal(size=50))
    with pytest.warns(ResolutionWarning, match=r"about 197 must stand out .* give 2000"):
        selector.predict(rng.normal(size=1000))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        selector.predict(rng.normal(size=25))
    with pytest.raises(InputError, match=r"8 calibration items can select nothing .* least 10"):
        ConformalSelector(alpha=0.1).fit(np.arange(8.0)).predict([3.0])


def test_bad_input_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean bh"):
        ConformalSelector(procedure="bhh").fit([1.0])  # type: ignore[arg-type]
    with pytest.raises(InputError, match="alpha"):
        ConformalSelector(alpha=1.5).fit([1.0])
    with pytest.raises(InputError, match="NaN"):
        ConformalSelector().fit([np.nan])


@pytest.mark.parametrize("procedure", ["bh", "by", "ebh"])
def test_the_resolution_is_what_selects_and_one_less_is_not(procedure: Procedure) -> None:
    tested, alpha = 12, 0.2
    needed = ConformalSelector(alpha=alpha, procedure=procedure).fit([0.0]).resolution(tested)[1]
    for calibration, selected in ((needed, 1), (needed - 1, 0)):
        selector = ConformalSelector(alpha=alpha, procedure=procedure)
        selector.fit(np.arange(1.0, calibration + 1))
        scores = np.array([0.0] + [1e9] * (tested - 1))
        assert selector.predict(scores).sum() == selected
    few = ConformalSelector(alpha=alpha, procedure=procedure).fit(np.arange(1.0, needed // 3))
    together = few.resolution(tested)[0]
    for stands_out, selected in ((together, together), (together - 1, 0)):
        scores = np.array([0.0] * stands_out + [1e9] * (tested - stands_out))
        assert few.predict(scores).sum() == selected
