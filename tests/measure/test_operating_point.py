import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_curve

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure import (
    Scores,
    apcer_at_bpcer,
    bpcer_at_apcer,
    evaluate,
    threshold_at_apcer,
    threshold_at_bpcer,
    threshold_at_eer,
    tpr_at_fpr,
)
from sterling.measure.scores import Direction

rates = st.one_of(
    st.sampled_from([0.0, 0.01, 0.1, 0.29, 0.3, 0.5, 0.7, 1.0]), st.floats(0, 1, allow_nan=False)
)


@st.composite
def presentations(draw: st.DrawFn) -> Scores:
    """Tied scores of one bona fide class and up to three species."""
    value = st.integers(-5, 5)
    sides = {"bona_fide": draw(st.lists(value, min_size=1, max_size=20))}
    for species in ("print", "replay", "mask")[: draw(st.integers(1, 3))]:
        sides[species] = draw(st.lists(value, min_size=1, max_size=20))
    group = [name for name, values in sides.items() for _ in values]
    values = [x for values in sides.values() for x in values]
    direction: Direction = draw(st.sampled_from(["up", "down"]))
    label = np.array(group) == "bona_fide"
    return Scores(values, label, group=group, direction=direction)


def all_cuts(scores: Scores) -> list[float]:
    return [*sorted(set(scores.upward.tolist())), math.inf]


@given(presentations(), rates)
def test_apcer_threshold_keeps_its_word_for_every_species_and_is_the_lowest(
    scores: Scores, target: float
) -> None:
    threshold = threshold_at_apcer(scores, target)
    errors = evaluate(scores, threshold, in_sample=True)
    assert all(rate.value <= target for rate in errors.apcer.values())
    # Try every cut: none that is allowed rejects fewer bona fides.
    best = min(
        (scores.positive < cut).mean()
        for cut in all_cuts(scores)
        if all((a >= cut).mean() <= target for a in scores.negatives("max").values())
    )
    assert errors.bpcer.value == pytest.approx(best)
    point = bpcer_at_apcer(scores, target)
    assert point.rate == errors.bpcer
    assert point.threshold == threshold.value
    assert point.realised.value == errors.apcer_max.value
    assert point.resolved == threshold.resolved
    assert point.resolved == all(r.trials * target >= 1 - 1e-9 for r in errors.apcer.values())


@given(presentations(), rates)
def test_bpcer_threshold_keeps_its_word_and_is_the_highest(scores: Scores, target: float) -> None:
    threshold = threshold_at_bpcer(scores, target)
    errors = evaluate(scores, threshold, in_sample=True)
    assert errors.bpcer.value <= target
    allowed = [cut for cut in all_cuts(scores) if (scores.positive < cut).mean() <= target]
    best = min(max((a >= cut).mean() for a in scores.negatives("max").values()) for cut in allowed)
    assert errors.apcer_max.value == pytest.approx(best)
    point = apcer_at_bpcer(scores, target)
    assert point.rate.value == errors.apcer_max.value
    assert point.realised == errors.bpcer
    assert point.threshold == threshold.value


@given(presentations())
def test_eer_threshold_has_the_smallest_gap_of_all(scores: Scores) -> None:
    errors = evaluate(scores, threshold_at_eer(scores), in_sample=True)
    gap = abs(errors.apcer_pooled.value - errors.bpcer.value)
    for cut in all_cuts(scores):
        other = abs((scores.negative >= cut).mean() - (scores.positive < cut).mean())
        assert gap <= other + 1e-12


@given(presentations(), rates)
def test_thresholds_move_with_a_monotone_transformation(scores: Scores, target: float) -> None:
    def stretch(x: Any) -> Any:
        return 2 * x + 1

    moved = Scores(
        stretch(scores.values), scores.label, group=scores.group, direction=scores.direction
    )
    for rule in (threshold_at_apcer, threshold_at_bpcer):
        before, after = rule(scores, target).value, rule(moved, target).value
        assert after == pytest.approx(stretch(before))
    assert evaluate(moved, threshold_at_eer(moved), in_sample=True).bpcer == (
        evaluate(scores, threshold_at_eer(scores), in_sample=True).bpcer
    )


