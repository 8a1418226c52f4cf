from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.special import comb

from sterling.errors import InputError
from sterling.explain import (
    ConceptScore,
    all_vectors,
    bonferroni_score,
    calibrate_concept_sets,
    important_concepts,
    subset_scores,
    top_k_score,
)
from sterling.guarantee import ResolutionWarning, conformal_quantile

M = 8
SCORES = [
    ConceptScore((1.0,) * M),
    ConceptScore(tuple(np.linspace(0.2, 1, M))),
    ConceptScore((1.0,) * M, combine="sum"),
    ConceptScore((1.0,) * M, cost="nll", combine="sum"),
]


def draw(rng: np.random.Generator, n: int) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Concept scores that are calibrated probabilities of their concepts."""
    h = rng.beta(0.3, 0.3, size=(n, M))
    return h, rng.random((n, M)) < h


@pytest.mark.parametrize("score", SCORES)
def test_joint_coverage_within_three_standard_errors_over_200_resplits(score: ConceptScore) -> None:
    # One pool: a random resplit is exchangeable whatever the pool is. n = 500, epsilon = 0.1.
    rng = np.random.default_rng(0)
    h, truth = draw(rng, 1500)
    coverage = []
    for _ in range(200):
        order = rng.permutation(1500)
        known, test = order[:500], order[500:]
        rule = calibrate_concept_sets(score, h[known], truth[known], 0.1)
        coverage.append(rule.covers(h[test], truth[test]).mean())
    error = np.std(coverage, ddof=1) / np.sqrt(200)
    assert abs(np.mean(coverage) - 451 / 501) < 3 * error
    # The coverage of one split among its 1,000 test items is beta-binomial.
    law = stats.betabinom(1000, 451, 50)
    assert np.std(coverage) == pytest.approx(law.std() / 1000, rel=0.2)


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("limit", [0.2, 0.6, 0.95, 3.0])
def test_values_are_the_projection_of_the_enumerated_set(score: ConceptScore, limit: float) -> None:
    h, truth = draw(np.random.default_rng(1), 20)
    vectors = all_vectors(M)
    of_vectors = score.of_vectors(h, vectors)
    kept = score.values(h, limit)
    for item in range(20):
        members = vectors[of_vectors[item] <= limit]
        projected = np.stack([~members, members], axis=-1).any(axis=0)
        assert np.array_equal(kept[item], projected)
        if score.combine == "max" and len(members):
            assert len(members) == kept[item].sum(axis=1).prod()
    own = vectors @ (1 << np.arange(M))
    code = truth @ (1 << np.arange(M))
    rows = np.array([int(np.flatnonzero(own == one)[0]) for one in code])
    np.testing.assert_allclose(of_vectors[np.arange(20), rows], score(h, truth))


def test_nll_is_minus_the_log_likelihood_of_independent_concepts() -> None:
    h, truth = draw(np.random.default_rng(2), 30)
    likelihood = np.where(truth, h, 1 - h).prod(axis=1)
    score = ConceptScore((1.0,) * M, cost="nll", combine="sum")
    np.testing.assert_allclose(score(h, truth), -np.log(likelihood), atol=1e-6)


def test_bonferroni_covers_and_is_wider_than_the_joint_maximum() -> None:
    rng = np.random.default_rng(3)
    covered, sizes = [], []
    for _ in range(100):
        h, truth = draw(rng, 400)
        joint = calibrate_concept_sets(SCORES[0], h[:300], truth[:300], 0.1)
        apart = bonferroni_score(h[:300], truth[:300], 0.1)
        covered.append((apart(h[300:], truth[300:]) <= 1).mean())
        sizes.append(apart.values(h[300:], 1.0).sum() / joint.values(h[300:]).sum())
    assert np.mean(covered) > 0.9
    assert np.mean(sizes) >= 1.0


def test_all_vectors_are_all_vectors() -> None:
    vectors = all_vectors(5)
    assert {tuple(row) for row in vectors.tolist()} == set(product([False, True], repeat=5))
    with pytest.raises(InputError, match="too many to enumerate"):
        all_vectors(15)


def test_too_few_items_keep_every_vector_and_warn() -> None:
    h, truth = draw(np.random.default_rng(4), 8)
    with pytest.warns(ResolutionWarning):
        rule = calibrate_concept_sets(SCORES[0], h, truth, 0.1)
    assert rule.values(h).all()
    assert rule.covers(h, ~truth).all()


H, TRUTH = draw(np.random.default_rng(5), 20)


@pytest.mark.parametrize(
    ("h", "truth", "words"),
    [
        (H * np.nan, TRUTH, "apply the sigmoid"),
        (H, TRUTH * 2, "0 or 1"),
        (H[:, :3], TRUTH[:, :3], "concepts, but the score weighs 8"),
        (H[0], TRUTH[0], "items, concepts"),
    ],
)
def test_bad_input_is_refused(h: NDArray[Any], truth: NDArray[Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        calibrate_concept_sets(SCORES[0], h, truth, 0.1)
    with pytest.raises(InputError, match="weights"):
        ConceptScore((0.0, 0.0))


def test_the_important_concepts_are_present_and_of_largest_weight() -> None:
    concepts = np.array([[1, 1, 0, 1], [0, 1, 1, 0]], dtype=bool)
    chosen = important_concepts(concepts, np.array([0.1, 0.5, 0.9, 0.3]), 2)
    assert chosen.tolist() == [[False, True, False, True], [False, True, True, False]]
    with pytest.raises(InputError, match="at least k present"):
        important_concepts(concepts, np.ones(4), 3)


def test_subset_scores_hold_the_score_of_the_chosen_subset_and_cover_it() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(400):
        h = rng.beta(0.5, 0.5, size=(51, 6))
        concepts = rng.random((51, 6)) < h
        concepts[:, :2] = True
        chosen = important_concepts(concepts, np.arange(6.0), 2)
        scores = top_k_score(h, chosen)
        limit = conformal_quantile(scores[:50], 0.1)
        everything = subset_scores(h[50:], 2)[0]
        assert len(everything) == comb(6, 2)
        assert np.isclose(everything, scores[50]).any()
        covered += int(scores[50] <= limit)
    assert stats.binomtest(covered, 400, 46 / 51).pvalue > 1e-6
