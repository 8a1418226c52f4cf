"""Frames are the ones asked for, in RGB; whatever cannot be read is one clear line."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from tests.films import film

from sterling.errors import InputError
from sterling.face.data import VIDEO_SUFFIXES, read_frames
from sterling.face.data.video import read_numbered_frames, spread_frames

STEP = 10  # grey levels from one frame to the next


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    frames = np.zeros((20, 48, 64, 3), dtype=np.uint8)
    frames[..., 2] = STEP * np.arange(20)[:, None, None]  # red, in OpenCV's order of colours
    return film(tmp_path_factory.mktemp("video") / "v.avi", frames, 10)


@pytest.mark.parametrize(
    ("count", "numbers"),
    [(1, (10,)), (2, (5, 15)), (4, (2, 7, 12, 17)), (20, tuple(range(20)))],
)
def test_frames_are_spread_evenly(video: Path, count: int, numbers: tuple[int, ...]) -> None:
    frames = read_frames(video, count=count)
    assert frames.numbers == numbers
    assert frames.images.shape == (count, 3, 48, 64)
    assert frames.images.dtype == torch.uint8
    red, green, blue = frames.images.float().mean((2, 3)).T
    expected = STEP * torch.tensor(numbers, dtype=torch.float32)
    assert (red - expected).abs().max() < 4
    assert max(green.max(), blue.max()) < 4


def refusal(source: Path | int, count: int = 1) -> str:
    with pytest.raises(InputError) as caught:
        read_frames(source, count=count)
    assert "\n" not in str(caught.value)
    assert str(source) in str(caught.value)
    return str(caught.value)


def test_more_frames_than_there_are(video: Path) -> None:
    assert "20 frames can be read, 21 were asked for" in refusal(video, 21)


def test_no_frames_asked_for(video: Path) -> None:
    with pytest.raises(InputError, match="count is 0"):
        read_frames(video, count=0)


def test_files_that_are_no_videos(tmp_path: Path, video: Path) -> None:
    assert "no such video" in refusal(tmp_path / "none.mp4")
    assert "no such video" in refusal(tmp_path)
    garbage = tmp_path / "garbage.mp4"
    garbage.write_bytes(bytes(range(256)) * 20)
    assert "convert it" in refusal(garbage)
    picture = tmp_path / "p.jpg"
    picture.write_bytes(b"")
    assert "mp4" in refusal(picture)
    cut = tmp_path / "cut.avi"
    cut.write_bytes(video.read_bytes()[:1000])
    assert "convert it" in refusal(cut) or "0 frames can be read" in refusal(cut)
    assert ".mp4" in VIDEO_SUFFIXES


class FakeCapture:
    """Stands for a stream that promises one number of frames and delivers another."""

    promised, delivered, released = 0.0, 0, 0

    def __init__(self, _source: str | int) -> None:
        self.position = -1

    def isOpened(self) -> bool:  # noqa: N802
        return self.delivered >= 0

    def get(self, _property: int) -> float:
        return self.promised

    def grab(self) -> bool:
        self.position += 1
        return self.position < self.delivered

    def retrieve(self) -> tuple[bool, np.ndarray]:
        return True, np.full((4, 4, 3), self.position, dtype=np.uint8)

    def release(self) -> None:
        type(self).released += 1


@pytest.fixture
def fake(monkeypatch: pytest.MonkeyPatch) -> type[FakeCapture]:
    class Fresh(FakeCapture):
        pass

    monkeypatch.setattr(cv2, "VideoCapture", Fresh)
    return Fresh


@pytest.mark.parametrize("promised", [-1.0, 0.0, 3.0, 100.0])
def test_frames_that_are_there_count_not_those_promised(
    video: Path, fake: type[FakeCapture], promised: float
) -> None:
    fake.promised, fake.delivered = promised, 12
    frames = read_frames(video, count=4)
    assert frames.numbers == (1, 4, 7, 10)
    assert frames.images[:, 0, 0, 0].tolist() == [1, 4, 7, 10]
    assert fake.released == 3


def test_camera_gives_its_next_frames(fake: type[FakeCapture]) -> None:
    fake.delivered = 5
    frames = read_frames(0, count=3)
    assert frames.numbers == (0, 1, 2)
    assert frames.images[:, 0, 0, 0].tolist() == [0, 1, 2]
    assert "stopped after 5 of 6" in refusal(1, 6)


def test_camera_that_does_not_answer(fake: type[FakeCapture]) -> None:
    fake.delivered = -1
    assert refusal(7).startswith("camera 7: does not answer")
    assert fake.released == 1


def test_numbered_frames_are_those_of_one_pass(video: Path) -> None:
    spread = read_frames(video, count=4)
    found = read_numbered_frames(video, [17, 2, 99, 7, 2])
    assert sorted(found) == [2, 7, 17]
    for number, image in zip(spread.numbers, spread.images, strict=True):
        assert number == 12 or torch.equal(found[number], image)


def test_a_short_video_gives_all_its_frames(video: Path) -> None:
    assert spread_frames(video, count=2) == (5, 15)
    assert spread_frames(video, count=50) == tuple(range(20))
