"""EEG indicators: known sines, scaling, baselines, a real recording; attention from gaze."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from sterling.errors import InputError, NothingMeasuredError
from sterling.gaze import (
    Recording,
    Segment,
    band_powers,
    eye_movement_ratio,
    indicators,
    read_recording,
    read_segments,
)

RATE = 128.0
REAL = Path(__file__).parents[3] / "shared" / "data" / "eeg" / "eeglab" / "eeglab_data.set"


def wave(frequency: float, amplitude: float, seconds: float = 20) -> NDArray[np.float64]:
    t = np.arange(round(seconds * RATE)) / RATE
    return amplitude * np.sin(2 * np.pi * frequency * t)


def recording(seed: int = 0, seconds: float = 60) -> Recording:
    rng = np.random.default_rng(seed)
    return Recording(rng.normal(0, 1e-5, (3, round(seconds * RATE))), RATE, ("F3", "F4", "Cz"))


@pytest.mark.parametrize(("frequency", "band"), [(6, "theta"), (10, "alpha"), (20, "beta")])
def test_a_sine_is_in_its_band_alone(frequency: float, band: str) -> None:
    powers = band_powers(wave(frequency, 1.0)[None], RATE)
    assert powers[band].shape == (20, 1)
    total = sum(one.mean() for one in powers.values())
    assert powers[band].mean() > 0.95 * total


def test_power_grows_with_the_square_of_the_amplitude() -> None:
    once, twice = (band_powers(wave(10, a)[None], RATE)["alpha"] for a in (1.0, 2.0))
    np.testing.assert_allclose(twice, 4 * once)


def test_white_noise_has_the_density_of_its_variance() -> None:
    # Variance over half the rate, in every band.
    noise = np.random.default_rng(0).normal(0, 3, (4, 400 * int(RATE)))
    for power in band_powers(noise, RATE).values():
        assert power.mean() == pytest.approx(9 / (RATE / 2), rel=0.05)


def test_engagement_and_asymmetry_of_known_waves() -> None:
    theta, alpha, beta = wave(6, 1.0), wave(10.5, 2.0), wave(20, 3.0)
    left, right = theta + alpha + beta, theta + np.e * alpha + beta
    made = Recording(np.stack([left, right]), RATE, ("F3", "F4"))
    row = indicators(made, [Segment("scene", 0, 20)])
    powers = band_powers(np.stack([left, right]), RATE)
    expected = (powers["beta"] / (powers["alpha"] + powers["theta"])).mean()
    assert row["engagement"][0] == pytest.approx(expected)
    assert row["asymmetry"][0] == pytest.approx(2, abs=0.02)  # ln e², of power
    assert row["valence"][0] > 0


def test_gain_of_the_amplifier_changes_no_indicator() -> None:
    scenes = [Segment("scene", 0, 30)]
    plain = recording()
    loud = Recording(1000 * plain.signals, RATE, plain.channels)
    for name in ("engagement", "valence", "asymmetry"):
        before, after = (indicators(one, scenes)[name][0] for one in (plain, loud))
        assert before == pytest.approx(after)


def test_scores_of_the_baseline_itself_are_standard() -> None:
    scenes = [Segment("calm", 0, 40), Segment("again", 0, 40)]
    row = indicators(recording(), scenes, baseline="calm")
    assert row["segment"].to_list() == ["again"]
    assert row["windows"][0] == 40
    for name in ("engagement", "valence", "asymmetry"):
        assert row[name][0] == pytest.approx(0, abs=1e-9)


def test_more_beta_than_at_rest_is_positive_engagement() -> None:
    calm = recording(1)
    louder = calm.signals.copy()
    louder[:, 30 * int(RATE) :] += wave(20, 2e-5, 30)
    scenes = [Segment("calm", 0, 30), Segment("scene", 30, 30)]
    row = indicators(Recording(louder, RATE, calm.channels), scenes, baseline="calm")
    assert row["engagement"][0] > 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: indicators(recording(), [Segment("s", 50, 20)]), "'s' ends at 70 s"),
        (lambda: indicators(recording(), [Segment("s", 0, 0.5)]), "less than a window"),
        (
            lambda: indicators(recording(), [Segment("s", 0, 9)], baseline="b"),
            "unknown segment 'b'",
        ),
        (
            lambda: indicators(recording(), [Segment("b", 0, 1), Segment("s", 0, 9)], baseline="b"),
            "give a longer baseline",
        ),
        (
            lambda: indicators(recording(), [Segment("s", 0, 9)], frontal=("F7", "F4")),
            "unknown channel 'F7'",
        ),
        (lambda: band_powers(np.zeros((1, 500)), 40), "bands up to 30 Hz need 60"),
        (lambda: band_powers(np.zeros((1, 50)), RATE), "give 128 samples"),
        (lambda: band_powers(np.full((1, 500), np.nan), RATE), "not finite"),
        (lambda: Recording(np.zeros((2, 5)), RATE, ("F3",)), "for 1 channels"),
        (lambda: eye_movement_ratio([True], [True, False]), "1,. valid, .2,. in region"),
    ],
)
def test_bad_input_is_one_line(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message) as refused:
        call()
    assert "\n" not in str(refused.value)


def test_a_baseline_alone_measures_nothing() -> None:
    with pytest.raises(NothingMeasuredError, match="name the scenes"):
        indicators(recording(), [Segment("calm", 0, 40)], baseline="calm")


def test_segments_are_read_from_a_table(tmp_path: Path) -> None:
    path = tmp_path / "events.csv"
    path.write_text("segment,onset,duration\ncalm,0,30\nscene 1,30,8.5\n")
    assert read_segments(path) == [Segment("calm", 0, 30), Segment("scene 1", 30, 8.5)]
    path.write_text("segment,onset,duration\ncalm,0,0\n")
    with pytest.raises(InputError, match="line 2: onset 0, duration 0 s"):
        read_segments(path)
    path.write_text("segment,onset\ncalm,0\n")
    with pytest.raises(InputError, match="no column 'duration'"):
        read_segments(path)


def test_a_file_that_is_no_recording_is_one_line(tmp_path: Path) -> None:
    path = tmp_path / "broken.edf"
    path.write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"broken\.edf: MNE cannot read it"):
        read_recording(path)


@pytest.mark.skipif(not REAL.exists(), reason="the EEGLAB recording is not here")
def test_a_real_recording() -> None:
    found = read_recording(REAL)
    assert (found.rate, len(found.channels)) == (128.0, 30)
    assert not any(name.startswith("EOG") for name in found.channels)
    scenes = [Segment("calm", 0, 60), Segment("first", 60, 60), Segment("second", 120, 60)]
    rows = indicators(found, scenes, baseline="calm")
    assert rows.height == 2
    assert np.isfinite(rows.select("engagement", "valence", "asymmetry").to_numpy()).all()
    # Alpha stands out in a relaxed viewer at the back of the head.
    powers = band_powers(found.pick(["O1", "O2", "Oz"]).signals, found.rate)
    assert powers["alpha"].mean() > powers["beta"].mean()


def test_the_share_of_gaze_in_a_region() -> None:
    assert eye_movement_ratio([True, True, False, False]) == 0.5
    assert eye_movement_ratio([True, True, False, False], [True, False, True, True]) == 0.25
    with pytest.raises(NothingMeasuredError):
        eye_movement_ratio([])
