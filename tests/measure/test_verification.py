import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure import (
    Comparisons,
    Rate,
    fold_accuracy,
    identification_ranks,
    tar_at_far,
    tpir_at_fpir,
)

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


def comparisons(draw: np.random.Generator, people: int, items: int, *, levels: int) -> Comparisons:
    """Similarities of people who differ by chance, tied where there are few levels."""
    identity = draw.permutation(np.repeat(np.arange(people), items))
    alike = draw.random((len(identity),) * 2) + 0.3 * (identity[:, None] == identity)
    rounded = np.round(levels * (alike + alike.T)) / levels
    return Comparisons(rounded, np.array([f"p{one}" for one in identity]))


@given(st.integers(0, 1000), st.integers(3, 6), st.integers(2, 4))
def test_pairs_are_counted_as_a_loop_counts_them(seed: int, people: int, items: int) -> None:
    pairs = comparisons(np.random.default_rng(seed), people, items, levels=5)
    threshold = 1.2
    wrong, total = pairs.matches(threshold)
    names = np.unique(pairs.identity)
    genuine: list[float] = []
    impostor: list[float] = []
    counts = np.zeros((2, people, people), int)
    for first in range(people * items):
        for second in range(people * items):
            if first == second:
                continue
            one, other = pairs.identity[first], pairs.identity[second]
            value = float(pairs.similarity[first, second])
            (genuine if one == other else impostor).append(value)
            place = np.searchsorted(names, one), np.searchsorted(names, other)
            counts[0][place] += value >= threshold
            counts[1][place] += 1
    np.testing.assert_array_equal(wrong, counts[0])
    np.testing.assert_array_equal(total, counts[1])
    assert sorted(genuine) == sorted([*pairs.genuine.tolist()] * 2)
    assert sorted(impostor) == sorted([*pairs.impostor.tolist()] * 2)
    assert pairs.false_match(threshold).value == pytest.approx(
        np.mean(np.array(impostor) >= threshold)
    )
    assert pairs.false_non_match(threshold).value == pytest.approx(
        np.mean(np.array(genuine) < threshold)
    )


def test_the_interval_of_tar_covers_and_one_of_independent_pairs_does_not() -> None:
    """People differ in how alike they look to others, and to themselves."""
    worlds, covered, naive = 40, 0, 0
    people, items = 40, 4
    truth = tar_of_people(np.random.default_rng(999), 400, items)
    for world in range(worlds):
        pairs = lookalikes(np.random.default_rng(world), people, items)
        found = pairs.tar(0.1, seed=world, repetitions=100)
        covered += found.interval.contains(truth)
        point = tar_at_far(pairs.genuine, pairs.impostor, 0.1).tar
        naive += point.interval().contains(truth)
        assert found.value == point.value
    assert covered >= 0.82 * worlds
    assert naive < 0.75 * worlds  # the control: pairs taken for independent


def lookalikes(draw: np.random.Generator, people: int, items: int) -> Comparisons:
    identity = np.repeat(np.arange(people), items)
    steady = np.repeat(draw.normal(0, 1, people), items)  # how alike someone's pictures are
    common = np.repeat(draw.normal(0, 0.7, people), items)  # how ordinary someone looks
    noise = draw.normal(0, 1, (people * items,) * 2)
    noise = np.triu(noise, 1) + np.triu(noise, 1).T
    same = identity[:, None] == identity
    return Comparisons(np.where(same, 1.5 + steady, common + common[:, None]) + noise, identity)


def tar_of_people(draw: np.random.Generator, people: int, items: int) -> float:
    pairs = lookalikes(draw, people, items)
    return tar_at_far(pairs.genuine, pairs.impostor, 0.1).tar.value


def test_the_interval_of_tar_is_that_of_copied_people() -> None:
    pairs = lookalikes(np.random.default_rng(0), 30, 2)
    expected = pairs.tar(0.01, repetitions=20)
    draw = np.random.default_rng(0)
    values = []
    for _ in range(20):  # by copies of people: a pair is there as often as both were drawn
        drawn = draw.multinomial(30, np.full(30, 1 / 30))
        first, second = np.triu_indices(60, 1)
        one, other = pairs.number[first], pairs.number[second]
        same = one == other
        weight = np.where(same, drawn[one], drawn[one] * drawn[other])
        every = pairs.similarity[first, second]
        genuine, impostor = (np.repeat(every[part], weight[part]) for part in (same, ~same))
        values.append(tar_at_far(genuine, impostor, 0.01).tar.value)
    low, high = np.quantile(values, [0.025, 0.975])
    assert (expected.interval.low, expected.interval.high) == pytest.approx((low, high))


