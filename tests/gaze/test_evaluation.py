"""Evaluation of maps: the ceiling, the centre bias, clustering, and what is refused."""

from pathlib import Path

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image

from sterling.errors import InputError, NothingMeasuredError
from sterling.gaze import (
    Fixations,
    evaluate_maps,
    evaluate_scanpaths,
    multimatch,
    nss,
    read_maps,
)
from sterling.gaze.evaluation import METRICS, SCANPATH_METRICS

SIZE = (120, 90)
NAMES = [f"ad{index}.png" for index in range(8)]


def truth(index: int) -> NDArray[np.float64]:
    """Two places that draw the eye, elsewhere on each stimulus."""
    rng = np.random.default_rng(index)
    y, x = np.mgrid[0 : SIZE[1], 0 : SIZE[0]]
    total = np.full((SIZE[1], SIZE[0]), 1e-4)
    for _ in range(2):
        at = rng.uniform(0.15, 0.85, 2) * SIZE
        total += np.exp(-((x - at[0]) ** 2 + (y - at[1]) ** 2) / 50)
    return np.asarray(total / total.sum())


@pytest.fixture(scope="module")
def fixations() -> Fixations:
    """Ten viewers whose fixations are drawn from the truth."""
    rng = np.random.default_rng(0)
    rows: dict[str, list[object]] = {"viewer": [], "stimulus": [], "x": [], "y": [], "sex": []}
    for index, name in enumerate(NAMES):
        drawn = rng.choice(SIZE[0] * SIZE[1], (10, 12), p=truth(index).ravel())
        for viewer, pixels in enumerate(drawn):
            rows["viewer"] += [f"v{viewer}"] * 12
            rows["stimulus"] += [name] * 12
            rows["x"] += (pixels % SIZE[0] + 0.5).tolist()
            rows["y"] += (pixels // SIZE[0] + 0.5).tolist()
            rows["sex"] += ["f" if viewer < 5 else "m"] * 12
    return Fixations.from_frame(pl.DataFrame(rows), screen=SIZE, pixels_per_degree=4)


def test_the_truth_is_at_the_ceiling_and_far_above_the_centre_bias(fixations: Fixations) -> None:
    maps = {name: truth(index) for index, name in enumerate(NAMES)}
    summary = evaluate_maps(maps, fixations).summary()
    assert list(summary) == list(METRICS)
    # Nine viewers know less than the truth, so it is at least as good as they are.
    for name in ("NSS", "AUC (Judd)", "AUC (Mann-Whitney)", "AUC (shuffled)", "information gain"):
        gap = summary[name]["below ceiling"]
        assert gap.value < 0.05 * summary[name]["ceiling"].value, name
        assert summary[name]["ceiling"].interval.low > summary[name]["centre_bias"].interval.high
    assert summary["information gain"]["centre_bias"].value == pytest.approx(0, abs=1e-9)
    assert summary["KLD"]["ceiling"].value < summary["KLD"]["centre_bias"].value


def test_maps_of_other_stimuli_fall_below_the_ceiling(fixations: Fixations) -> None:
    maps = {name: truth(index + 100) for index, name in enumerate(NAMES)}
    summary = evaluate_maps(maps, fixations).summary()
    for name in METRICS:
        assert summary[name]["below ceiling"].interval.low > 0, name


def test_values_are_those_of_the_metrics(fixations: Fixations) -> None:
    maps = {name: truth(index) for index, name in enumerate(NAMES[:3])}
    found = evaluate_maps(maps, fixations)
    assert found.unused == tuple(NAMES[3:])
    rows = found.values.filter(metric="NSS", stimulus=NAMES[1], viewer="v3")
    own = fixations.where(viewer="v3").points(NAMES[1])
    assert rows["predicted"].item() == pytest.approx(nss(maps[NAMES[1]], own))
    pooled = found.pooled.filter(metric="NSS", stimulus=NAMES[1])["predicted"].item()
    assert pooled == pytest.approx(nss(maps[NAMES[1]], fixations.points(NAMES[1])))
    of_viewers = found.values.filter(metric="NSS", stimulus=NAMES[1])["predicted"].mean()
    assert of_viewers == pytest.approx(pooled)  # viewers have equally many fixations


def test_maps_are_read_by_name(tmp_path: Path) -> None:
    values = np.random.default_rng(0).integers(0, 255, (90, 120), dtype=np.uint8)
    Image.fromarray(values).save(tmp_path / "ad0.png")
    np.save(tmp_path / "ad1.npy", values.astype(np.float32))
    found = read_maps(tmp_path, NAMES)
    assert sorted(found) == NAMES[:2]
    np.testing.assert_array_equal(found[NAMES[0]], values)
    np.testing.assert_array_equal(found[NAMES[1]], values)
    np.save(tmp_path / "ad0.npy", values)
    with pytest.raises(InputError, match=r"a second map of ad0\.png"):
        read_maps(tmp_path, NAMES)
    with pytest.raises(InputError, match="belongs to no stimulus"):
        read_maps(tmp_path, ["other.png"])
    with pytest.raises(InputError, match="no such folder"):
        read_maps(tmp_path / "none", NAMES)
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(InputError, match="holds no map"):
        read_maps(empty, NAMES)
    (empty / "ad2.npy").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"ad2\.npy: not an array"):
        read_maps(empty, NAMES)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (np.ones((5, 5)), "has 5 × 5 pixels, its stimulus 120 × 90"),
        (np.full((90, 120), 2.0), "is constant"),
        (np.linspace(-1, 1, 90 * 120).reshape(90, 120), "negative or not finite"),
    ],
)
def test_maps_that_predict_nothing_are_refused(
    wrong: NDArray[np.float64], message: str, fixations: Fixations
) -> None:
    maps = {name: truth(0) for name in NAMES[:2]} | {NAMES[2]: wrong}
    with pytest.raises(InputError, match=message):
        evaluate_maps(maps, fixations)


