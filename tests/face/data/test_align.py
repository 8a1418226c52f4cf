"""Crops show what they should: the right square, edges repeated, areas averaged, eyes level."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sterling.errors import InputError
from sterling.face.data import CropSpec, Face, FaceDetector, crop_face, read_image
from sterling.face.data.align import _TEMPLATE, _similarity

POINTS = ((30.0, 30.0), (50.0, 30.0), (40.0, 42.0), (32.0, 52.0), (48.0, 52.0))


def face(
    left: float,
    top: float,
    right: float,
    bottom: float,
    points: tuple[tuple[float, float], ...] = POINTS,
) -> Face:
    return Face((left, top, right, bottom), points, 0.9)


def noise(height: int, width: int) -> Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (3, height, width), generator=generator, dtype=torch.uint8)


def placed(turn: complex, centre: complex) -> Face:
    points = turn * _TEMPLATE + centre
    return face(0, 0, 1, 1, tuple((float(p.real), float(p.imag)) for p in points))


def test_whole_pixels_are_cut_exactly() -> None:
    image = noise(40, 50)
    crop = crop_face(image, face(10, 5, 30, 21), CropSpec(size=20, scale=1))
    assert torch.equal(crop, image[:, 3:23, 10:30])  # the shorter side grows about its centre
    assert crop.dtype == torch.uint8
    assert crop.is_contiguous()


def test_scale_widens_the_square_about_the_centre_of_the_box() -> None:
    image = noise(60, 60)
    crop = crop_face(image, face(20, 20, 40, 40), CropSpec(size=40, scale=2))
    assert torch.equal(crop, image[:, 10:50, 10:50])


@pytest.mark.parametrize("align", [False, True])
def test_outside_the_picture_its_edge_is_repeated(align: bool) -> None:
    image = noise(10, 10)
    box = placed(10, 5 + 5j) if align else face(0, 0, 10, 10)
    spec = CropSpec(size=30, scale=3, align=align)
    crop = crop_face(image, Face((0, 0, 10, 10), box.landmarks, 1.0), spec)
    expected = torch.nn.functional.pad(image.float(), (10, 10, 10, 10), mode="replicate")
    assert (crop.float() - expected).abs().max() <= 1


@pytest.mark.parametrize(
    ("box", "rows", "columns"),
    [
        ((0, 0, 10, 10), (0, 20), (0, 20)),  # left and above
        ((40, 30, 50, 40), (20, 40), (30, 50)),  # right and below
        ((40, 0, 50, 10), (0, 20), (30, 50)),
        ((20, 15, 30, 25), (10, 30), (15, 35)),  # inside: not moved
        ((20, 33, 30, 37), (20, 40), (15, 35)),  # below alone, by the longer side
        ((-8, -8, 2, 2), (0, 20), (0, 20)),  # a box that leaves the picture itself
    ],
)
def test_a_shifted_square_is_moved_back_into_the_picture(
    box: tuple[float, float, float, float], rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    image = noise(40, 50)
    crop = crop_face(image, face(*box), CropSpec(size=20, scale=2, border="shift"))
    assert torch.equal(crop, image[:, slice(*rows), slice(*columns)])


def test_a_shifted_square_larger_than_the_picture_is_shrunk_to_its_shorter_side() -> None:
    image = noise(20, 50)
    spec = CropSpec(size=20, scale=4, border="shift")
    assert torch.equal(crop_face(image, face(20, 5, 30, 15), spec), image[:, :, 15:35])
    assert torch.equal(crop_face(image, face(42, 5, 52, 15), spec), image[:, :, 30:50])
    turned = image.transpose(1, 2).contiguous()
    assert torch.equal(crop_face(turned, face(5, 42, 15, 52), spec), turned[:, 30:50])


def test_inside_the_picture_both_borders_cut_alike() -> None:
    image, place = noise(60, 60), face(20, 21, 39, 40.5)
    repeated, shifted = (
        crop_face(image, place, CropSpec(24, 1.7, border=border)) for border in ("repeat", "shift")
    )
    assert torch.equal(repeated, shifted)


def test_an_aligned_crop_is_not_shifted() -> None:
    with pytest.raises(InputError, match="border 'shift' moves the face"):
        CropSpec(8, align=True, border="shift")


def test_shrinking_averages_areas() -> None:
    image = noise(32, 32)
    crop = crop_face(image, face(0, 0, 32, 32), CropSpec(size=8, scale=1))
    means = torch.nn.functional.avg_pool2d(image.float(), 4)
    assert (crop.float() - means).abs().max() <= 0.5 + 1e-6


def test_enlarging_keeps_a_ramp() -> None:
    ramp = torch.arange(0, 160, 10, dtype=torch.uint8).expand(3, 16, 16)
    crop = crop_face(ramp, face(0, 0, 16, 16), CropSpec(size=64, scale=1))
    assert crop[0, 0].diff().min() >= 0
    assert crop[0, 32, 32].item() == pytest.approx(75, abs=3)


@settings(deadline=None, max_examples=50)
@given(
    size=st.floats(5, 200),
    angle=st.floats(-math.pi, math.pi),
    x=st.floats(-500, 500),
    y=st.floats(-500, 500),
)
def test_similarity_is_recovered_from_landmarks(
    size: float, angle: float, x: float, y: float
) -> None:
    turn, centre = size * complex(math.cos(angle), math.sin(angle)), complex(x, y)
    found, shift = _similarity(placed(turn, centre))
    assert abs(found - turn) < 1e-9 * size
    assert abs(shift - centre) < 1e-8 * (size + abs(centre))


def test_similarity_is_the_least_squares_one() -> None:
    rng = np.random.default_rng(0)
    points = rng.normal(size=(5, 2))
    turn, shift = _similarity(face(0, 0, 1, 1, tuple((float(x), float(y)) for x, y in points)))
    # The same problem as real linear least squares in (a, b, tx, ty).
    x, y = _TEMPLATE.real, _TEMPLATE.imag
    one, zero = np.ones(5), np.zeros(5)
    system = np.concatenate([np.stack([x, -y, one, zero], 1), np.stack([y, x, zero, one], 1)])
    solved = np.linalg.lstsq(system, np.concatenate([points[:, 0], points[:, 1]]), rcond=None)[0]
    np.testing.assert_allclose([turn.real, turn.imag, shift.real, shift.imag], solved, atol=1e-12)


@pytest.mark.parametrize("quarter", [0, 1, 2, 3])
def test_a_turned_face_is_turned_back(quarter: int) -> None:
    image = noise(40, 40)
    centre, turn = 20 + 20j, 20 * 1j**quarter
    crop = crop_face(image, placed(turn, centre), CropSpec(size=20, scale=1, align=True))
    expected = torch.rot90(image[:, 10:30, 10:30], quarter, dims=(1, 2))
    assert (crop.int() - expected.int()).abs().max() <= 1


def test_aligned_eyes_are_level_and_where_the_template_has_them() -> None:
    # A smooth picture whose colour is its coordinate, turned face: read the landmarks' places back.
    axis = torch.arange(200, dtype=torch.uint8)
    image = torch.stack(
        [axis.expand(200, 200), axis[:, None].expand(200, 200), axis.expand(200, 200)]
    )
    turn, centre = 80 * complex(math.cos(0.4), math.sin(0.4)), 101 + 97j
    found = placed(turn, centre)
    crop = crop_face(image, found, CropSpec(size=104, scale=1.3, align=True)).float()
    for (x, y), where in zip(found.landmarks, _TEMPLATE, strict=True):
        u, v = (52 + 80 * part for part in (where.real, where.imag))  # 104 pixels show 1.3 × 80
        read = crop[:2, round(v - 0.5), round(u - 0.5)]
        assert read[0].item() == pytest.approx(x - 0.5, abs=1.5)
        assert read[1].item() == pytest.approx(y - 0.5, abs=1.5)


def test_real_faces_are_found_level_again_after_alignment(shared_data: Path) -> None:
    detector = FaceDetector()
    tilts = []
    for name in ("Al_Gore", "Alberto_Fujimori", "Alejandro_Toledo", "Al_Pacino"):
        folder = shared_data / "faces" / "lfw_grey" / name
        image = read_image(sorted(folder.iterdir())[0])
        (found, *_) = detector.detect(image)
        crop = crop_face(image, found, CropSpec(size=128, scale=1.8, align=True))
        (again, *_) = detector.detect(crop)
        turn, _ = _similarity(again)
        tilts.append(abs(math.degrees(math.atan2(turn.imag, turn.real))))
    assert max(tilts) < 5


@pytest.mark.parametrize("box", [(5, 5, 5, 5), (9, 9, 5, 5), (math.nan, 0, math.nan, 0)])
def test_empty_box_is_refused(box: tuple[float, float, float, float]) -> None:
    with pytest.raises(InputError, match="is empty"):
        crop_face(noise(8, 8), face(*box), CropSpec(size=8))


def test_landmarks_that_cannot_be_aligned_are_refused() -> None:
    spec = CropSpec(size=8, align=True)
    with pytest.raises(InputError, match="coincide"):
        crop_face(noise(8, 8), face(0, 0, 8, 8, ((1.0, 1.0),) * 5), spec)
    with pytest.raises(InputError, match="needs five"):
        crop_face(noise(8, 8), face(0, 0, 8, 8, POINTS[:3]), spec)


def test_alignment_is_named() -> None:
    assert CropSpec(size=8).alignment == "none"
    assert CropSpec(size=8, align=True).alignment == "five landmarks"
