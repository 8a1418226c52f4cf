import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sterling.errors import InputError
from sterling.measure import fold_accuracy, tar_at_far

coarse = st.integers(0, 12).map(float)  # so that many are tied


@given(arrays(float, 30, elements=coarse), arrays(float, 60, elements=coarse), st.floats(0.17, 0.9))
def test_tar_at_far_is_what_a_search_over_all_thresholds_finds(
    genuine: np.ndarray, impostor: np.ndarray, far: float
) -> None:
    point = tar_at_far(genuine, impostor, far)
    every = [*np.unique(np.concatenate([genuine, impostor])), 99.0]
    allowed = [t for t in every if (impostor >= t).mean() <= far]
    assert point.tar.value == max((genuine >= t).mean() for t in allowed)
    assert point.far.value == (impostor >= point.threshold).mean() <= far


def test_labels_by_chance_are_accepted_at_the_rate_asked_for() -> None:
    scores = np.random.default_rng(0).normal(size=40_000)
    point = tar_at_far(scores[:20_000], scores[20_000:], 0.1)
    assert point.tar.value == pytest.approx(0.1, abs=0.01)


def test_a_rate_that_few_impostors_cannot_show_is_refused() -> None:
    with pytest.raises(InputError, match=r"no rate below 0\.1"):
        tar_at_far([1.0], np.zeros(100), 0.01)
    with pytest.raises(InputError, match="genuine: 0"):
        tar_at_far([], np.zeros(100), 0.2)
    with pytest.raises(InputError, match="impostor"):
        tar_at_far([1.0], [np.nan] * 100, 0.2)


def test_pairs_that_a_threshold_parts_are_all_right() -> None:
    distances = np.tile([0.2, 1.4], 50)
    found = fold_accuracy(distances, distances < 1)
    assert (found.mean, found.deviation) == (1.0, 0.0)
    assert all(0.2 < threshold < 1.4 for threshold in found.thresholds)


def test_a_fold_is_never_tuned_on_itself() -> None:
    """In the first half small distances are the same, in the second the other way round."""
    distances = np.tile([0.1, 0.9], 40)
    same = distances < 0.5
    same[40:] = ~same[40:]
    assert fold_accuracy(distances, same, folds=2).mean < 0.6
    draw = np.random.default_rng(1)
    noise = [fold_accuracy(draw.random(60), draw.random(60) < 0.5).mean for _ in range(100)]
    assert np.mean(noise) < 0.53  # tuned on itself it would be about 0.6


@given(arrays(float, 40, elements=coarse), arrays(bool, 40))
def test_the_threshold_is_best_on_the_other_folds(distances: np.ndarray, same: np.ndarray) -> None:
    found = fold_accuracy(distances, same, folds=4)
    for number, threshold in enumerate(found.thresholds):
        rest = np.ones(40, dtype=bool)
        rest[number * 10 : (number + 1) * 10] = False
        own = ((distances[rest] < threshold) == same[rest]).mean()
        every = [*np.unique(distances), 99.0]
        assert own == max(((distances[rest] < t) == same[rest]).mean() for t in every)


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="folds 1"):
        fold_accuracy([0.1, 0.2], [True, False], folds=1)
    with pytest.raises(InputError, match="one finite distance"):
        fold_accuracy([0.1, np.inf], [True, False], folds=2)
