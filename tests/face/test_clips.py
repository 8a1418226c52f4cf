"""Clips from a folder to figures: one row per frame, one score and one response per video."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.films import film

from sterling.face.data import CropSpec, load_faces, read_folder
from sterling.face.evaluation.evaluate import scores_of

ASTRONAUT = Path(__file__).resolve().parents[2] / "examples" / "photographs" / "astronaut.jpg"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A living face that darkens over six frames, a clip of nothing, a photograph, a torn file."""
    folder = tmp_path_factory.mktemp("clips")
    face = np.asarray(Image.open(ASTRONAUT).convert("RGB").resize((256, 256)))
    for name, picture in (("live/s1_a.avi", face), ("spoof/replay/s1_b.avi", 0 * face)):
        film(folder / name, (picture[..., ::-1] // (1 + k) for k in range(6)), 10)
    Image.open(ASTRONAUT).save(folder / "live" / "s2_c.png")
    (folder / "spoof" / "replay" / "s2_d.mp4").write_bytes(b"torn")
    return folder


def test_frames_are_rows_and_a_torn_video_is_named(folder: Path) -> None:
    manifest = read_folder(folder, frames=3)
    table = manifest.table
    assert table["frame"].to_list() == [1, 3, 5, 0, 1, 3, 5, 0]
    assert table["species"].to_list() == ["bona_fide"] * 4 + ["replay"] * 4
    assert len(set(manifest.presentation.tolist())) == 4
    loaded = load_faces(manifest, CropSpec(size=64))
    brightness = loaded.faces.images.float().mean((1, 2, 3)).tolist()
    assert brightness[0] > 1.3 * brightness[1] > 1.5 * brightness[2]  # halves, fourth, sixth parts
    reasons = [entry.reason for entry in loaded.non_responses]
    assert reasons == ["no_face"] * 3 + ["unreadable"]
    assert "s2_d.mp4: no video that can be read" in loaded.non_responses[-1].detail


def test_the_frames_of_a_video_are_one_presentation(folder: Path) -> None:
    manifest = read_folder(folder, frames=3)
    scores = scores_of(np.array([1.0, 2.0, 6.0, 0.5, 0.1, 0.2, 0.6, 0.4]), manifest)
    assert sorted(scores.values.tolist()) == pytest.approx([0.3, 0.4, 0.5, 3.0])
    assert scores.label.sum() == 2
