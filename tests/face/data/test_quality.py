"""Each measure on pictures made so that its value is known, and each reason where it belongs."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sterling.errors import InputError
from sterling.face.data import (
    SIZE_ONLY,
    CropSpec,
    Cut,
    Face,
    FaceDetector,
    Limits,
    Manifest,
    check_cut,
    load_faces,
    read_pixels,
)
from sterling.face.data.quality import colour, detail, filled, luminance_range, outside

Pixels = NDArray[np.uint8]
EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "photographs" / "astronaut.jpg"
SPEC = CropSpec(96)
NOTHING = Limits(*[None] * 7)


def noise(height: int, width: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(60, 200, (3, height, width), dtype=np.uint8)


def face(left: float, top: float, right: float, bottom: float) -> Face:
    return Face((left, top, right, bottom), (), 1.0)


def test_outside_is_the_share_of_the_square() -> None:
    shape, twice = (3, 100, 200), CropSpec(8, scale=2)
    assert outside(shape, face(75, 25, 125, 75), twice) == 0  # the square just fits
    assert outside(shape, face(0, 25, 50, 75), twice) == 0.25  # a quarter of it on the left
    assert outside(shape, face(150, 50, 200, 100), twice) == 1 - 0.75**2  # in a corner
    shifted = replace(twice, border="shift")
    assert outside(shape, face(150, 50, 200, 100), shifted) == 0  # moved into the picture
    assert outside(shape, face(50, 0, 130, 100), shifted) == 0.75  # 200 pixels wanted, 100 there


def test_filled_counts_bars_and_the_corners_of_a_turned_picture() -> None:
    boxed = noise(100, 80)
    boxed[:, :10] = 0
    boxed[:, -15:] = 255
    assert filled(boxed) == 25 / 100
    turned = noise(100, 100)
    rows, columns = np.indices((100, 100))
    turned[:, rows + columns < 20] = 7  # 20 · 21 / 2 pixels of one corner
    assert filled(turned) == pytest.approx(0.021, abs=3e-4)  # and the three other corners
    assert filled(noise(60, 60)) <= 4 / 3600
    assert filled(np.full((3, 40, 50), 90, np.uint8)) == 1


def test_filled_does_not_count_flat_areas_within_nor_slopes() -> None:
    patch = noise(100, 100)
    patch[:, 30:70, 30:70] = 0
    assert filled(patch) < 0.01
    # Two levels a column: a slope, as light falls on a wall.
    slope = np.broadcast_to(2 * np.arange(100, dtype=np.uint8), (3, 100, 100))
    assert filled(np.ascontiguousarray(slope)) == 0.02  # the first and the last column
    # Sampling takes pixels as they are: bars keep their share in large pictures.
    large = noise(1000, 800)
    large[:, :, :200] = 30
    assert filled(large) == pytest.approx(0.25, abs=0.01)


def test_luminance_range_leaves_a_tenth_aside() -> None:
    pixels = np.full((3, 10, 10), 10, np.uint8)
    pixels[:, 0, :5] = 250
    assert luminance_range(pixels) == pytest.approx((10, 10))
    pixels[:, :9] = 250
    assert luminance_range(pixels)[1] == pytest.approx(250)
    green = np.zeros((3, 4, 4), np.uint8)
    green[1] = 200
    assert luminance_range(green) == pytest.approx((0.587 * 200, 0.587 * 200))


def test_colour_is_the_mean_spread_of_channels() -> None:
    grey = np.repeat(noise(8, 8)[:1], 3, axis=0)
    assert colour(grey) == 0
    grey[:, 0, 0] = (10, 74, 42)
    assert colour(grey) == 1  # 64 over 64 pixels


def test_detail_of_a_checkerboard_is_its_amplitude() -> None:
    rows, columns = np.indices((16, 16))
    board = np.broadcast_to(100 + 12 * (-1) ** (rows + columns), (3, 16, 16)).astype(np.uint8)
    assert detail(board) == pytest.approx(12)
    assert detail(np.full((3, 16, 16), 90, np.uint8)) == pytest.approx(0, abs=1e-9)
    fine = noise(96, 96)
    enlarged = np.repeat(np.repeat(noise(24, 24), 4, axis=1), 4, axis=2)
    smooth = np.stack([cv2.GaussianBlur(plane, (0, 0), 2) for plane in fine])
    assert detail(fine) > 2 * detail(enlarged) > 2 * detail(smooth)


@pytest.fixture(scope="module")
def photograph() -> Pixels:
    return read_pixels(EXAMPLE)


@pytest.fixture(scope="module")
def head(photograph: Pixels) -> Face:
    found = FaceDetector().largest(photograph)
    assert found is not None
    return found


def changed(pixels: Pixels, how: str) -> Pixels:
    light = pixels.astype(np.float64)
    if how == "dark":
        light *= 0.1
    elif how == "overexposed":
        light = light * 0.05 + 240
    elif how == "grey":
        light = np.broadcast_to(light.mean(axis=0), light.shape)
    elif how == "blurred":
        light = np.stack([cv2.GaussianBlur(plane, (0, 0), 8) for plane in light])
    return np.ascontiguousarray(light.round().clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize("reason", ["dark", "overexposed", "grey", "blurred"])
def test_a_changed_photograph_is_refused_with_its_reason(
    photograph: Pixels, head: Face, reason: str
) -> None:
    assert check_cut(Cut(photograph, head, SPEC), Limits()) is None
    cut = Cut(changed(photograph, reason), head, SPEC)
    found = check_cut(cut, Limits())
    assert found is not None
    assert found.reason == reason
    assert "\n" not in found.detail
    assert f"{found.limit:g}" in found.detail
    assert check_cut(cut, NOTHING) is None


def test_the_place_of_a_face_is_checked_first(photograph: Pixels, head: Face) -> None:
    dark = changed(photograph, "dark")
    small = face(200, 100, 230, 147)
    found = check_cut(Cut(dark, small, SPEC), Limits())
    assert found is not None
    assert (found.reason, found.measured, found.limit) == ("too_small", 47, 48)
    assert check_cut(Cut(dark, small, SPEC), SIZE_ONLY) is None
    assert check_cut(Cut(dark, face(0, 0, 0, 0), SPEC), SIZE_ONLY) is not None  # never cut

    corner = face(0, 0, 60, 60)
    found = check_cut(Cut(dark, corner, CropSpec(96, scale=2.7)), Limits())
    assert found is not None
    assert found.reason == "cut_off"

    left, top, right, bottom = (round(side) for side in head.box)
    padded = np.zeros_like(photograph)
    padded[:, top + 10 : bottom - 10, left + 10 : right - 10] = photograph[
        :, top + 10 : bottom - 10, left + 10 : right - 10
    ]
    found = check_cut(Cut(padded, head, SPEC), Limits())
    assert found is not None
    assert found.reason == "uniform_border"


def test_a_picture_that_is_a_crop_is_checked_by_its_pixels_alone(photograph: Pixels) -> None:
    cut = Cut(photograph[:, 20:200, 120:300], None, SPEC)
    assert cut.crop.shape == (3, 96, 96)
    assert check_cut(cut, Limits()) is None
    assert check_cut(cut, Limits(smallest_face=1e4, most_outside=0, most_filled=0)) is None
    found = check_cut(Cut(changed(cut.picture, "grey"), None, SPEC), Limits())
    assert found is not None
    assert found.reason == "grey"


def test_limits_are_checked_and_come_back_from_json() -> None:
    limits = Limits(smallest_face=64, least_colour=None)
    assert Limits.from_dict(limits.to_dict()) == limits
    for field, value in (("most_outside", 1.5), ("darkest", -1), ("smallest_face", 0)):
        with pytest.raises(InputError, match=field):
            Limits(**{field: value})
    stored: dict[str, Any] = limits.to_dict()
    with pytest.raises(InputError, match="missing or unknown"):
        Limits.from_dict({**stored, "sharpest": 1})
    del stored["darkest"]
    with pytest.raises(InputError, match="darkest"):
        Limits.from_dict(stored)
    with pytest.raises(InputError, match="no object"):
        Limits.from_dict(3)


def test_loading_reports_each_reason_by_item(photograph: Pixels, tmp_path: Path) -> None:
    names = ["plain", "grey", "blurred"]
    for name in names:
        pixels = changed(photograph, name).transpose(1, 2, 0)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
    rows = Manifest.from_columns(
        {
            "item": names,
            "path": [str(tmp_path / f"{name}.png") for name in names],
            "label": ["bona_fide"] * 3,
            "species": ["bona_fide"] * 3,
        }
    )
    loaded = load_faces(rows, SPEC, limits=Limits())
    assert loaded.faces.manifest.column("item").tolist() == ["plain"]
    assert [(one.item, one.reason) for one in loaded.non_responses] == [
        ("grey", "grey"),
        ("blurred", "blurred"),
    ]
    assert all(one.detail.startswith(one.path) for one in loaded.non_responses)
    assert load_faces(rows, SPEC).non_responses == ()
    # A picture that is a crop already has the limits of its pixels.
    (refused,) = load_faces(rows, SPEC, cropped=True, limits=Limits()).non_responses
    assert refused.reason == "grey"
