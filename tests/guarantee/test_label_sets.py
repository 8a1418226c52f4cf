import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee import (
    APS,
    LAC,
    RAPS,
    SAPS,
    LabelScore,
    ResolutionWarning,
    Standing,
    calibrate_label_sets,
    conformal_quantile,
)
from sterling.guarantee.label_score import label_scores, label_sets
from sterling.guarantee.quantile import conformal_rank, needed_for

SCORES: list[LabelScore] = [LAC(), APS(), RAPS(0.05, 2), SAPS(0.15)]


def plain(score: LabelScore, row: NDArray[np.float64], label: int, u: float) -> float:
    """The definitions, one label at a time, from a sorted list of (−p, class)."""
    order = sorted(range(len(row)), key=lambda j: (-row[j], j))
    rank = order.index(label) + 1
    before = sum(row[j] for j in order[: rank - 1])
    if isinstance(score, LAC):
        return float(1 - row[label])
    if isinstance(score, SAPS):
        top = row[order[0]]
        return float(u * top if rank == 1 else top + (rank - 2 + u) * score.weight)
    value = before + u * row[label]
    if isinstance(score, RAPS):
        value += score.penalty * max(0, rank - score.free)
    return float(value)


def draw(rng: np.random.Generator, n: int, classes: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """A model that is right about its own uncertainty: labels drawn from its probabilities."""
    probabilities = rng.dirichlet(np.full(classes, 0.4), size=n)
    labels = (rng.random(n)[:, None] > np.cumsum(probabilities, axis=1)).sum(axis=1)
    return probabilities, np.minimum(labels, classes - 1)


@pytest.mark.parametrize("score", SCORES)
@given(st.integers(0, 10_000), st.integers(2, 8), st.booleans())
@settings(deadline=None, max_examples=40)
def test_scores_and_sets_are_those_of_the_definitions(
    score: LabelScore, seed: int, classes: int, ties: bool
) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(1, 4, size=(6, classes)) if ties else rng.random((6, classes))
    probabilities = weights / weights.sum(axis=1, keepdims=True)
    u = rng.random(6)
    table = np.array(
        [
            [plain(score, row, label, u[i]) for label in range(classes)]
            for i, row in enumerate(probabilities)
        ]
    )
    for label in range(classes):
        of_label = label_scores(score, probabilities, np.full(6, label), u)
        np.testing.assert_allclose(of_label, table[:, label], atol=1e-12)
    for limit in (0.0, 0.3, 0.8, 0.95, 1.5, np.inf):
        expected = table <= limit + 1e-12
        sets = label_sets(score, probabilities, np.array([[limit]]), u)
        assert np.array_equal(sets, expected)
        by_class = label_sets(score, probabilities, np.full((1, classes), limit), u)
        assert np.array_equal(by_class, expected)


@given(st.lists(st.integers(0, 9), min_size=1, max_size=40), st.sampled_from([0.1, 0.25, 0.5]))
def test_the_quantile_leaves_few_enough_scores_above_it(scores: list[int], alpha: float) -> None:
    n = len(scores)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResolutionWarning)
        q = conformal_quantile(scores, alpha)
    if np.isinf(q):
        assert n < 1 / alpha - 1
    else:
        assert q in scores
        assert sum(score <= q for score in scores) >= (1 - alpha) * (n + 1)
        assert sum(score < q for score in scores) < (1 - alpha) * (n + 1)


def test_the_rank_is_computed_in_exact_decimals() -> None:
    assert conformal_rank(9, 0.7) == 3  # 10 * (1 - 0.7) is 3.0000000000000004 in floating point
    assert conformal_rank(99, 0.1) == 90
    assert needed_for(0.05) == 19
    assert needed_for(0.1) == 9


def test_split_conformal_coverage_given_calibration_is_beta() -> None:
    # n = 100, alpha = 0.1: Beta(91, 10), mean 91/101, sd 0.029; uniform scores make it exact.
    rng = np.random.default_rng(0)
    coverage = [conformal_quantile(rng.random(100), 0.1) for _ in range(2000)]
    assert stats.kstest(coverage, stats.beta(91, 10).cdf).pvalue > 1e-4
    assert np.mean(coverage) == pytest.approx(91 / 101, abs=4 * 0.03 / np.sqrt(2000))


