"""From photographs to vectors, or to the reason why there is none."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from sterling.errors import InputError
from sterling.face.data import Face, FaceDetector
from sterling.face.recognition import CHIP_TEMPLATE, Embedding, embed, embed_chips
from sterling.face.recognition.embedding import _seen
from sterling.pictures import read_pixels

PHOTOGRAPH = Path(__file__).parents[3] / "examples" / "photographs" / "astronaut.jpg"


@pytest.fixture(scope="module")
def pixels() -> NDArray[np.uint8]:
    return read_pixels(PHOTOGRAPH)


@pytest.fixture(scope="module")
def astronaut() -> Embedding:
    return embed(PHOTOGRAPH)[0]


def test_a_photograph_has_a_vector_a_box_and_a_quality(astronaut: Embedding) -> None:
    assert astronaut.vector is not None
    assert astronaut.vector.shape == (128,)
    assert (astronaut.reason, astronaut.note, astronaut.faces) == ("", "", 1)
    assert astronaut.face is not None
    left, top, right, bottom = astronaut.face.box
    assert 150 < left < right < 290
    assert 40 < top < bottom < 210
    assert astronaut.quality is not None
    assert abs(astronaut.quality.turn) < 0.2
    assert astronaut.distance(astronaut) == 0


def test_files_of_every_kind_show_the_same_person(tmp_path: Path, astronaut: Embedding) -> None:
    image = Image.open(PHOTOGRAPH)
    image.convert("L").save(tmp_path / "grey.png")
    image.convert("RGBA").save(tmp_path / "alpha.png")
    image.convert("P").save(tmp_path / "palette.gif")
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned a quarter to the right
    image.rotate(90, expand=True).save(tmp_path / "turned.jpg", exif=exif)
    image.resize((1536, 1536)).save(tmp_path / "large.webp")
    files = sorted(tmp_path.iterdir())
    for one in embed(files):
        assert one.vector is not None, one
        assert one.distance(astronaut) < 0.35, one.source


def test_pixels_and_files_are_answered_alike_and_in_order(pixels: NDArray[np.uint8]) -> None:
    blank = np.full((3, 120, 120), 90, np.uint8)
    answers = embed([blank, PHOTOGRAPH, pixels, PHOTOGRAPH, str(PHOTOGRAPH)])
    assert [one.reason for one in answers] == ["no_face", "", "", "", ""]
    assert answers[0].source == "picture 1"
    assert {one.distance(answers[1]) for one in answers[1:]} == {0.0}


def reason(picture: NDArray[np.uint8], *, largest: bool = False) -> str:
    answer = embed(np.ascontiguousarray(picture), largest=largest)[0]
    assert (answer.vector is None) == bool(answer.reason) == bool(answer.note)
    return answer.reason


def test_each_refusal_has_its_reason(pixels: NDArray[np.uint8]) -> None:
    two = np.concatenate([pixels, pixels[:, :, 40:]], axis=2)
    assert reason(two) == "several_faces"
    assert reason(two, largest=True) == ""
    assert reason(pixels[:, 220:, :]) == "no_face"
    small = np.stack([cv2.resize(one, None, fx=0.3, fy=0.3) for one in pixels])
    assert reason(small) == "too_small"
    assert reason(np.stack([cv2.GaussianBlur(one, (0, 0), 4) for one in pixels])) == "blurred"
    assert reason((pixels * 0.1).astype(np.uint8)) == "dark"
    assert reason((190 + pixels * 0.25).astype(np.uint8)) == "overexposed"
    assert reason(pixels[:, 60:, 240:]) == "cut_off"


def test_a_head_turned_away_is_a_profile(
    pixels: NDArray[np.uint8], astronaut: Embedding, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert astronaut.face is not None
    points = np.array(astronaut.face.landmarks)
    points[2] += 1.1 * (points[1] - points[0])  # the nose beyond the eye
    turned = replace(astronaut.face, landmarks=tuple((float(x), float(y)) for x, y in points))

    def detect(_self: FaceDetector, _image: object) -> tuple[Face, ...]:
        return (turned,)

    monkeypatch.setattr(FaceDetector, "detect", detect)
    answer, chip = _seen("a.jpg", pixels, FaceDetector(), largest=False)
    assert answer.reason == "profile"
    assert chip is None
    assert "turned by about" in answer.note


def test_files_that_are_none_do_not_end_the_others(tmp_path: Path) -> None:
    (tmp_path / "text.jpg").write_text("no picture")
    (tmp_path / "empty.png").write_bytes(b"")
    answers = embed([tmp_path / "text.jpg", tmp_path / "empty.png", PHOTOGRAPH])
    assert [one.reason for one in answers] == ["unreadable", "unreadable", ""]
    assert "not a picture that can be read" in answers[0].note
    with pytest.raises(InputError, match=r"text\.jpg: unreadable: not a picture"):
        answers[2].distance(answers[0])


def test_bad_input_is_named(tmp_path: Path, pixels: NDArray[np.uint8]) -> None:
    with pytest.raises(InputError, match="no such file"):
        embed([PHOTOGRAPH, tmp_path / "none.jpg"])
    with pytest.raises(InputError, match=r"give a file, or uint8 \(3, H, W\)"):
        embed([pixels.transpose(1, 2, 0)])
    with pytest.raises(InputError, match="as face_chip cuts them"):
        embed_chips(np.zeros((2, 3, 112, 112), np.uint8))
    assert embed([]) == []
    assert embed_chips(np.zeros((0, 3, 150, 150), np.uint8)).shape == (0, 128)
    assert CHIP_TEMPLATE.shape == (5, 2)
