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
    class_clusters,
)
from sterling.guarantee.label_scores import label_scores, label_sets

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
    """Items of a model that is right about its uncertainty: labels drawn from probabilities."""
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
    monkeypatch.setattr("sterling.guarantee.label_scores.CHUNK", 20)
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


def twenty_classes(rng: np.random.Generator, n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Items of 20 classes: even ones easy, odd ones hard; class 19 is rare."""
    labels = rng.choice(20, size=n, p=[*np.full(19, 0.999 / 19), 0.001])
    of_label = np.where(labels % 2 == 0, rng.beta(20, 2, size=n), rng.beta(3, 3, size=n))
    probabilities = np.repeat(((1 - of_label) / 19)[:, None], 20, axis=1)
    probabilities[np.arange(n), labels] = of_label
    return probabilities, labels


def test_clusters_even_out_coverage_over_classes() -> None:
    rng = np.random.default_rng(1)
    clusters = class_clusters(*twenty_classes(rng, 1500), LAC(), 2)
    assert set(clusters[:19:2]) | set(clusters[1:19:2]) == {0, 1}
    assert len(set(clusters[:19:2])) == len(set(clusters[1:19:2])) == 1
    assert clusters[19] == -1
    test, truth = twenty_classes(rng, 20_000)
    known = twenty_classes(rng, 600)

    def worst(sets: NDArray[np.bool_]) -> float:
        covered = sets[np.arange(len(truth)), truth]
        return float(min(covered[truth == one].mean() for one in range(19)))

    pooled = calibrate_label_sets(*known, 0.1, LAC())
    clustered = calibrate_label_sets(*known, 0.1, LAC(), condition="class", clusters=clusters)
    assert worst(pooled.sets(test)) < 0.85 < worst(clustered.sets(test))
    assert "cluster of classes" in clustered.guarantee.statement
    assert clustered.limits[19] == pooled.limits[0]  # the rare class takes the threshold of all


OK = np.full((4, 2), 0.5)
LABELS = np.array([0, 1, 0, 1])


def calibrate(probabilities: Any = OK, labels: Any = LABELS, alpha: float = 0.3, **how: Any) -> Any:
    return calibrate_label_sets(probabilities, labels, alpha, LAC(), **how)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: calibrate(OK * 0.9), "item 0 sum to 0.9, not 1"),
        (lambda: calibrate(OK * np.nan), "item 0 are not all"),
        (lambda: calibrate(OK - [1, 0]), "not logits"),
        (lambda: calibrate(OK[:, 0]), "(items, classes)"),
        (lambda: calibrate(labels=LABELS + 1), "label 2 is no class"),
        (lambda: calibrate(labels=LABELS[:3]), "one class number per item"),
        (lambda: calibrate(labels=LABELS * 1.0), "float64"),
        (lambda: calibrate(alpha=1.0), "alpha 1.0"),
        (lambda: calibrate(labels=0 * LABELS, condition="class"), "class 1 has no calibration"),
        (lambda: calibrate(condition="class", clusters=[0]), "one number per class"),
        (lambda: calibrate(condition="group"), "needs the group"),
        (lambda: calibrate(condition="clas"), "did you mean class"),
        (lambda: calibrate().sets(np.full((1, 4), 0.25)), "4 clas"),
        (lambda: calibrate(condition="group", groups=list("aabb")).sets(OK[:1]), "one group per"),
        (
            lambda: calibrate(condition="group", groups=list("aabb")).sets(OK[:1], groups=["c"]),
            "group c has no calibration item",
        ),
        (lambda: RAPS(-1.0), "at least 0"),
        (lambda: SAPS(np.inf), "finite"),
        (lambda: class_clusters(OK, LABELS, LAC(), 30), "n_clusters 30"),
    ],
)
@pytest.mark.filterwarnings("ignore:.*calibration items are too few")
def test_bad_input_is_refused(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError) as raised:
        call()
    assert words in str(raised.value)
