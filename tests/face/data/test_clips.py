"""Clips of videos, and of videos that were cut up into pictures."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.films import film, grey

from sterling.errors import InputError, NothingMeasuredError
from sterling.face.data import (
    CropSpec,
    FaceDetector,
    Manifest,
    clip_of_video,
    load_clips,
    read_folder,
)

SPEC = CropSpec(size=16)
GREYS = [grey(10 * number, 64) for number in range(21)]


def numbers(clip: torch.Tensor) -> list[int]:
    return [round(float(frame.float().mean()) / 10) for frame in clip]


def test_a_clip_lies_in_the_middle_at_its_interval(tmp_path: Path) -> None:
    folder = tmp_path / "live" / "anna"
    film(folder / "a.avi", GREYS[:21])
    film(tmp_path / "spoof" / "replay" / "anna" / "b.avi", GREYS[:9])
    loaded = load_clips(read_folder(tmp_path), SPEC, frames=5, cropped=True)
    assert loaded.faces.images.shape == (2, 5, 3, 16, 16)
    assert numbers(loaded.faces.images[0]) == [4, 7, 10, 13, 16]
    assert numbers(loaded.faces.images[1]) == [2, 3, 4, 5, 6]  # too short for every third
    assert loaded.faces.manifest.column("species").tolist() == ["bona_fide", "replay"]


def test_a_video_that_is_too_short_is_named(tmp_path: Path) -> None:
    film(tmp_path / "live" / "anna" / "a.avi", GREYS[:10])
    film(tmp_path / "live" / "anna" / "b.avi", GREYS[:3])
    loaded = load_clips(read_folder(tmp_path), SPEC, frames=5, cropped=True)
    (missing,) = loaded.non_responses
    assert missing.reason == "too_short"
    assert "3 frames, but a clip has 5" in missing.detail
    with pytest.raises(NothingMeasuredError, match="a clip has 12"):
        load_clips(read_folder(tmp_path), SPEC, frames=12, cropped=True)


def test_rows_of_a_video_cut_into_pictures_make_a_clip(tmp_path: Path) -> None:
    order = [3, 0, 4, 1, 2]  # rows need not be in the order of frames
    for number in order:
        Image.new("RGB", (16, 16), (10 * number,) * 3).save(tmp_path / f"{number}.png")
    manifest = Manifest.from_columns(
        {
            "item": [f"i{k}" for k in order],
            "path": [str(tmp_path / f"{k}.png") for k in order],
            "label": ["bona_fide"] * 5,
            "species": ["bona_fide"] * 5,
            "video": ["v"] * 5,
            "frame": order,
        }
    )
    clip = load_clips(manifest, SPEC, frames=3, cropped=True).faces.images[0]
    assert numbers(clip) == [1, 2, 3]


def test_pictures_and_other_modalities_are_no_clips(tmp_path: Path) -> None:
    film(tmp_path / "live" / "anna" / "a.avi", GREYS[:10])
    manifest = read_folder(tmp_path)
    with pytest.raises(InputError, match="only colour videos"):
        load_clips(manifest, SPEC, frames=5, modalities=("rgb", "depth"), cropped=True)
    pictures = Manifest.from_columns(
        {"item": ["i"], "label": ["bona_fide"], "species": ["bona_fide"], "path": ["a.png"]}
    )
    with pytest.raises(InputError, match="judges clips of 5 frames; give videos"):
        load_clips(pictures, SPEC, frames=5, cropped=True)


def test_the_face_is_cut_out_at_one_place(tmp_path: Path, shared_data: Path) -> None:
    source = shared_data / "faces" / "lfw_grey" / "Al_Gore" / "Al_Gore_0001.jpg"
    portrait = np.asarray(Image.open(source).convert("RGB"))
    side = portrait.shape[0]
    frames = [grey(0, 320) for _ in range(13)]
    for number, frame in enumerate(frames):  # the face walks to the right, a pixel a frame
        frame[30 : 30 + side, number : number + side] = portrait[..., ::-1]
    walk = film(tmp_path / "walk.avi", frames)
    clip = clip_of_video(walk, CropSpec(64), 5, detector=FaceDetector())
    assert isinstance(clip, torch.Tensor)
    steps = (clip[1:].float() - clip[:-1].float()).abs().mean(dim=(1, 2, 3))
    assert bool((steps > 1).all())  # cut anew in every frame, the face would stand still
    with pytest.raises(InputError, match="no such video"):
        clip_of_video(tmp_path / "gone.avi", SPEC, 5, detector=None)