def test_groups_hold_pairs_within_them_at_one_threshold() -> None:
    draw = np.random.default_rng(3)
    pairs = lookalikes(draw, 12, 3)
    yaw = np.tile([5, 40, 80], 12)
    groups = pairs.by_group(np.digitize(yaw, [15, 60]))
    assert [*groups] == [0, 1, 2]
    for group, own in groups.items():
        rows = np.flatnonzero(np.digitize(yaw, [15, 60]) == group)
        expected = [pairs.similarity[a, b] for i, a in enumerate(rows) for b in rows[i + 1 :]]
        np.testing.assert_array_equal(own.impostor, expected)  # one item each: all are impostors
        assert own.false_match(0.5).value == np.mean(np.array(expected) >= 0.5)
        with pytest.raises(NothingMeasuredError, match="no identity has two items"):
            own.false_non_match(0.5)


def test_a_rate_is_not_exceeded_in_its_last_digit() -> None:
    far = float(np.nextafter(0.9, 0))  # 54 of 60 impostors are more
    point = tar_at_far(np.ones(30), np.repeat([0.0, 1.0], [6, 54]), far)
    assert point.far.value <= far
    assert tar_at_far(np.ones(30), np.repeat([0.0, 1.0], [6, 54]), 0.9).far == Rate(54, 60)


def test_permuted_identities_match_as_often_as_strangers() -> None:
    draw = np.random.default_rng(5)
    pairs = lookalikes(draw, 60, 4)
    permuted = Comparisons(pairs.similarity, draw.permutation(pairs.identity))
    found = permuted.tar(0.1, repetitions=20)
    assert found.value == pytest.approx(0.1, abs=0.06)
    assert pairs.tar(0.1, repetitions=20).value > 0.3


@given(arrays(float, (9, 12), elements=coarse), st.integers(0, 100))
@settings(max_examples=40)
def test_ranks_are_those_of_a_sort_with_ties_against(similarity: np.ndarray, seed: int) -> None:
    draw = np.random.default_rng(seed)
    gallery, probe = draw.integers(0, 5, 12), draw.integers(0, 7, 9)
    ranks = identification_ranks(similarity, probe, gallery)
    for row, own, rank in zip(similarity, probe, ranks, strict=True):
        best = {one: row[gallery == one].max() for one in np.unique(gallery)}
        if own not in best:
            assert rank == 0
        else:
            others = [value for one, value in best.items() if one != own]
            assert rank == 1 + sum(value >= best[own] for value in others)


@given(arrays(float, (60, 4), elements=coarse), st.integers(0, 100), st.floats(0.4, 0.9))
@settings(max_examples=25)
def test_tpir_is_what_a_search_over_all_thresholds_finds(
    similarity: np.ndarray, seed: int, fpir: float
) -> None:
    draw = np.random.default_rng(seed)
    gallery = np.arange(4)
    probe = np.concatenate([draw.integers(0, 4, 30), np.full(30, 99)])
    point = tpir_at_fpir(similarity, probe, gallery, fpir)
    first = identification_ranks(similarity, probe, gallery) == 1
    top = similarity.max(axis=1)
    rates = [
        (np.mean(top[30:] >= t), np.mean(first[:30] & (top[:30] >= t)))
        for t in [*np.unique(similarity), 99.0]
    ]
    assert point.tar.value == max(tpir for wrong, tpir in rates if wrong <= fpir)
    assert point.far == Rate(int((top[30:] >= point.threshold).sum()), 30)


def test_too_few_strangers_show_no_fpir() -> None:
    with pytest.raises(InputError, match="20 impostor comparisons show no rate below"):
        tpir_at_fpir(np.zeros((21, 3)), [0] + [9] * 20, [0, 1, 2], 0.01)


def test_comparisons_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="not symmetric"):
        Comparisons(np.arange(9.0).reshape(3, 3), np.arange(3))
    with pytest.raises(InputError, match="finite"):
        Comparisons(np.full((3, 3), np.nan), np.arange(3))
    with pytest.raises(InputError, match=r"\(3, 3\) for 3 identities"):
        Comparisons(np.zeros((2, 2)), np.arange(3))
    with pytest.raises(InputError, match="for each of 2 probes and 3 gallery items"):
        identification_ranks(np.zeros((2, 2)), [0, 1], [0, 1, 2])
