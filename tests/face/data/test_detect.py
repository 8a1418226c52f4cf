"""Faces are found where people marked them, and decoding inverts what the network was taught."""

import hashlib
import json
import pickle
import xml.etree.ElementTree as ET
from dataclasses import FrozenInstanceError
from importlib.resources import files
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError
from sterling.face.data import Face, FaceDetector, read_image
from sterling.face.data import detect as module
from sterling.face.data.detect import MODEL, _best_of_each, _decode

Box = tuple[float, float, float, float]


EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "photographs" / "astronaut.jpg"


@pytest.fixture(scope="module")
def detector() -> FaceDetector:
    return FaceDetector()


def overlap(a: Box, b: Box) -> float:
    width = max(0.0, min(a[2], b[2]) - max(a[0], b[0]))
    height = max(0.0, min(a[3], b[3]) - max(a[1], b[1]))
    both = width * height
    return both / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - both)


def marked_by_people(folder: Path) -> dict[str, list[Box]]:
    marked: dict[str, list[Box]] = {}
    for name in ("training.xml", "testing.xml"):
        for image in ET.parse(folder / name).iter("image"):
            boxes = [{k: float(v) for k, v in box.attrib.items()} for box in image.iter("box")]
            marked[str(image.get("file"))] = [
                (b["left"], b["top"], b["left"] + b["width"], b["top"] + b["height"]) for b in boxes
            ]
    return marked


def test_finds_the_faces_that_people_marked(shared_data: Path, detector: FaceDetector) -> None:
    folder = shared_data / "faces" / "detect_samples" / "dlib"
    found = marked = extra = 0
    for file, boxes in marked_by_people(folder).items():
        faces = detector.detect(read_image(folder / file))
        hits = [any(overlap(box, face.box) >= 0.5 for face in faces) for box in boxes]
        found, marked = found + sum(hits), marked + len(boxes)
        extra += len(faces) - sum(hits)
    assert marked > 40
    assert found >= marked - 1
    assert extra <= 1


@pytest.fixture(scope="module")
def portrait(shared_data: Path) -> Tensor:
    return read_image(shared_data / "faces" / "lfw_grey" / "Al_Gore" / "Al_Gore_0001.jpg")


def test_face_coordinates_are_those_of_the_picture(
    portrait: Tensor, detector: FaceDetector
) -> None:
    (face, *_) = detector.detect(portrait)
    left, top, right, bottom = face.box
    eye, other_eye, nose, mouth, other_mouth = face.landmarks
    assert left < eye[0] < nose[0] < other_eye[0] < right
    assert left < mouth[0] < nose[0] < other_mouth[0] < right
    assert top < eye[1] < nose[1] < mouth[1] < bottom
    assert abs((left + right) / 2 - 125) < 15  # these pictures are centred on the face
    assert face.side == max(right - left, bottom - top)
    assert 0.5 < face.confidence <= 1
    with pytest.raises(FrozenInstanceError):
        face.confidence = 1.0  # type: ignore[misc]


def test_a_picture_scaled_down_gives_boxes_of_its_own_size(
    portrait: Tensor, detector: FaceDetector
) -> None:
    face_only = portrait[:, 45:205, 45:205]
    at_limit = face_only.repeat_interleave(4, dim=1).repeat_interleave(4, dim=2)
    above = face_only.repeat_interleave(8, dim=1).repeat_interleave(8, dim=2)
    (face, *_), (again, *_) = detector.detect(at_limit), detector.detect(above)
    assert again.box == pytest.approx([2 * v for v in face.box])
    for point, scaled in zip(face.landmarks, again.landmarks, strict=True):
        assert scaled == pytest.approx([2 * v for v in point])


def test_largest_face_first_and_the_same_every_time(
    portrait: Tensor, detector: FaceDetector
) -> None:
    small = portrait[:, ::2, ::2]
    both = torch.zeros(3, 250, 375, dtype=torch.uint8)
    both[:, :125, :125] = small
    both[:, :, 125:] = portrait
    faces = detector.detect(both)
    assert len(faces) == 2
    assert faces[0].side > 1.5 * faces[1].side
    assert faces[0].box[0] > 125 > faces[1].box[2]
    detector.detect(small)  # another input size in between changes nothing
    assert detector.detect(both) == faces


def test_a_face_is_followed_where_it_moved(detector: FaceDetector) -> None:
    photograph = read_image(EXAMPLE)
    (before,) = detector.detect(photograph)
    moved = torch.roll(photograph, (12, -20), dims=(1, 2))
    (whole,) = detector.detect(moved)
    followed = detector.follow(moved, before)
    assert followed is not None
    assert overlap(followed.box, whole.box) > 0.85
    assert np.abs(np.array(followed.landmarks) - whole.landmarks).max() < 5
    # Far from where it was it is not found, and the frame is to be searched.
    assert detector.follow(torch.roll(photograph, 256, dims=2), before) is None


