"""Physics of the attack instruments and sensors."""

import numpy as np
import pytest
import torch

from sterling.face.capture import SENSORS
from sterling.face.capture.geometry import Camera, Sheet, meet_sheet
from sterling.face.capture.printing import PRINTS, halftone, print_reflectance, sample_print
from sterling.face.capture.screen import Screen, screen_radiance
from sterling.face.capture.sensor import LUMINANCE, develop, to_linear, to_srgb
from sterling.face.capture.shading import black_body


@pytest.mark.parametrize("tone", [0.0, 0.1, 0.35, 0.5, 0.8, 1.0])
@pytest.mark.parametrize("angle", [0.0, 22.0, 45.0])
def test_halftone_keeps_the_tone(tone: float, angle: float) -> None:
    step = (torch.arange(400) + 0.5) / 400 * 0.02
    place = torch.stack(torch.meshgrid(step, step, indexing="xy"), -1)
    cover = halftone(torch.full((400, 400), tone), place, 2000.0, angle, 0.22)
    # Clamping the dots' soft edges lightens and darkens the last percents of the range.
    assert abs(float(cover.mean()) - tone) < 0.03
    if 0.2 < tone < 0.8:
        assert cover.std() > 0.3  # it is dots, not grey


def test_halftone_has_its_frequency() -> None:
    step = (torch.arange(512) + 0.5) / 512 * 0.02
    place = torch.stack(torch.meshgrid(step, step, indexing="xy"), -1)
    cover = halftone(torch.full((512, 512), 0.5), place, 2000.0, 0.0, 0.22)
    spectrum = np.abs(np.fft.rfft2((cover - cover.mean()).numpy()))
    row, column = np.unravel_index(spectrum.argmax(), spectrum.shape)
    assert {min(row, 512 - row), column} <= {0, 20, 40}  # 2000 lines/m over 2 cm is 40 cycles


def test_print_hides_the_picture_in_infrared() -> None:
    photo = torch.zeros(3, 64, 64)
    photo[:, :, 32:] = 0.9
    instrument = sample_print(PRINTS["portrait"], np.random.default_rng(0))
    place = meet_sheet(Sheet(0, 0, 0), Camera(0.4, instrument.half * 0.8), 128).place
    colour, infrared = print_reflectance(instrument, photo, place, 2, 1e-4)

    def contrast(x: torch.Tensor) -> float:
        return float((x[:, 40:].mean() - x[:, :24].mean()) / x.mean())

    assert contrast(colour.mean(-1)) > 1.0
    assert contrast(infrared) < 0.15


def test_replay_grid_is_a_spectral_peak_where_folding_puts_it() -> None:
    screen = Screen(0.05, 1.5, 1e-4, 0.9, 0.01, (1.0, 1.0, 1.0), 1.0, 0.0, 3.0, 0.0, 0.01, 0.03)
    place = meet_sheet(Sheet(0, 0, 0), Camera(0.3, 0.04), 128).place
    flat = torch.full((3, 32, 32), 0.5)
    # 8 cm of pixels of 0.1 mm are 800 cycles; 780 native samples fold them to 20.
    lit, on = screen_radiance(screen, flat, place, 780)
    assert on.all()
    row = np.abs(np.fft.rfft((lit[..., 1] - lit[..., 1].mean()).mean(0).numpy()))
    assert row.argmax() == 20
    assert row[20] > 10 * np.median(row)
    # A native pixel as wide as the stripes' period would see no grid at all.
    coarse, _ = screen_radiance(screen, flat, place, 640)
    assert (coarse[..., 1] - coarse[..., 1].mean()).std() < 0.3 * lit[..., 1].std()


def test_black_bodies_run_from_red_to_blue_at_equal_luminance() -> None:
    colours = np.array([black_body(k) for k in (2500, 4000, 6500, 10000)])
    assert np.allclose(colours @ LUMINANCE, 1, atol=0.02)
    assert (np.diff(colours[:, 2] / colours[:, 0]) > 0).all()
    assert np.allclose(colours[2], 1, atol=0.06)  # sRGB's white is near 6500 K


def test_srgb_round_trip() -> None:
    codes = np.linspace(0, 1, 256, dtype=np.float32)
    assert np.allclose(to_srgb(to_linear(codes)), codes, atol=1e-6)


def test_noise_falls_with_light_and_blur_with_native_pixels() -> None:
    grey = np.full((128, 128, 3), 0.18, np.float32)

    def noise(level: float) -> float:
        stored = develop(
            grey, SENSORS["webcam"], np.ones(3, "f4"), level, 128, np.random.default_rng(0)
        )
        return float(stored.astype(float).std())

    assert noise(0.1) > 1.5 * noise(1.0)
    edge = grey.copy()
    edge[:, 64:] = 0.6

    def steepest(name: str) -> float:
        stored = develop(edge, SENSORS[name], np.ones(3, "f4"), 2.0, 128, np.random.default_rng(0))
        profile = stored[..., 1].astype(float).mean(0)
        return float(np.diff(profile).max() / np.ptp(profile))

    assert steepest("reflex") > 1.5 * steepest("surveillance")