@pytest.mark.parametrize("score", SCORES)
def test_randomised_sets_cover_at_the_exact_rate(score: LabelScore) -> None:
    # One test item per repetition, n = 50: without ties coverage is 46/51. False alarm 1e-6.
    rng = np.random.default_rng(1)
    repeats, covered, conservative = 1500, 0, 0
    for _ in range(repeats):
        probabilities, labels = draw(rng, 51, 6)
        known, test = slice(0, 50), slice(50, 51)
        rule = calibrate_label_sets(probabilities[known], labels[known], 0.1, score, rng=rng)
        covered += int(rule.sets(probabilities[test], rng=rng)[0, labels[50]])
        plainly = calibrate_label_sets(probabilities[known], labels[known], 0.1, score)
        conservative += int(plainly.sets(probabilities[test])[0, labels[50]])
    assert stats.binomtest(covered, repeats, 46 / 51).pvalue > 1e-6
    assert stats.binomtest(conservative, repeats, 0.9, alternative="less").pvalue > 1e-6


def test_constant_probabilities_and_tied_scores_keep_coverage() -> None:
    # Every item looks the same; without randomisation the sets must still cover.
    rng = np.random.default_rng(2)
    for score in SCORES:
        covered = 0
        for _ in range(300):
            labels = rng.integers(0, 5, size=41)
            probabilities = np.full((41, 5), 0.2)
            rule = calibrate_label_sets(probabilities[:40], labels[:40], 0.2, score)
            covered += int(rule.sets(probabilities[40:])[0, labels[40]])
        assert stats.binomtest(covered, 300, 0.8, alternative="less").pvalue > 1e-6


