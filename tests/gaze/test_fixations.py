"""Fixations: files, frames, what is left out, densities; events from samples."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest

from sterling.errors import InputError, NothingMeasuredError
from sterling.gaze import Fixations, density_of, detect_by_dispersion, detect_by_velocity

ROWS = {
    "viewer": ["b", "a", "a", "a", "b"],
    "stimulus": ["ad.png"] * 4 + ["film.png"],
    "x": [10.0, 700.5, None, 900.0, 3.0],
    "y": [20.0, 30.0, 5.0, 5.0, 4.0],
    "onset": [0.0, 0.5, 0.2, 0.3, 0.0],
    "duration": [0.2, 0.3, 0.1, 0.1, 0.25],
    "age": [20, 31, 31, 31, 20],
}
SCREEN = (800, 600)
OSIE = Path(__file__).parents[3] / "shared" / "data" / "gaze" / "osie" / "fixations.json"


def test_frames_and_files_give_the_same_fixations(tmp_path: Path) -> None:
    frame = pl.DataFrame(ROWS)
    frame.write_csv(tmp_path / "f.csv")
    frame.write_parquet(tmp_path / "f.parquet")
    found = [
        Fixations.from_frame(frame, screen=SCREEN),
        Fixations.from_frame(pd.DataFrame(ROWS), screen=SCREEN),
        Fixations.read(tmp_path / "f.csv", screen=SCREEN),
        Fixations.read(str(tmp_path / "f.parquet"), screen=SCREEN),
    ]
    for one in found:
        assert one.frame.equals(found[0].frame)
        assert (len(one), one.missing, one.outside) == (3, 1, 1)
    first = found[0]
    assert first.viewers == ["a", "b"]
    assert first.stimuli == ["ad.png", "film.png"]
    assert first.profiles == ["age"]
    assert first.size("ad.png") == SCREEN
    assert first.points("ad.png").tolist() == [[700.5, 30.0], [10.0, 20.0]]
    assert first.scanpaths("ad.png")["b"].tolist() == [[10.0, 20.0, 0.2]]
    assert repr(first) == "Fixations(3 of 2 viewers on 2 stimuli)"


def test_where_keeps_by_viewer_stimulus_and_profile() -> None:
    whole = Fixations.from_frame(pl.DataFrame(ROWS), screen=SCREEN)
    assert len(whole.where(age="20")) == 2
    assert len(whole.where(age=["20", "31"], stimulus="film.png")) == 1
    with pytest.raises(InputError, match="unknown age '99'"):
        whole.where(age="99")
    with pytest.raises(InputError, match="unknown column 'gender'"):
        whole.where(gender="female")
    with pytest.raises(InputError, match="unknown stimulus"):
        whole.points("none.png")


def test_fixations_are_in_order_of_onset() -> None:
    rows = {"viewer": ["a"] * 3, "stimulus": ["s"] * 3, "x": [1.0, 2.0, 3.0], "y": [1.0] * 3}
    mixed = pl.DataFrame(rows | {"onset": [0.4, 0.0, 0.2]})
    found = Fixations.from_frame(mixed, screen=SCREEN)
    assert found.points("s")[:, 0].tolist() == [2.0, 3.0, 1.0]
    # Without onsets the order of rows is kept.
    kept = Fixations.from_frame(pl.DataFrame(rows), screen=SCREEN)
    assert kept.points("s")[:, 0].tolist() == [1.0, 2.0, 3.0]


def test_the_json_of_osie(tmp_path: Path) -> None:
    path = tmp_path / "fixations.json"
    one = {"subject": 4, "x": [1, 2.5], "y": [3, 4], "dur_ms": [100, 250]}
    path.write_text(json.dumps({"1.jpg": [one]}))
    found = Fixations.read(path, screen=SCREEN).frame
    assert found["viewer"].to_list() == ["4", "4"]
    assert found["onset"].to_list() == pytest.approx([0.0, 0.1])
    assert found["duration"].to_list() == [0.1, 0.25]
    for wrong in ({"1.jpg": [{**one, "x": [1]}]}, {"1.jpg": [{"x": [1]}]}, [1], {"1.jpg": 3}):
        path.write_text(json.dumps(wrong))
        with pytest.raises(InputError, match="dur_ms"):
            Fixations.read(path, screen=SCREEN)
    path.write_text("{")
    with pytest.raises(InputError, match="no JSON"):
        Fixations.read(path, screen=SCREEN)


@pytest.mark.skipif(not OSIE.exists(), reason="the OSIE fixations are not here")
def test_real_fixations_are_read_whole() -> None:
    found = Fixations.read(OSIE, screen=SCREEN)
    assert len(found) + found.missing + found.outside == 19411
    assert (len(found.viewers), len(found.stimuli)) == (15, 140)


def test_density_of_one_point_is_a_gaussian() -> None:
    found = density_of(np.array([[40.2, 30.7]]), (81, 61), 4.0)
    assert found.sum() == pytest.approx(1)
    y, x = np.mgrid[0:61, 0:81]
    expected = np.exp(-((x - 40) ** 2 + (y - 30) ** 2) / 32)
    np.testing.assert_allclose(found, expected / expected.sum(), atol=1e-5)


def test_densities_add_up_and_default_to_a_degree() -> None:
    whole = Fixations.from_frame(pl.DataFrame(ROWS), screen=SCREEN, pixels_per_degree=12)
    both = whole.density("ad.png")
    parts = [density_of(whole.points("ad.png")[[k]], SCREEN, 12.0) for k in (0, 1)]
    np.testing.assert_allclose(both, (parts[0] + parts[1]) / 2, atol=1e-15)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"x": None}, "has no column 'x'"),
        ({"duration": [0.0] * 5}, "row 1: duration is 0 s"),
        ({"y": ["low"] * 5}, "column 'y' holds no numbers"),
        ({"viewer": ["a", None, "a", "a", "a"]}, "row 2: column 'viewer' is empty"),
    ],
)
def test_bad_rows_are_one_line(change: dict[str, Any], message: str) -> None:
    rows = {name: column for name, column in {**ROWS, **change}.items() if column is not None}
    with pytest.raises(InputError, match=message):
        Fixations.from_frame(pl.DataFrame(rows), screen=SCREEN)


def test_a_screen_is_needed() -> None:
    with pytest.raises(InputError, match="give the screen's width and height"):
        Fixations.from_frame(pl.DataFrame(ROWS))
    sized = pl.DataFrame({**ROWS, "width": [800] * 5, "height": [600] * 4 + [0]})
    with pytest.raises(InputError, match="row 5: height is 0"):
        Fixations.from_frame(sized)
    with pytest.raises(NothingMeasuredError, match="no fixation lies within"):
        Fixations.from_frame(pl.DataFrame(ROWS), screen=(2, 2))


def walk(seed: int, places: int = 6, rate: float = 250.0) -> tuple[Any, Any, Any, Any]:
    """Samples of an eye that rests at some places, with noise of half a pixel."""
    rng = np.random.default_rng(seed)
    at = np.cumsum(rng.choice([-1, 1], (places, 2)) * rng.uniform(60, 150, (places, 2)), axis=0)
    lengths = rng.integers(40, 90, places)
    seen = np.repeat(at, lengths, axis=0) + rng.normal(0, 0.5, (lengths.sum(), 2))
    return np.arange(len(seen)) / rate, seen[:, 0], seen[:, 1], (at, lengths / rate)


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("method", ["dispersion", "velocity"])
def test_events_find_the_places_where_the_eye_rested(seed: int, method: str) -> None:
    time, x, y, (at, lasted) = walk(seed)
    if method == "dispersion":
        found = detect_by_dispersion(time, x, y, dispersion=10)
    else:
        found = detect_by_velocity(time, x, y, velocity=2500)
    assert len(found) == len(at)
    np.testing.assert_allclose(found[:, 2:], at, atol=0.5)
    np.testing.assert_allclose(found[:, 1], lasted, atol=0.02)
    assert (np.diff(found[:, 0]) > 0).all()


def test_missing_samples_end_a_fixation() -> None:
    time, x, y = np.arange(200) / 100, np.full(200, 5.0), np.full(200, 5.0)
    x[90:110] = np.nan
    for found in (
        detect_by_dispersion(time, x, y, dispersion=2),
        detect_by_velocity(time, x, y, velocity=10),
    ):
        np.testing.assert_allclose(found[:, 0], [0, 1.1])
        np.testing.assert_allclose(found[:, 1], [0.89, 0.89])


def test_short_rests_are_no_fixations() -> None:
    time = np.arange(60) / 100
    x = np.repeat([0.0, 100.0, 200.0], [30, 5, 25])
    found = detect_by_dispersion(time, x, 0 * x, dispersion=5)
    assert found[:, 2].tolist() == [0.0, 200.0]
    assert detect_by_velocity(time, x, 0 * x, velocity=100)[:, 2].tolist() == [0.0, 200.0]
    assert detect_by_dispersion(time[:5], x[:5], x[:5], dispersion=5).shape == (0, 4)


def test_bad_samples_are_one_line() -> None:
    time = np.arange(5) / 100
    with pytest.raises(InputError, match="give one of each a sample"):
        detect_by_dispersion(time, time[:3], time, dispersion=1)
    with pytest.raises(InputError, match="do not ascend"):
        detect_by_velocity(time[::-1], time, time, velocity=1)
    with pytest.raises(InputError, match="dispersion"):
        detect_by_dispersion(time, time, time, dispersion=0)
