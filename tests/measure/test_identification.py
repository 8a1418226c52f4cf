"""Open-set identification and average precision, against plain loops."""

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.measure import mean_average_precision, tpir_at_fpir


def test_rates_are_what_counting_at_the_threshold_says() -> None:
    rng = np.random.default_rng(0)
    mated, non_mated = rng.normal(1, 1, 300).round(1), rng.normal(0, 1, 200).round(1)
    right = rng.random(300) < 0.8
    point = tpir_at_fpir(mated, right, non_mated, 0.1)
    assert point.fpir.errors == sum(one >= point.threshold for one in non_mated)
    assert point.fpir.value <= 0.1
    accepted = [one >= point.threshold and good for one, good in zip(mated, right, strict=True)]
    assert point.tpir.errors == sum(accepted)
    lower = sorted({*mated, *non_mated})
    lower = [one for one in lower if one < point.threshold]
    assert np.mean(non_mated >= lower[-1]) > 0.1  # no lower threshold keeps the rate


def test_a_wrong_best_match_is_never_identified() -> None:
    point = tpir_at_fpir([9.0, 9.0], [False, True], np.zeros(100), 0.1)
    assert (point.tpir.errors, point.tpir.trials) == (1, 2)


def test_too_few_strangers_are_refused() -> None:
    with pytest.raises(InputError, match="show no rate below"):
        tpir_at_fpir([1.0], [True], np.zeros(50), 0.1)
    with pytest.raises(InputError, match="one of each per probe"):
        tpir_at_fpir([1.0, 2.0], [True], np.zeros(200), 0.1)


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
