"""Captures made of photographs: geometry, and that the camera tells nothing of the class."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from tests.face.drawn_people import person, write_people

from sterling.errors import InputError
from sterling.face.capture.plan import stream
from sterling.face.capture.recaptured import (
    KINDS,
    Material,
    Portrait,
    portrait_of,
    read_material,
    recaptured_faces,
)
from sterling.face.capture.recaptured import captures as making
from sterling.face.capture.recaptured.camera import take
from sterling.face.capture.recaptured.instruments import make_sheet
from sterling.face.capture.recaptured.surroundings import (
    Framing,
    fillable,
    frame,
    frame_person,
    window,
)


@pytest.fixture(scope="module")
def material() -> Material:
    rng = np.random.default_rng(9)
    rooms = [
        rng.integers(0, 256, (12, 16, 3), dtype=np.uint8).repeat(20, 0).repeat(20, 1) for _ in "abc"
    ]
    return Material(tuple(person(seed) for seed in range(8)), tuple(rooms))


def test_a_crop_lies_in_the_frame_and_shows_the_face_where_it_says() -> None:
    for seed in range(300):
        framing = frame(np.random.default_rng(seed))
        half = 1 / (2 * framing.scale)
        assert 1 / 0.95 - 1e-9 <= framing.scale <= 3.2
        # The window is placed by a box that is 4 % off (standard deviation), at most about 4 sigma.
        slack = 0.2 / framing.scale
        assert half - slack <= framing.x <= 1 - half + slack
        assert half - slack <= framing.y <= 1 - half + slack


def test_nobody_is_cut_off_in_a_straight_line() -> None:
    one = person(3)
    height, width = one.pixels.shape[:2]
    for seed in range(200):
        left, top, side = window(one, frame_person(one, np.random.default_rng(seed)))
        assert top + side <= height + 1e-6
        assert fillable(one, left, top, left + side, top + side)
    # The drawn shoulders stay clear of the sides, the picture's end is the person's.
    assert fillable(one, -40, -40, width + 40, height)
    assert not fillable(one, 0, 0, width, height + 20)
    touching = Portrait(one.pixels, one.box, np.full_like(one.pixels[..., 0], 255))
    assert not fillable(touching, -1, 0, width, height)
    assert fillable(touching, 0, 0, width, height)


@pytest.mark.parametrize("species", sorted(KINDS))
def test_the_face_of_a_sheet_is_where_the_sheet_says(species: str) -> None:
    # A pure green face, before grey rooms, is followed through display, rim, bend and cut.
    one = person(1)
    pixels = np.zeros_like(one.pixels)
    cv2.ellipse(pixels, (120, 105), (30, 30), 0, 0, 360, (0, 255, 0), -1)
    marked = Portrait(pixels, one.box, one.mask)
    grey = np.repeat(person(5).pixels[..., :1], 3, axis=-1)
    material = Material((Portrait(grey, one.box),), (grey,))
    followed = 0
    for seed in range(12):
        sheet = make_sheet(species, marked, material, np.random.default_rng(seed))
        assert 0 <= sheet.alpha.min() <= sheet.alpha.max() <= 1
        x, y, side = sheet.face
        green = sheet.pixels[..., 1] - np.maximum(sheet.pixels[..., 0], sheet.pixels[..., 2])
        if green.max() < 0.3:  # printed without colour
            continue
        green = np.where(green > 0.5 * green.max(), green, 0)
        near = np.zeros(green.shape, np.float32)
        cv2.circle(near, (round(x), round(y)), max(3, round(side / 2)), 1.0, -1)
        assert (green * near).sum() > 0.9 * green.sum(), (species, seed)
        followed += 1
    assert followed >= 6


def test_an_instrument_brings_the_face_to_its_place_in_the_crop(material: Material) -> None:
    sheet = make_sheet("photograph", material.people[0], material, np.random.default_rng(0))
    x, y, side = sheet.face
    distances = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        framing = Framing(2.0, 0.4, 0.55)
        to_scene = making._pose(sheet, framing, 100, rng, flat=False)
        points = np.array([[[x, y], [x - side / 2, y], [x + side / 2, y]]])
        middle, left, right = cv2.perspectiveTransform(points, to_scene)[0]
        distances.append(np.linalg.norm(middle - (40, 55)))
        assert 25 < np.linalg.norm(right - left) < 75  # 50 pixels, but for lean and tilt
    assert np.median(distances) < 6


def test_the_same_seed_gives_the_same_captures_however_many_there_are(material: Material) -> None:
    few, many = (recaptured_faces(material, n, size=48, seed=5) for n in (6, 20))
    assert np.array_equal(few.images, many.images[:6])
    assert many.species[:6].tolist() == few.species.tolist()
    assert not np.array_equal(recaptured_faces(material, 6, size=48, seed=6).images, few.images)
    assert many.bona_fide.sum() == 10
    assert set(many.species[1::2]) == set(KINDS)


def statistics(images: NDArray[np.uint8]) -> dict[str, NDArray[np.float64]]:
    """Plain measurements of each picture (N, 3, S, S) that a camera leaves its traces in."""
    grey = images.astype(np.float64).mean(1)
    detail = [cv2.Laplacian(one, cv2.CV_64F).std() for one in grey]
    return {
        "brightness": grey.mean((1, 2)),
        "colour": np.ptp(images.astype(np.float64).mean((2, 3)), axis=1),
        "detail": np.array(detail) / (1 + grey.std((1, 2))),
    }


def test_sharpness_brightness_and_colour_tell_nothing_of_the_class(material: Material) -> None:
    made = recaptured_faces(
        material, 600, size=64, species=("print", "photograph", "tablet", "monitor"), seed=1
    )
    # 300 against 300: a standard error of 0.024, and four of them are allowed.
    for name, values in statistics(made.images).items():
        assert abs(roc_auc_score(made.bona_fide, values) - 0.5) < 0.1, name
    # The control: a camera that blurs attacks alone, as simulators are wont to.
    soft = made.images.copy()
    for index in np.flatnonzero(~made.bona_fide):
        soft[index] = cv2.GaussianBlur(soft[index].transpose(1, 2, 0), (0, 0), 1.5).transpose(
            2, 0, 1
        )
    assert roc_auc_score(made.bona_fide, statistics(soft)["detail"]) > 0.75


def test_a_third_of_the_pictures_is_grey() -> None:
    scene = np.zeros((48, 48, 3), np.float32)
    scene[..., 0], scene[..., 1] = 0.8, 0.4
    taken = [take(scene, 32, stream(0, "grey", i)) for i in range(300)]
    grey = sum(int(np.ptp(one, axis=-1).max()) == 0 for one in taken)
    assert 70 < grey < 130  # 100, within 3.7 standard deviations


def test_parts_share_nobody_and_lose_nobody(material: Material) -> None:
    parts = material.parts((0.5, 0.25, 0.25), seed=4)
    names = [one.source for part in parts for one in part.people]
    assert sorted(names) == sorted(one.source for one in material.people)
    assert [len(part.people) for part in parts] == [4, 2, 2]
    assert sum(len(part.others) for part in parts) == len(material.others)


def test_a_folder_of_photographs_is_read_back(tmp_path: Path) -> None:
    one = person(2)
    write_people(tmp_path, [one], [one.pixels])
    read = read_material(tmp_path)
    assert np.array_equal(read.people[0].pixels, one.pixels)
    assert one.mask is not None
    assert np.array_equal(np.asarray(read.people[0].mask), one.mask)
    assert read.people[0].box == one.box
    assert np.array_equal(read.others[0], one.pixels)
    (tmp_path / "people" / "0.png").write_bytes(b"no picture")
    with pytest.raises(InputError, match=r"0\.png: missing, or not a picture"):
        read_material(tmp_path)
    (tmp_path / "material.json").write_text("[]")
    with pytest.raises(InputError, match="not a listing of photographs"):
        read_material(tmp_path)


def test_odd_requests_are_refused(material: Material) -> None:
    with pytest.raises(InputError, match="unknown species 'fone'"):
        recaptured_faces(material, 2, species=("fone",))
    with pytest.raises(InputError, match="at least 32"):
        recaptured_faces(material, 2, size=16)
    with pytest.raises(InputError, match="no photograph of a person"):
        Material(())
    with pytest.raises(InputError, match="name at least one of print"):
        recaptured_faces(material, 2, species=())
    with pytest.raises(InputError, match="seed"):
        recaptured_faces(material, 2, seed=-1)
    with pytest.raises(InputError, match="give the smaller first"):
        recaptured_faces(material, 2, scales=(3.0, 2.0))
    with pytest.raises(InputError, match=r"face box .* is empty"):
        portrait_of(np.zeros((80, 80, 3), np.uint8), (40.0, 20.0, 40.0, 60.0))