def skewed(rng: np.random.Generator, n: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Class 0 is common and easy, class 1 rare and hard; the group says which half is noisy."""
    labels = (rng.random(n) < 0.15).astype(int)
    groups = rng.random(n) < 0.2
    signal = np.where(labels == 1, 0.3, 2.5) * np.where(groups, 0.2, 1.0)
    logit = signal + rng.normal(size=n)
    of_label = 1 / (1 + np.exp(-logit))
    probabilities = np.empty((n, 2))
    probabilities[np.arange(n), labels] = of_label
    probabilities[np.arange(n), 1 - labels] = 1 - of_label
    return probabilities, labels, groups


def test_conditional_sets_cover_where_marginal_sets_do_not() -> None:
    rng = np.random.default_rng(3)
    errors: dict[str, list[bool]] = {"none": [], "class": [], "group": [], "pooled group": []}
    for _ in range(400):
        probabilities, labels, groups = skewed(rng, 300)
        known = np.arange(300) < 200
        test = ~known
        hard, noisy = test & (labels == 1), test & groups
        for condition in ("none", "class", "group"):
            rule = calibrate_label_sets(
                probabilities[known],
                labels[known],
                0.1,
                LAC(),
                condition=condition,
                groups=groups[known],
            )
            sets = rule.sets(probabilities, groups=groups)
            missed = ~sets[np.arange(300), labels]
            rows = noisy if condition == "group" else hard
            errors[condition] += missed[rows][:1].tolist()
            if condition == "none":
                errors["pooled group"] += missed[noisy][:1].tolist()
    for name, missed_ in errors.items():
        p = stats.binomtest(sum(missed_), len(missed_), 0.1, alternative="greater").pvalue
        assert (p > 1e-6) == (name in ("class", "group")), name


def test_float32_and_float64_probabilities_agree_on_sets() -> None:
    rng = np.random.default_rng(4)
    probabilities, labels = draw(rng, 300, 20)
    single = probabilities.astype(np.float32)
    for score in SCORES:
        rule = calibrate_label_sets(single[:200], labels[:200], 0.1, score)
        as_double = calibrate_label_sets(single[:200].astype(float), labels[:200], 0.1, score)
        assert rule.limits == pytest.approx(as_double.limits, abs=1e-9)
        sets = rule.sets(single[200:])
        assert np.array_equal(sets, as_double.sets(single[200:].astype(float)))


def test_batches_and_chunks_do_not_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(5)
    probabilities, labels = draw(rng, 120, 7)
    rule = calibrate_label_sets(probabilities[:80], labels[:80], 0.2, APS())
    whole = rule.sets(probabilities[80:])
    assert np.array_equal(whole, np.vstack([rule.sets(row[None]) for row in probabilities[80:]]))
    monkeypatch.setattr("sterling.guarantee.label_score.CHUNK", 20)
    again = calibrate_label_sets(probabilities[:80], labels[:80], 0.2, APS())
    assert np.array_equal(whole, again.sets(probabilities[80:]))


def test_a_score_of_ones_own_is_calibrated_the_same_way() -> None:
    def by_rank(standing: Standing) -> NDArray[np.float64]:
        return (standing.rank - 1 + standing.u) + 0 * standing.probability

    rng = np.random.default_rng(6)
    probabilities, labels = draw(rng, 200, 5)
    rule = calibrate_label_sets(probabilities, labels, 0.1, by_rank, rng=rng)
    sizes = rule.sets(probabilities, rng=rng).sum(axis=1)
    assert sizes.max() - sizes.min() <= 1  # top-k sets, k randomised


def test_too_small_a_calibration_set_warns_and_keeps_every_label() -> None:
    probabilities = np.full((8, 3), 1 / 3)
    with pytest.warns(ResolutionWarning, match="give at least 9"):
        rule = calibrate_label_sets(probabilities, np.zeros(8, int), 0.1, APS())
    assert rule.sets(probabilities).all()
    assert rule.guarantee.n == 8


OK = np.full((4, 2), 0.5)
LABELS = np.array([0, 1, 0, 1])


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: calibrate_label_sets(OK * 0.9, LABELS, 0.3, LAC()), "item 0 sum to 0.9, not 1"),
        (lambda: calibrate_label_sets(OK * np.nan, LABELS, 0.3, LAC()), "item 0 are not all"),
        (lambda: calibrate_label_sets(OK - [1, 0], LABELS, 0.3, LAC()), "not logits"),
        (lambda: calibrate_label_sets(OK[:, 0], LABELS, 0.3, LAC()), "(items, classes)"),
        (lambda: calibrate_label_sets(OK, LABELS + 1, 0.3, LAC()), "label 2 is no class"),
        (lambda: calibrate_label_sets(OK, LABELS[:3], 0.3, LAC()), "one class number per item"),
        (lambda: calibrate_label_sets(OK, LABELS * 1.0, 0.3, LAC()), "float64"),
        (lambda: calibrate_label_sets(OK, LABELS, 1.0, LAC()), "alpha 1.0"),
        (
            lambda: calibrate_label_sets(OK, 0 * LABELS, 0.3, LAC(), condition="class"),
            "class 1 has no calibration item",
        ),
        (
            lambda: calibrate_label_sets(OK, LABELS, 0.3, LAC(), condition="group"),
            "needs the group",
        ),
        (
            lambda: calibrate_label_sets(OK, LABELS, 0.3, LAC(), condition="clas"),  # type: ignore[arg-type]
            "did you mean class",
        ),
        (
            lambda: calibrate_label_sets(OK, LABELS, 0.3, LAC()).sets(np.full((1, 4), 0.25)),
            "4 clas",
        ),
        (lambda: RAPS(-1.0), "at least 0"),
        (lambda: SAPS(np.inf), "finite"),
    ],
)
def test_bad_input_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError) as raised:
        call()
    assert words in str(raised.value)


def test_an_unknown_group_is_refused() -> None:
    groups = np.array(["a", "a", "b", "b"])
    rule = calibrate_label_sets(OK, LABELS, 0.4, LAC(), condition="group", groups=groups)
    assert rule.sets(OK[:1], groups=["b"]).shape == (1, 2)
    with pytest.raises(InputError, match="group c has no calibration item"):
        rule.sets(OK[:1], groups=["c"])
    with pytest.raises(InputError, match="one group per item"):
        rule.sets(OK[:1])
