"""Clips of captures: all is drawn once, the content moves, and what is held or the camera sways."""

from collections.abc import Sequence
from itertools import pairwise

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from tests.face.drawn_people import person

from sterling.errors import InputError
from sterling.face.capture.plan import stream
from sterling.face.capture.recaptured import KINDS, Material, Portrait, capture, capture_clip
from sterling.face.capture.recaptured import captures as making
from sterling.face.capture.recaptured import clips as filming
from sterling.face.capture.recaptured.camera import Moment
from sterling.face.capture.sensor import Picture
from sterling.face.capture.sway import Clip, sway

FRAMES = 5


@pytest.fixture(scope="module")
def material() -> Material:
    rng = np.random.default_rng(9)
    rooms = [
        rng.integers(0, 256, (60, 80, 3), dtype=np.uint8).repeat(4, 0).repeat(4, 1) for _ in "abc"
    ]
    return Material(tuple(person(seed) for seed in range(4)), tuple(rooms))


def film(seed: int) -> list[Portrait]:
    """A still person before a bar that walks."""
    one = person(seed)
    shown = []
    for number in range(FRAMES):
        pixels = one.pixels.copy()
        pixels[:, 30 * number : 30 * number + 20] = (250, 240, 20)
        shown.append(Portrait(pixels, one.box))
    return shown


def taken(
    material: Material, frames: Sequence[Portrait], species: str, seed: int
) -> list[NDArray[np.uint8]]:
    return capture_clip(material, frames, species, 64, stream(seed, "clip"))


def gap(first: NDArray[np.uint8], second: NDArray[np.uint8]) -> float:
    return float(np.abs(first.astype(np.float64) - second).mean())


@pytest.mark.parametrize("species", ["bona_fide", *KINDS])
def test_one_frame_is_the_photograph(material: Material, species: str) -> None:
    for seed in range(3):
        (only,) = taken(material, film(1)[:1], species, seed)
        photograph = capture(material, film(1)[0], species, 64, stream(seed, "clip"))
        assert np.array_equal(only, photograph)


@pytest.mark.parametrize("species", ["bona_fide", "phone", "tablet", "monitor", "television"])
def test_a_screen_shows_each_frame_in_its_place(material: Material, species: str) -> None:
    frames = film(1)
    for seed in range(3):
        clip = taken(material, frames, species, seed)
        for number, shown in enumerate(frames):
            still = taken(material, [shown] * FRAMES, species, seed)
            assert np.array_equal(clip[number], still[number])
    stills = [taken(material, [shown] * FRAMES, species, 0) for shown in frames]
    # Only where a bar is in sight can an exchange of two frames be seen.
    seen = [not np.array_equal(clip[2], still[2]) for clip in stills for still in stills]
    assert sum(seen) >= 12


@pytest.mark.parametrize("species", sorted(name for name, kind in KINDS.items() if not kind.screen))
def test_paper_shows_the_middle_frame(material: Material, species: str) -> None:
    frames = film(2)
    clip = taken(material, frames, species, 4)
    still = taken(material, [frames[FRAMES // 2]] * FRAMES, species, 4)
    assert all(np.array_equal(one, other) for one, other in zip(clip, still, strict=True))


@pytest.mark.parametrize("species", ["bona_fide", *KINDS])
def test_frames_share_what_two_clips_do_not(material: Material, species: str) -> None:
    clips = [taken(material, film(1), species, seed) for seed in range(8)]
    within = [gap(one, other) for clip in clips for one, other in pairwise(clip)]
    between = [gap(clips[i][2], clips[j][2]) for i in range(8) for j in range(i)]
    assert np.mean(within) < 0.4 * np.mean(between)
    # Noise is new in each frame, and the same seed gives the same bits.
    assert all(gap(clip[0], clip[1]) > 0 for clip in clips)
    again = taken(material, film(1), species, 0)
    assert all(np.array_equal(one, other) for one, other in zip(clips[0], again, strict=True))


def at_rest(material: Material, species: str, seed: int, monkeypatch: pytest.MonkeyPatch) -> float:
    """Share of a scene that stands still while a still picture is shown, before the camera."""
    scenes: list[Picture] = []

    def keep(scene: Picture, size: int, *_: object) -> NDArray[np.uint8]:
        scenes.append(scene)
        return np.zeros((size, size, 3), np.uint8)

    monkeypatch.setattr(making, "take", keep)
    taken(material, film(3)[:1] * FRAMES, species, seed)
    return float((np.abs(scenes[0] - scenes[2]).max(-1) < 1e-4).mean())


def test_hands_sway_before_a_room_at_rest_and_cameras_sway_all(
    material: Material, monkeypatch: pytest.MonkeyPatch
) -> None:
    shares = {
        species: [at_rest(material, species, seed, monkeypatch) for seed in range(30)]
        for species in ("phone", "print", "monitor", "television", "paper_mask", "bona_fide")
    }
    # Not in all: some instruments fill the crop.
    for species in ("phone", "print"):
        assert np.mean(np.array(shares[species]) > 0.2) > 0.3
        assert max(shares[species]) < 0.9  # and the instrument does move
    for species in ("monitor", "television", "paper_mask", "bona_fide"):
        assert np.mean(shares[species]) < 0.05


def test_a_swaying_camera_blurs_nothing() -> None:
    rng = np.random.default_rng(5)
    scene = cv2.GaussianBlur(rng.random((160, 160, 3), dtype=np.float32), (0, 0), 1.0)

    def detail(picture: Picture) -> float:
        small = cv2.resize(picture, (128, 128), interpolation=cv2.INTER_AREA)
        return float(cv2.Laplacian(small, cv2.CV_32F)[8:-8, 8:-8].std())

    turns, drifts = sway(Clip(13), rng)
    moments = [
        Moment(filming._plane(turn, drift), rng) for turn, drift in zip(turns, drifts, strict=True)
    ]
    swayed = [detail(moment.swayed(scene)) / detail(scene) for moment in moments]
    soft = [
        detail(np.asarray(cv2.warpPerspective(scene, one.pixels(160), (160, 160)))) / detail(scene)
        for one in moments
    ]
    assert swayed[6] == pytest.approx(1, abs=1e-4)  # at rest
    assert min(swayed) > 0.95 > min(soft)


def test_a_plane_moves_by_the_drift_and_turns_by_the_roll() -> None:
    moved = Moment(
        filming._plane(np.array([0.0, 0.0, 90.0]), np.array([0.2, -0.4])), np.random.default_rng()
    )
    points = np.array([[[50.0, 50.0], [60.0, 50.0]]])
    centre, right = cv2.perspectiveTransform(points, moved.pixels(100))[0]
    assert centre == pytest.approx([60, 30], abs=1e-4)
    assert right == pytest.approx([60, 40], abs=1e-4)


def test_frames_that_differ_in_size_or_none_are_refused(material: Material) -> None:
    for frames in ([], [person(1), person(1, width=200)]):
        with pytest.raises(InputError, match="give one at least, all of one size"):
            taken(material, frames, "phone", 0)
