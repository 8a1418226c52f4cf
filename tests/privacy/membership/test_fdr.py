import json
import math
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.base import clone

from sterling.errors import InputError
from sterling.guarantee import (
    Procedure,
    ResolutionWarning,
    benjamini_hochberg,
    benjamini_yekutieli,
    e_benjamini_hochberg,
    harmonic_e_values,
    null_share_at_the_boundary,
    null_share_by_subtraction,
    storey_benjamini_hochberg,
)
from sterling.guarantee.selector import PROCEDURES
from sterling.measure import Rate
from sterling.privacy import MembershipFDR
from sterling.privacy.membership import ShiftWarning, audit

T, REPEATS = 1000, 200


def gaussian(
    rng: np.random.Generator, pi0: float, mu: float
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Scores of T records, members higher by mu, and the truth."""
    truth = np.arange(T) >= round(T * pi0)
    return rng.normal(mu * truth, 1), truth


@pytest.mark.filterwarnings("ignore::sterling.guarantee.ResolutionWarning")
@pytest.mark.parametrize("method", PROCEDURES)
def test_the_false_discovery_rate_is_what_was_promised(method: Procedure) -> None:
    rng = np.random.default_rng(1)
    proportions = []
    for _ in range(REPEATS):
        scores, truth = gaussian(rng, 0.5, 2)
        wrapper = MembershipFDR(method).calibrate(rng.normal(size=T))
        proportions.append(audit(wrapper.select(scores, 0.1), truth).fdp)
    bound = 0.05 if method in ("bh", "by", "ebh") else 0.1
    # One-sided, 3 s.e.: a true rate at the bound fails once in 700.
    assert np.mean(proportions) <= bound + 3 * np.std(proportions, ddof=1) / math.sqrt(REPEATS)


@pytest.mark.parametrize("share", [0.25, 0.5, 0.75])
def test_both_readings_of_the_level_in_the_papers_design(share: float) -> None:
    """Benjamini-Hochberg's FDR is its level times the non-members' share, in closed form.

    The paper reports 0.145 for LiRA at alpha 0.15 with as many members as non-members: the rule of
    its released code gives 0.15 there, the theorem's 0.075.
    """
    rng, alpha = np.random.default_rng(2), 0.15
    nonmembers = {0.25: 1200, 0.5: 3600, 0.75: 3600}[share]
    members = {0.25: 3600, 0.5: 3600, 0.75: 1200}[share]
    truth = np.arange(nonmembers + members) >= nonmembers
    found: dict[str, list[float]] = {"alpha": [], "declared share": []}
    for _ in range(60):
        scores, calibration = rng.normal(2 * truth, 1), rng.normal(size=10_000)
        for level, proportions in found.items():
            wrapper = MembershipFDR(level=level, nonmember_share=share)  # type: ignore[arg-type]
            declared = wrapper.calibrate(calibration).select(scores, alpha)
            assert declared.tolist() == (wrapper.adjusted_p_values(scores) <= alpha).tolist()
            proportions.append(audit(declared, truth).fdp)
    for level, expected in (("alpha", alpha * share), ("declared share", alpha)):
        error = np.std(found[level], ddof=1) / math.sqrt(60)
        assert np.mean(found[level]) == pytest.approx(expected, abs=float(3.5 * error)), level
        assert error < 0.002
    if share == 0.5:
        assert abs(np.mean(found["declared share"]) - 0.145) < 0.01
        assert abs(np.mean(found["alpha"]) - 0.145) > 0.06


def test_a_declared_share_is_part_of_the_guarantee() -> None:
    scores = np.random.default_rng(0).normal(size=200)
    wrapper = MembershipFDR(level="declared share", nonmember_share=0.5).calibrate(scores)
    statement = wrapper.guarantee(0.1)
    assert "at most alpha are" in statement.statement
    assert "at most 0.5" in str(statement.assumptions)
    assert (
        "times the non-members' share" in MembershipFDR().calibrate(scores).guarantee(0.1).statement
    )
    refused: list[tuple[str, MembershipFDR]] = [
        ("nonmember_share None", MembershipFDR(level="declared share")),
        ("nonmember_share 1.5", MembershipFDR(level="declared share", nonmember_share=1.5)),
        ("storey: estimates", MembershipFDR("storey", level="declared share", nonmember_share=0.5)),
        ("level 'half'", MembershipFDR(level="half")),  # type: ignore[arg-type]
    ]
    for message, one in refused:
        with pytest.raises(InputError, match=message):
            one.calibrate(scores)
    with pytest.raises(InputError, match="every list keeps it"):
        wrapper.select(scores, 0.5)


@pytest.mark.filterwarnings("ignore::sterling.guarantee.ResolutionWarning")
def test_shifted_calibration_breaks_the_promise_and_is_flagged() -> None:
    rng = np.random.default_rng(0)
    proportions, flagged, false_alarms = [], 0, 0
    for _ in range(100):
        scores, truth = gaussian(rng, 0.5, 2)
        shifted = MembershipFDR().calibrate(rng.normal(-0.3, 1, 1000))
        proportions.append(audit(shifted.select(scores, 0.1), truth).fdp)
        honest = MembershipFDR().calibrate(rng.normal(size=1000))
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always", ShiftWarning)
            held_out = rng.normal(size=500)
            flagged += shifted.diagnose(held_out) < 0.01
            assert bool(seen) == (shifted.shift_p_ is not None and shifted.shift_p_ < 0.01)
            false_alarms += honest.diagnose(held_out) < 0.01
    assert np.mean(proportions) > 0.05 + 3 * np.std(proportions) / 10
    assert flagged >= 90
    assert false_alarms <= 5  # binomial(100, 0.01) exceeds 5 once in 2000


def test_the_guarantee_says_what_was_checked() -> None:
    wrapper = MembershipFDR().calibrate(np.arange(100.0), scored_by="surrogate")
    texts = {one.text: one.checked for one in wrapper.guarantee(0.1).assumptions}
    assert any(text.startswith("surrogate = target") for text in texts)
    assert set(texts.values()) == {None}
    checked = MembershipFDR().calibrate(
        np.arange(100.0),
        ids=[f"r{i}" for i in range(100)],
        members=["m"],
        fitted_on=["f"],
        groups=np.arange(100) % 2,
    )
    with pytest.warns(ShiftWarning, match="does not apply"):
        checked.diagnose(np.arange(100.0) + 1000)
    guarantee = checked.guarantee(0.1)
    assert [one.checked for one in guarantee.assumptions][1:] == ["by record id"] * 2
    assert guarantee.assumptions[0].text.endswith("within groups")
    assert guarantee.assumptions[0].checked is not None
    assert guarantee.assumptions[0].checked.startswith("REFUTED")
    assert "alpha = 0.1" in guarantee.statement
    assert (guarantee.n, guarantee.level) == (100, 0.1)


@given(st.integers(0, 10**6), st.sampled_from(PROCEDURES), st.booleans())
@settings(max_examples=40, deadline=None)
def test_declaring_is_the_procedure_of_that_name(
    seed: int, method: Procedure, smooth: bool
) -> None:
    rng = np.random.default_rng(seed)
    scores = np.append(rng.normal(size=60), rng.normal(4, 1, size=40)).round(1)
    wrapper = MembershipFDR(method, smooth=smooth, random_state=seed)
    wrapper.calibrate(rng.normal(size=400).round(1))
    p = wrapper.p_values(scores)
    expected = {
        "bh": lambda: benjamini_hochberg(p, 0.13),
        "by": lambda: benjamini_yekutieli(p, 0.13),
        "storey": lambda: storey_benjamini_hochberg(p, 0.13),
        "ptdi": lambda: benjamini_hochberg(p * null_share_by_subtraction(p), 0.13),
        "ptdi_jkbb": lambda: benjamini_hochberg(p * null_share_at_the_boundary(p), 0.13),
        "ebh": lambda: e_benjamini_hochberg(harmonic_e_values(p, 400), 0.13),
    }[method]()
    np.testing.assert_array_equal(wrapper.select(scores, 0.13), expected)


def test_p_values_by_counting() -> None:
    wrapper = MembershipFDR().calibrate([1.0, 2.0, 2.0, 5.0])
    p = wrapper.p_values([0.0, 2.0, 4.0, 6.0])
    assert p.tolist() == [1.0, 4 / 5, 2 / 5, 1 / 5]
    smooth = MembershipFDR(smooth=True, random_state=3).calibrate([1.0, 2.0, 2.0, 5.0])
    tied = smooth.p_values(np.full(200, 2.0))
    assert tied.min() > 1 / 5
    assert tied.max() <= 4 / 5
    assert len(set(tied)) == 200


def test_groups_are_calibrated_apart() -> None:
    rng = np.random.default_rng(1)
    level = np.array([0.0, 10.0])
    false = []
    for _ in range(60):
        groups = (rng.random(800) < 0.9).astype(int)  # the mix differs from calibration's
        truth = rng.random(800) < 0.3
        scores = level[groups] + rng.normal(3 * truth, 1)
        known = np.repeat([0, 1], 1000)
        grouped = MembershipFDR().calibrate(level[known] + rng.normal(size=2000), groups=known)
        false.append(audit(grouped.select(scores, 0.2, groups=groups), truth).fdp)
    assert np.mean(false) <= 0.2 * 0.7 + 3 * np.std(false) / math.sqrt(60)
    p = grouped.p_values(scores, groups=groups)
    for group in (0, 1):
        alone = MembershipFDR().calibrate(-grouped.selector_.calibration_[known == group])
        np.testing.assert_array_equal(p[groups == group], alone.p_values(scores[groups == group]))


def test_too_small_a_calibration_set() -> None:
    wrapper = MembershipFDR().calibrate(np.arange(8.0))
    with pytest.raises(InputError, match=r"8 calibration items can select nothing .* least 10"):
        wrapper.select(np.arange(20.0), 0.1)
    with pytest.warns(ResolutionWarning, match="about 16 must stand out together"):
        mask = wrapper.select(np.append(np.zeros(4), np.full(16, 9.0)), 0.14)
    assert mask.sum() == 16
    with pytest.raises(InputError, match="per group"):
        MembershipFDR().calibrate(np.arange(12.0), groups=[0] * 11 + [1]).select(
            [1.0], 0.1, groups=[0]
        )
    with pytest.raises(InputError, match="can select nothing"):
        MembershipFDR("ebh", smooth=True).calibrate(np.arange(20.0)).select([30.0], 0.1)


KNOWN, IDS = np.arange(50.0), [f"r{i}" for i in range(50)]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: MembershipFDR().calibrate(KNOWN, ids=IDS, members=["r7", "r9", "x"]),
            "2 calibration records are members of the target",
        ),
        (
            lambda: MembershipFDR().calibrate(KNOWN, ids=IDS, fitted_on=["r3"]),
            r"1 calibration records are used for the fit .*'r3'",
        ),
        (lambda: MembershipFDR().calibrate(KNOWN, members=["r7"]), "name the calibration records"),
        (
            lambda: MembershipFDR().calibrate(KNOWN, ids=IDS).select([1, 2], 0.2, ids=["x", "r0"]),
            "to be judged by this calibration",
        ),
        (lambda: MembershipFDR().calibrate([1.0, math.nan]), "1 of 2 values are NaN"),
        (lambda: MembershipFDR().calibrate([3.0] * 20), "all 20 are 3; the attack tells nothing"),
        (lambda: MembershipFDR().calibrate([[1.0]]), "one number per item"),
        (lambda: MembershipFDR().select([1.0], 0.1), "calibrate with known non-members first"),
        (lambda: MembershipFDR("holm").calibrate([1.0, 2.0]), "unknown procedure 'holm'"),  # type: ignore[arg-type]
        (lambda: MembershipFDR().calibrate([1.0, 2.0], scored_by="x"), "scored_by"),  # type: ignore[arg-type]
        (lambda: MembershipFDR().calibrate(KNOWN).select([1.0], 1.0), "alpha 1"),
        (lambda: MembershipFDR().calibrate(KNOWN).select([1.0], 0.1, groups=[0]), "to neither"),
        (lambda: MembershipFDR().calibrate(KNOWN).select([math.nan], 0.1), "NaN"),
    ],
)
def test_wrong_use_is_refused(call: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()


def test_nothing_asked_declares_nothing() -> None:
    assert MembershipFDR().calibrate(KNOWN).select([], 0.1).tolist() == []


def test_it_is_a_scikit_learn_estimator() -> None:
    wrapper = MembershipFDR("by", smooth=True, random_state=3)
    again = clone(wrapper).set_params(method="bh")
    assert again.get_params() == {
        "method": "bh",
        "smooth": True,
        "random_state": 3,
        "level": "alpha",
        "nonmember_share": None,
    }
    assert not hasattr(clone(wrapper.calibrate([1.0, 2.0])), "scores_")


def test_real_losses_of_a_fine_tuned_language_model(shared_data: Path) -> None:
    # A model fine-tuned on the "retain" facts only; the "forget" facts are its non-members.
    name = "text/tofu_eval/ft_epoch5_lr2e-05_phi_retain90_wd0.jsonl"
    rows = [json.loads(line) for line in (shared_data / name).read_text().splitlines()]
    loss = {
        kind: np.array([row["avg_gt_loss"] for row in rows if row["set"] == kind])
        for kind in ("eval_log", "eval_log_forget")
    }
    rng = np.random.default_rng(0)
    truth = np.repeat([False, True], [75, 150])
    outcomes = []
    for _ in range(200):
        unseen = rng.permutation(loss["eval_log_forget"])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ResolutionWarning)
            mask = (
                MembershipFDR()
                .calibrate(-unseen[:75])
                .select(-np.append(unseen[75:], loss["eval_log"]), 0.1)
            )
        outcomes.append(audit(mask, truth))
    false = [outcome.fdp for outcome in outcomes]
    assert np.mean(false) <= 0.1 * 75 / 225 + 3 * np.std(false, ddof=1) / math.sqrt(200)
    assert min(outcome.power.value for outcome in outcomes if outcome.power) > 0.9


def test_an_audit_counts() -> None:
    outcome = audit([True, True, True, False, False], [True, False, True, True, False])
    assert outcome.false_discoveries == Rate(1, 3)
    assert outcome.power == Rate(2, 3)
    assert outcome.marginal_error == Rate(1, 2)
    assert outcome.fdp == pytest.approx(1 / 3)


def test_nobody_declared_is_no_false_discovery() -> None:
    outcome = audit([False, False], [False, False])
    assert outcome.fdp == 0
    assert outcome.false_discoveries is None
    assert outcome.power is None
    assert outcome.marginal_error == Rate(0, 2)