def test_too_little_is_refused(fixations: Fixations) -> None:
    with pytest.raises(NothingMeasuredError, match="give two of each"):
        evaluate_maps({NAMES[0]: truth(0)}, fixations)
    with pytest.raises(NothingMeasuredError, match="1 viewers"):
        evaluate_maps({n: truth(0) for n in NAMES}, fixations.where(viewer="v1"))
    with pytest.raises(InputError, match="belongs to no stimulus"):
        evaluate_maps({"other.png": truth(0)}, fixations)


@pytest.fixture(scope="module")
def walks() -> Fixations:
    """Six viewers who go through the same four places of each stimulus, each a little off."""
    rng = np.random.default_rng(1)
    rows: dict[str, list[object]] = {name: [] for name in ("viewer", "stimulus", "x", "y")}
    rows |= {"onset": [], "duration": []}
    for index, name in enumerate(NAMES):
        places = np.random.default_rng(100 + index).uniform(15, 75, (4, 2))
        for viewer in range(6):
            at = places + rng.normal(0, 3, (4, 2))
            rows["viewer"] += [f"v{viewer}"] * 4
            rows["stimulus"] += [name] * 4
            rows["x"] += at[:, 0].tolist()
            rows["y"] += at[:, 1].tolist()
            rows["onset"] += [0.0, 0.3, 0.6, 0.9]
            rows["duration"] += rng.uniform(0.2, 0.3, 4).tolist()
    return Fixations.from_frame(pl.DataFrame(rows), screen=SIZE)


def test_scanpaths_of_a_viewer_are_at_the_ceiling_and_mixed_up_ones_below(walks: Fixations) -> None:
    own = {name: walks.scanpaths(name)["v0"] for name in NAMES}
    rest = walks.where(viewer=[f"v{k}" for k in range(1, 6)])
    good = evaluate_scanpaths(own, rest).summary()
    assert list(good) == list(SCANPATH_METRICS)
    shuffled = dict(zip(NAMES, [own[name] for name in NAMES[1:] + NAMES[:1]], strict=True))
    bad = evaluate_scanpaths(shuffled, rest).summary()
    for metric in ("MultiMatch position", "ScanMatch", "DTW"):
        assert good[metric]["below ceiling"].interval.contains(0), metric
        assert bad[metric]["below ceiling"].interval.low > 0, metric
    rows = evaluate_scanpaths(own, rest).values
    one = rows.filter(metric="MultiMatch shape", stimulus=NAMES[2], viewer="v3")
    paths = walks.scanpaths(NAMES[2])
    assert one["predicted"].item() == multimatch(own[NAMES[2]], paths["v3"], SIZE).shape
    others = [multimatch(paths[f"v{k}"], paths["v3"], SIZE).shape for k in (1, 2, 4, 5)]
    assert one["ceiling"].item() == pytest.approx(np.mean(others))


def test_scanpaths_that_cannot_be_compared_are_refused(
    walks: Fixations, fixations: Fixations
) -> None:
    own = {name: walks.scanpaths(name)["v0"] for name in NAMES}
    with pytest.raises(InputError, match="without a duration"):
        evaluate_scanpaths(own, fixations)
    with pytest.raises(InputError, match="belongs to no stimulus"):
        evaluate_scanpaths({"other.png": own[NAMES[0]]}, walks)
    with pytest.raises(NothingMeasuredError, match="give two of each"):
        evaluate_scanpaths({NAMES[0]: own[NAMES[0]]}, walks)
