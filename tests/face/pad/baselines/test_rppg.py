"""A made pulse is found at its frequency by both methods, and what does not beat is not."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.pad.baselines.rppg import (
    REGIONS,
    band_power,
    chrom,
    in_band,
    peak_ratio,
    pos,
    score_pulse,
    traces,
)

RATE, FRAMES = 20.0, 160
TIME = np.arange(FRAMES) / RATE
BLOOD = np.array([0.33, 0.77, 0.53])  # how strongly the pulse shows in red, green, blue
SKIN = np.array([150.0, 110.0, 90.0])


def coloured(
    pulse: NDArray[np.float64], light: NDArray[np.float64] | float = 1
) -> NDArray[np.float64]:
    """Colours (T, 3) of skin whose blood follows `pulse`, in a light that changes."""
    relative = (1 + pulse[:, None] * BLOOD) * np.broadcast_to(light, pulse.shape)[:, None]
    return np.asarray(SKIN * relative)


def peak(signal: NDArray[np.float64]) -> float:
    frequencies, power = band_power(signal, RATE)
    return float(frequencies[power.argmax()])


@given(st.floats(0.9, 3.5), st.floats(0, 6))
def test_both_methods_find_the_frequency_in_a_changing_light(beat: float, phase: float) -> None:
    pulse = 0.01 * np.sin(2 * np.pi * beat * TIME + phase)
    light = 1 + 0.05 * np.sin(2 * np.pi * 0.31 * TIME)
    for signal in (chrom(coloured(pulse, light)), pos(coloured(pulse, light), RATE)):
        assert peak(signal) == pytest.approx(beat, abs=2 / (FRAMES / RATE))


def test_light_alone_is_no_pulse() -> None:
    light = 1 + 0.05 * np.sin(2 * np.pi * 1.5 * TIME)
    beating = 0.005 * np.sin(2 * np.pi * 1.5 * TIME)
    still = np.zeros(FRAMES)
    for method in (chrom, lambda colours: pos(colours, RATE)):
        lit = np.abs(in_band(method(coloured(still, light)), RATE)).max()
        alive = np.abs(in_band(method(coloured(beating)), RATE)).max()
        assert lit < 0.05 * alive


def test_a_static_face_has_no_pulse_at_all() -> None:
    clips = torch.full((1, FRAMES, 3, 32, 32), 120, dtype=torch.uint8)
    assert score_pulse(clips, RATE).tolist() == [0]
    assert not chrom(coloured(np.zeros(FRAMES))).round(9).any()


def test_one_frequency_has_all_power_at_its_peak_and_noise_has_not() -> None:
    assert peak_ratio(np.sin(2 * np.pi * 1.5 * TIME), RATE) > 0.99
    noise = np.random.default_rng(0).normal(size=(50, FRAMES))
    bins = len(band_power(noise, RATE)[0])
    ratios = peak_ratio(noise, RATE)
    assert 3 / bins < ratios.mean() < 0.5
    assert peak_ratio(np.zeros(FRAMES), RATE) == 0


def clip(regions: NDArray[np.float64], seed: int) -> torch.Tensor:
    """A clip (1, T, 3, 64, 64) whose regions beat as given (3, T), with noise in every pixel."""
    rng = np.random.default_rng(seed)
    pictures = np.broadcast_to(SKIN[:, None, None], (FRAMES, 3, 64, 64)).copy()
    for (top, bottom, left, right), pulse in zip(REGIONS, regions, strict=True):
        rows = slice(round(top * 64), round(bottom * 64))
        columns = slice(round(left * 64), round(right * 64))
        pictures[:, :, rows, columns] *= (1 + pulse[:, None] * BLOOD)[..., None, None]
    return torch.from_numpy(pictures + rng.normal(0, 1.0, pictures.shape))[None]


def test_regions_that_share_a_pulse_score_above_those_with_noise_or_pulses_of_their_own() -> None:
    one = np.sin(2 * np.pi * 1.2 * TIME)
    others = np.stack([np.sin(2 * np.pi * beat * TIME) for beat in (0.9, 1.7, 2.6)])
    shared, own, none = (
        [float(score_pulse(clip(0.01 * np.asarray(each), seed), RATE)[0]) for seed in range(5)]
        for each in (np.stack([one] * 3), others, np.zeros((3, FRAMES)))
    )
    assert min(shared) > 1.5
    assert max(own) < min(shared) - 0.5
    assert max(none) < min(shared) - 0.5


def test_traces_are_means_of_their_regions() -> None:
    clips = torch.zeros(1, 2, 3, 50, 50)
    clips[0, 1, 2, 26:33, 14:22] = 7  # blue of the left cheek, second frame
    found = traces(clips)
    assert found[0, 1, 1].tolist() == [0, 0, 7]
    assert found.sum() == 7


def test_what_is_refused() -> None:
    with pytest.raises(InputError, match="2 seconds or more"):
        in_band(np.zeros(20), RATE)
    with pytest.raises(InputError, match="8 frames per second"):
        in_band(np.zeros(100), 5.0)
    with pytest.raises(InputError, match="mean over time"):
        chrom(np.zeros((10, 3)))
    with pytest.raises(InputError, match="POS takes"):
        pos(np.ones((10, 3)), RATE)
    with pytest.raises(InputError, match="clips have shape"):
        traces(torch.zeros(2, 3, 32, 32))
