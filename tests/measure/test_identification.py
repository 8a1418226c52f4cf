"""Average precision, against plain loops."""

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.measure import mean_average_precision


def test_average_precision_equals_its_definition() -> None:
    rng = np.random.default_rng(1)
    alike, relevant = rng.normal(size=(20, 15)), rng.random((20, 15)) < 0.3
    relevant[0] = False
    expected = []
    for similarity, wanted in zip(alike, relevant, strict=True):
        ranks = [
            1 + sum(other > one for other in similarity)
            for one, good in zip(similarity, wanted, strict=True)
            if good
        ]
        if ranks:
            precisions = [(i + 1) / rank for i, rank in enumerate(sorted(ranks))]
            expected.append(np.mean(precisions))
    assert mean_average_precision(alike, relevant) == pytest.approx(np.mean(expected))


def test_with_one_relevant_item_it_is_the_reciprocal_rank_and_ties_count_against() -> None:
    assert mean_average_precision([[0.5, 0.5, 0.5]], [[True, False, False]]) == pytest.approx(1 / 3)
    assert mean_average_precision([[-np.inf, 0.1]], [[True, True]]) == 1  # the query itself
    with pytest.raises(InputError, match="no query"):
        mean_average_precision([[0.1]], [[False]])
