import numpy as np
import pytest
from scipy import stats
from scipy.special import comb

from sterling.errors import InputError
from sterling.explain import important_concepts, subset_scores, top_k_score
from sterling.guarantee import conformal_quantile


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