def pasted(
    canvas: tuple[int, int], *faces: tuple[int, int, int], seed: int = 0
) -> NDArray[np.uint8]:
    """A noisy picture (3, H, W) with square copies of the astronaut's head at (x, y, side)."""
    noise = np.random.default_rng(seed).integers(90, 110, (*canvas, 3), dtype=np.uint8)
    head = read_image(EXAMPLE).numpy()[:, 10:250, 110:350].transpose(1, 2, 0)
    for x, y, side in faces:
        shrinks = cv2.INTER_AREA if side < 240 else cv2.INTER_LINEAR
        noise[y : y + side, x : x + side] = cv2.resize(head, (side, side), interpolation=shrinks)
    return np.ascontiguousarray(noise.transpose(2, 0, 1))


@pytest.fixture
def searched(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Pixels of each picture that the network is given."""
    pixels: list[int] = []
    prepare = module._network_input

    def counted(
        image: NDArray[np.uint8], longest_side: int
    ) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        prepared, shrink = prepare(image, longest_side)
        pixels.append(prepared[0].size)
        return prepared, shrink

    monkeypatch.setattr(module, "_network_input", counted)
    return pixels


@pytest.mark.parametrize("place", [(0, 0, 480), (200, 100, 300), (380, 240, 240), (20, 250, 200)])
def test_the_largest_face_is_found_at_a_fraction_of_the_cost(
    detector: FaceDetector, searched: list[int], place: tuple[int, int, int]
) -> None:
    picture = pasted((480, 640), place)
    (whole, *_) = detector.detect(picture)
    (every,) = searched
    searched.clear()
    found = detector.largest(picture)
    assert found is not None
    assert sum(searched) * 6 < every
    assert overlap(found.box, whole.box) > 0.8
    off = np.array(found.landmarks) - whole.landmarks
    assert np.abs(off).max() < 0.06 * whole.side


def test_the_largest_face_of_the_example_and_of_a_telephone_picture(detector: FaceDetector) -> None:
    photograph = read_image(EXAMPLE)
    (whole,) = detector.detect(photograph)
    found = detector.largest(photograph)
    assert found is not None
    assert overlap(found.box, whole.box) > 0.85
    large = np.repeat(np.repeat(photograph.numpy(), 6, axis=1), 6, axis=2)  # 3072 pixels
    found = detector.largest(large)
    assert found is not None
    assert overlap(found.box, tuple(6 * side for side in whole.box)) > 0.85  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("canvas", "faces"),
    [
        ((480, 640), ((100, 100, 60),)),  # a face of two fifths of the square, 24 pixels
        ((960, 1280), ((900, 500, 90), (100, 600, 100))),  # small ones in a large picture
        ((480, 640), ((10, 20, 280), (330, 100, 300))),  # two of similar size
        ((480, 640), ()),
        ((250, 250), ((20, 20, 200),)),  # a picture that is searched at once
    ],
)
def test_where_the_coarse_search_is_not_sure_the_answer_is_that_of_the_whole_search(
    detector: FaceDetector, canvas: tuple[int, int], faces: tuple[tuple[int, int, int], ...]
) -> None:
    picture = pasted(canvas, *faces)
    every = detector.detect(picture)
    assert len(every) == len(faces)
    assert detector.largest(picture) == (every[0] if every else None)


def test_a_face_that_the_second_search_loses_is_found_by_the_whole_search(
    detector: FaceDetector, monkeypatch: pytest.MonkeyPatch
) -> None:
    picture = pasted((480, 640), (200, 100, 300))
    (whole,) = detector.detect(picture)
    assert detector.largest(picture) != whole
    lost: list[Face] = []
    monkeypatch.setattr(FaceDetector, "_search_around", lambda *_: lost)
    assert detector.largest(picture) == whole


def test_the_largest_of_a_collage_is_that_of_the_whole_search(detector: FaceDetector) -> None:
    rng = np.random.default_rng(1)
    refined = 0
    for seed in range(12):
        places = [
            (int(x + rng.integers(0, 200)), int(rng.integers(0, 200)), int(side))
            for x, side in zip((0, 600), rng.integers(60, 400, 2), strict=True)
        ]
        picture = pasted((600, 1200), *places, seed=seed)
        (whole, *_) = detector.detect(picture)
        found = detector.largest(picture)
        assert found is not None
        assert overlap(found.box, whole.box) > 0.7
        refined += found != whole
    assert refined > 2  # some of them took the short way


def test_a_detector_travels_to_other_processes_and_threads_change_nothing() -> None:
    picture = pasted((480, 640), (200, 100, 300))
    one, two = FaceDetector(threads=1), FaceDetector(threads=2)
    assert pickle.loads(pickle.dumps(one)) == one
    (face,), (other,) = one.detect(picture), two.detect(picture)
    assert other.box == pytest.approx(face.box, abs=1e-3)


def test_box_stays_within_the_picture(portrait: Tensor, detector: FaceDetector) -> None:
    half = portrait[:, 60:190, 125:]
    for face in detector.detect(half):
        left, top, right, bottom = face.box
        assert 0 <= left < right <= half.shape[2]
        assert 0 <= top < bottom <= half.shape[1]


@pytest.mark.parametrize("shape", [(1, 1), (1, 5000), (37, 53)])
def test_no_face_in_an_empty_picture_of_any_shape(
    detector: FaceDetector, shape: tuple[int, int]
) -> None:
    assert detector.detect(torch.full((3, *shape), 127, dtype=torch.uint8)) == ()


@pytest.mark.parametrize(
    "image",
    [
        torch.zeros(3, 8, 8),
        torch.zeros(8, 8, 3, dtype=torch.uint8),
        torch.zeros(1, 3, 8, 8, dtype=torch.uint8),
        torch.zeros(3, 0, 8, dtype=torch.uint8),
    ],
)
def test_wrong_image_is_refused(detector: FaceDetector, image: Tensor) -> None:
    for search in (detector.detect, detector.largest):
        with pytest.raises(InputError, match=r"uint8 \(3, H, W\)"):
            search(image)


def test_decode_inverts_the_encoding() -> None:
    rng = np.random.default_rng(0)
    box = np.array([21.0, 10.0, 52.0, 50.0])  # left, top, right, bottom
    centre, extent = (box[:2] + box[2:]) / 2, box[2:] - box[:2]
    points = rng.uniform(10, 50, (5, 2))
    column, row = (int(c // 4) for c in centre)
    confidence = np.zeros((16, 20), dtype=np.float32)
    confidence[row, column] = 0.75
    scale, offset = np.zeros((2, 2, 16, 20), dtype=np.float32)
    scale[:, row, column] = np.log(extent[::-1] / 4)
    offset[:, row, column] = (centre[::-1] / 4) - (row + 0.5, column + 0.5)
    landmarks = np.zeros((10, 16, 20), dtype=np.float32)
    landmarks[:, row, column] = ((points - box[:2]) / extent)[:, ::-1].reshape(10)
    boxes, found, sure = _decode(confidence, scale, offset, landmarks, 0.5)
    np.testing.assert_allclose(boxes, box[None], atol=1e-4)
    np.testing.assert_allclose(found, points[None], atol=1e-4)
    assert sure.tolist() == [0.75]
    assert len(_decode(confidence, scale, offset, landmarks, 0.8)[0]) == 0


def test_one_box_per_face() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [20, 0, 30, 10.0]])
    assert _best_of_each(boxes, np.array([0.6, 0.9, 0.7]), 0.5) == [1, 2]
    assert _best_of_each(boxes[:0], np.zeros(0), 0.5) == []


def test_shipped_network_is_the_one_described() -> None:
    room = files("sterling.face.data")
    described = json.loads((room / "centerface.json").read_text(encoding="utf-8"))
    weights = (room / "centerface.onnx").read_bytes()
    assert hashlib.sha256(weights).hexdigest() == described["sha256"]
    assert described["sha256"] != described["published_sha256"]
    assert "MIT License" in (room / "centerface.LICENSE").read_text(encoding="utf-8")


def test_the_network_answers_the_same_in_another_runtime() -> None:
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (1, 3, 96, 160)).astype(np.float32)
    other = cv2.dnn.readNetFromONNX(str(MODEL))
    other.setInput(pixels)
    answers = module._network(1).run(module._OUTPUTS, {module._INPUT: pixels})
    for answer, expected in zip(answers, other.forward(module._OUTPUTS), strict=True):
        np.testing.assert_allclose(answer, expected, atol=1e-3)


def test_name_tells_apart_detectors_that_give_other_boxes() -> None:
    assert FaceDetector(longest_side=320).name != FaceDetector(longest_side=640).name
    assert "CenterFace" in FaceDetector().name


@pytest.mark.parametrize("tall", [False, True])
def test_a_face_in_a_panorama_is_found_in_its_place(detector: FaceDetector, tall: bool) -> None:
    photograph = read_image(EXAMPLE)[:, 40:240, 100:340]  # the face, 90 × 120 pixels
    wide = np.full((3, 300, 8000), 90, np.uint8)
    wide[:, 50:250, 6000:6240] = photograph.numpy()
    turned = np.ascontiguousarray(wide)
    if tall:
        turned = np.full((3, 8000, 300), 90, np.uint8)
        turned[:, 6000:6200, 30:270] = photograph.numpy()
    assert "searched at 640 of 8000 pixels" in detector.shrinking(turned)
    (alone,) = detector.detect(photograph)
    (face,) = detector.detect(turned)
    shift = np.array([30, 6000] if tall else [6000, 50])
    box = np.array(face.box) - [*shift, *shift]
    np.testing.assert_allclose(box, alone.box, atol=8)
    assert detector.largest(turned) == face
    assert detector.shrinking(photograph) == ""
