"""Saliency metrics: golden values, closed forms, invariants, and independent loops."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.gaze import (
    auc_borji,
    auc_judd,
    auc_mann_whitney,
    correlation,
    density,
    information_gain,
    kl_divergence,
    nss,
    shuffled_auc,
    similarity,
)

FIRST, SECOND = (np.random.default_rng(seed).random((8, 8)) for seed in (0, 1))
POINTS = np.array([[1, 3], [2, 4]])
ON_POINTS = (nss, auc_judd, auc_mann_whitney, auc_borji, information_gain)


def batch(seed: int, maps: int = 6) -> tuple[NDArray[np.float64], list[NDArray[np.float64]]]:
    rng = np.random.default_rng(seed)
    points = [rng.random((int(n), 2)) * (13, 9) for n in rng.integers(1, 8, maps)]
    return rng.random((maps, 9, 13)), points


def test_golden_values_of_pysaliency() -> None:
    assert nss(FIRST, POINTS[:1]) == pytest.approx(-0.37327984, abs=1e-8)
    assert nss(FIRST, POINTS[1:]) == pytest.approx(0.10764302, abs=1e-8)
    assert correlation(FIRST, SECOND) == pytest.approx(-0.0606101558, abs=1e-10)
    assert similarity(FIRST, SECOND) == pytest.approx(0.6582341079, abs=1e-10)
    assert kl_divergence(FIRST, SECOND) == pytest.approx(0.5921359012, abs=1e-9)
    assert kl_divergence(SECOND, FIRST) != pytest.approx(0.5921359012, abs=1e-3)


@pytest.mark.parametrize("seed", range(5))
def test_judd_equals_a_loop_over_its_thresholds(seed: int) -> None:
    maps, points = batch(seed)
    maps = np.round(maps, 1)  # with ties
    for values, at in zip(maps, points, strict=True):
        fixated = np.zeros(values.shape, bool)
        fixated[at[:, 1].astype(int), at[:, 0].astype(int)] = True
        curve = [(0.0, 0.0)]
        curve += [
            ((values[~fixated] >= cut).mean().item(), (values[fixated] >= cut).mean().item())
            for cut in sorted(values[fixated].tolist(), reverse=True)
        ]
        curve.append((1.0, 1.0))
        area = sum((b[0] - a[0]) * (a[1] + b[1]) / 2 for a, b in itertools.pairwise(curve))
        assert auc_judd(values, at) == pytest.approx(area, abs=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_mann_whitney_counts_all_pairs(seed: int) -> None:
    maps, points = batch(seed)
    values, at = np.round(maps[0], 1), points[0]
    fixated = values[at[:, 1].astype(int), at[:, 0].astype(int)]
    pairs = [(p > q) + 0.5 * (p == q) for p in fixated for q in values.ravel()]
    assert auc_mann_whitney(values, at) == pytest.approx(np.mean(pairs), abs=1e-12)


def test_shuffled_takes_the_fixations_of_all_other_images() -> None:
    maps, points = batch(3)
    maps = np.round(maps, 1)
    found = shuffled_auc(maps, points)
    for index, values in enumerate(maps):
        read = [values[one[:, 1].astype(int), one[:, 0].astype(int)] for one in points]
        others = np.concatenate([one for other, one in enumerate(read) if other != index])
        pairs = [(p > q) + 0.5 * (p == q) for p in read[index] for q in others]
        assert found[index] == pytest.approx(np.mean(pairs), abs=1e-12)


def test_the_centre_bias_alone_is_at_chance_when_shuffled_and_above_it_otherwise() -> None:
    rng = np.random.default_rng(0)
    y, x = np.mgrid[0:60, 0:80]
    centre = np.exp(-((x - 40) ** 2 + (y - 30) ** 2) / 200)
    points = [rng.normal((40, 30), 10, (200, 2)).clip(0, (79, 59)) for _ in range(20)]
    maps = np.stack([centre] * 20)
    assert shuffled_auc(maps, points).mean() == pytest.approx(0.5, abs=0.02)
    assert shuffled_auc(maps, points, splits=20, seed=1).mean() == pytest.approx(0.5, abs=0.02)
    assert auc_judd(maps, points).min() > 0.85
    assert auc_borji(maps, points, splits=20).min() > 0.8


def test_areas_of_a_map_without_information_are_near_one_half() -> None:
    rng = np.random.default_rng(0)
    values, points = rng.random((100, 100)), rng.random((4000, 2)) * 100
    for metric in (auc_judd, auc_mann_whitney, auc_borji):
        assert metric(values, points) == pytest.approx(0.5, abs=0.02)


@pytest.mark.parametrize("metric", ON_POINTS)
def test_a_batch_gives_what_each_map_gives_and_torch_what_numpy_gives(metric: Any) -> None:
    maps, points = batch(1)
    together = metric(maps, points)
    assert together.shape == (6,)
    assert together.dtype == np.float64
    if metric is not auc_borji:  # its draws depend on the place in the batch
        alone = [metric(values, at) for values, at in zip(maps, points, strict=True)]
        np.testing.assert_allclose(together, alone, rtol=1e-12)
    tensors = metric(torch.from_numpy(maps), [torch.from_numpy(one) for one in points])
    assert isinstance(tensors, torch.Tensor)
    np.testing.assert_allclose(tensors.numpy(), together, rtol=1e-12)


@pytest.mark.parametrize("metric", [correlation, similarity, kl_divergence])
def test_two_maps_in_torch_give_what_numpy_gives(metric: Any) -> None:
    maps, others = batch(1)[0], batch(2)[0]
    both = metric(torch.from_numpy(maps), torch.from_numpy(others))
    np.testing.assert_allclose(both.numpy(), metric(maps, others), rtol=1e-12)
    assert metric(maps[0], others[0]) == pytest.approx(metric(maps, others)[0], rel=1e-12)


@pytest.mark.parametrize("metric", [nss, auc_judd, auc_mann_whitney, auc_borji, correlation])
def test_a_rising_line_through_the_map_changes_nothing(metric: Any) -> None:
    other = SECOND if metric is correlation else POINTS
    assert metric(3 * FIRST + 2, other) == pytest.approx(metric(FIRST, other), abs=1e-9)


@pytest.mark.parametrize("metric", [auc_judd, auc_mann_whitney])
def test_ranks_alone_count_for_areas(metric: Any) -> None:
    assert metric(np.exp(5 * FIRST), POINTS) == pytest.approx(metric(FIRST, POINTS), abs=1e-12)


def test_conventions_of_constant_maps() -> None:
    flat = np.full((8, 8), 0.3)
    assert nss(flat, POINTS) == pytest.approx(0, abs=1e-12)
    for metric in (auc_judd, auc_mann_whitney, auc_borji):
        assert metric(flat, POINTS) == pytest.approx(0.5)
    assert correlation(flat, FIRST) == 0
    assert np.isnan(correlation(flat, flat))
    assert information_gain(flat, POINTS) == pytest.approx(0, abs=1e-9)


def test_an_image_without_fixations_is_not_measured() -> None:
    maps, points = batch(4)
    points[2] = np.zeros((0, 2))
    for metric in (*ON_POINTS, shuffled_auc):
        found = metric(maps, points)
        assert np.isnan(found).tolist() == [index == 2 for index in range(6)]


def test_identities_of_densities() -> None:
    first = density(FIRST)
    assert first.sum() == pytest.approx(1)
    assert similarity(first, FIRST) == pytest.approx(1)
    assert kl_divergence(first, FIRST) == pytest.approx(0, abs=1e-12)
    assert similarity(FIRST, SECOND) == pytest.approx(similarity(SECOND, FIRST))
    # Pinsker's inequality, with 1 - SIM as the total variation.
    assert kl_divergence(FIRST, SECOND) >= 2 * (1 - similarity(FIRST, SECOND)) ** 2
    assert kl_divergence(np.eye(2), np.ones((2, 2)), epsilon=0) == np.inf
    assert kl_divergence(np.ones((2, 2)), np.eye(2), epsilon=0) == pytest.approx(np.log(2))
    shifted = FIRST - FIRST.max()  # negative values are shifted to 0
    assert similarity(shifted, FIRST - FIRST.min()) == pytest.approx(1)


def test_information_gain_is_the_difference_of_log_likelihoods() -> None:
    rng = np.random.default_rng(0)
    truth, base = density(rng.random((6, 6)) ** 3), density(rng.random((6, 6)) + 0.1)
    drawn = rng.choice(36, 200_000, p=truth.ravel())
    points = np.stack([drawn % 6, drawn // 6], axis=1)
    expected = float((truth * np.log2(truth / base)).sum())  # the divergence in bits
    assert information_gain(truth, points, base) == pytest.approx(expected, abs=0.02)
    many = information_gain(np.stack([truth, base]), [points, points], base)
    assert many[0] == pytest.approx(information_gain(truth, points, base))
    assert many[1] == pytest.approx(0)


def test_the_same_seed_gives_the_same_draws() -> None:
    maps, points = batch(5)
    assert (auc_borji(maps, points, seed=3) == auc_borji(maps, points, seed=3)).all()
    assert (auc_borji(maps, points, seed=3) != auc_borji(maps, points, seed=4)).any()
    drawn = shuffled_auc(maps, points, splits=5, seed=3)
    assert (drawn == shuffled_auc(maps, points, splits=5, seed=3)).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: nss(FIRST, [[8, 0]]), r"\(8, 0\) lies outside of a map of 8 × 8 pixels"),
        (lambda: nss(FIRST, [[-0.5, 0]]), "lies outside"),
        (lambda: nss(FIRST, [1, 2]), r"shape \(2,\); give \(fixations, 2\)"),
        (lambda: nss(FIRST[None], [POINTS, POINTS]), "2 arrays of fixations for 1 maps"),
        (lambda: nss(np.full((2, 2), np.nan), POINTS), "not finite"),
        (lambda: nss(np.ones(3), POINTS), r"maps have shape \(3,\)"),
        (lambda: correlation(FIRST, SECOND[:4]), "resize one of them"),
        (lambda: information_gain(-FIRST, POINTS), "give 0 or more"),
        (lambda: information_gain(0 * FIRST, POINTS), "0 everywhere"),
        (lambda: information_gain(FIRST, POINTS, SECOND[:4]), "baseline have shape"),
        (lambda: shuffled_auc(FIRST, [POINTS]), "two maps or more"),
        (lambda: auc_borji(FIRST, POINTS, splits=0), "splits"),
        (lambda: kl_divergence(FIRST, SECOND, epsilon=-1), "epsilon"),
    ],
)
def test_bad_input_is_one_line(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)