@given(presentations(), rates)
def test_tpr_at_fpr_is_the_largest_of_sklearns_allowed_points(
    scores: Scores, target: float
) -> None:
    fpr, tpr, _ = roc_curve(scores.label, scores.upward, drop_intermediate=False)
    point = tpr_at_fpr(scores, target)
    assert point.rate.value == pytest.approx(tpr[fpr <= target].max())
    assert point.realised.value <= target


def test_trap_fpr_below_one_attack_is_unresolved() -> None:
    rng = np.random.default_rng(0)
    label = np.arange(300) < 100
    scores = Scores(rng.normal(size=300) + 2 * label, label)
    point = tpr_at_fpr(scores, 1e-4)
    assert not point.resolved
    assert point.realised.errors == 0
    assert point.rate == tpr_at_fpr(scores, 0.0).rate
    assert tpr_at_fpr(scores, 1 / 200).resolved
    assert not threshold_at_apcer(scores, 1e-4).resolved
    assert not threshold_at_bpcer(scores, 0.009).resolved
    assert threshold_at_bpcer(scores, 0.01).resolved


def test_trap_one_tpr_for_all_fprs() -> None:
    rng = np.random.default_rng(1)
    label = np.arange(4000) % 2 == 0
    scores = Scores(rng.normal(size=4000) + 1.5 * label, label)
    found = [tpr_at_fpr(scores, fpr).rate.value for fpr in (0.1, 0.01, 0.001)]
    assert found[0] > found[1] > found[2]
    # Normal scores of distance 1.5: TPR = 1 - Φ(z(1 - f) - 1.5).
    assert found[0] == pytest.approx(0.587, abs=0.04)
    assert found[1] == pytest.approx(0.204, abs=0.04)


def test_trap_clamped_dev_scores_do_not_move_the_threshold_past_them() -> None:
    # All dev attacks clamped to one value just below a bona fide: rejecting one rejects all.
    scores = Scores([0.2, 0.8, 0.9, 0.8, 0.8, 0.8], [1, 1, 1, 0, 0, 0])
    threshold = threshold_at_apcer(scores, 0.34)
    assert threshold.value == 0.9
    assert bpcer_at_apcer(scores, 0.34).realised.errors == 0


def test_a_threshold_says_how_it_was_chosen() -> None:
    group = ["bona_fide"] * 2 + ["print"] * 3 + ["mask"] * 2
    scores = Scores([5, 6, 1, 2, 3, 4, 0], [1, 1, 0, 0, 0, 0, 0], group=group)
    worst = threshold_at_apcer(scores, 0.5, source="dev")
    assert (worst.rule, worst.source, worst.n) == ("APCER <= 0.5 for every PAI species", "dev", 5)
    assert len(worst.items) == 7
    assert worst.value == 3.0  # print: one of three may pass, so the cut lies above 2
    assert threshold_at_apcer(scores, 0.5, species="mask").value == 1.0
    assert threshold_at_apcer(scores, 0.4, species="pooled").value == 3.0
    assert bpcer_at_apcer(scores, 0.5).group == "mask"


@pytest.mark.parametrize(("target", "n"), [(0.29, 100), (0.07, 100), (0.1, 30), (0.58, 50)])
def test_a_rate_of_exactly_the_target_is_allowed(target: float, n: int) -> None:
    # 0.29 * 100 is 28.999999999999996 in floating point, but 29 of 100 is a rate of 0.29.
    scores = Scores([*range(n), n], [False] * n + [True])
    assert bpcer_at_apcer(scores, target).realised.errors == round(target * n)


def test_impossible_targets_and_missing_classes_are_refused() -> None:
    scores = Scores([1.0, 0.0], [1, 0])
    for figure in (threshold_at_apcer, bpcer_at_apcer, tpr_at_fpr):
        with pytest.raises(InputError, match="between 0 and 1"):
            figure(scores, 5)
    with pytest.raises(InputError, match="BPCER nan"):
        threshold_at_bpcer(scores, math.nan)
    with pytest.raises(NothingMeasuredError, match="no negatives"):
        threshold_at_apcer(scores.select([True, False]), 0.1)
    with pytest.raises(NothingMeasuredError, match="no positives"):
        threshold_at_bpcer(scores.select([False, True]), 0.1)
