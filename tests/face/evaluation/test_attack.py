"""A folder of attacks is written whole or not at all."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.films import film
from typer.testing import CliRunner

from sterling.cli import app
from sterling.errors import InputError, NothingMeasuredError
from sterling.face.data import CropSpec, Manifest, load_clips, load_faces, read_folder, visit_clips
from sterling.face.evaluation import attack

ASTRONAUT = Path(__file__).resolve().parents[3] / "examples" / "photographs" / "astronaut.jpg"


def photographs() -> Manifest:
    return Manifest.from_columns(
        {
            "item": ["a"],
            "path": [str(ASTRONAUT)],
            "label": ["bona_fide"],
            "species": ["bona_fide"],
            "subject": ["eileen"],
        }
    )


def test_what_is_written_can_be_read_where_it_is(tmp_path: Path) -> None:
    out = tmp_path / "new" / "attacks"
    made = attack.make_attacks(photographs(), ["print"], out, size=32)
    assert all(Path(path).is_file() for path in made.manifest.column("path"))
    assert sorted(path.name for path in out.iterdir()) == ["live", "manifest.csv", "spoof"]
    assert [path.name for path in out.parent.iterdir()] == ["attacks"]


def test_everybody_is_captured_bona_fide_and_on_each_instrument(tmp_path: Path) -> None:
    first, second, other = (
        attack.make_attacks(
            photographs(), ["print", "monitor"], tmp_path / name, size=64, crop_scale=2, seed=seed
        )
        for name, seed in (("a", 1), ("b", 1), ("c", 2))
    )
    assert first.manifest.column("species").tolist() == ["bona_fide", "print", "monitor"]
    assert first.manifest.column("subject").tolist() == ["eileen"] * 3

    def pictures(folder: attack.AttackFolder) -> list[bytes]:
        return [Path(path).read_bytes() for path in folder.manifest.column("path")]

    assert pictures(first) == pictures(second)
    assert pictures(first) != pictures(other)
    assert len({*pictures(first)}) == 3
    with Image.open(first.manifest.column("path")[0]) as picture:
        assert (picture.size, picture.mode) == ((64, 64), "RGB")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"size": 31}, "size: 31 pixels"),
        ({"crop_scale": 1.0}, "crop scale is 1"),
        ({"crop_scale": float("nan")}, "crop scale is nan"),
    ],
)
def test_sizes_out_of_range_are_refused(
    tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        attack.make_attacks(photographs(), ["print"], tmp_path / "attacks", **given)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []

    def fill_up(path: Path, content: bytes) -> None:
        if written:
            raise OSError(28, "No space left on device")
        written.append(path)
        path.parent.mkdir(parents=True)
        path.write_bytes(content)

    monkeypatch.setattr(attack, "write_atomically", fill_up)
    with pytest.raises(OSError, match="No space left"):
        attack.make_attacks(photographs(), ["print"], tmp_path / "attacks", size=32)
    assert list(tmp_path.iterdir()) == []


def walk(path: Path, count: int) -> Path:
    """A video in which a person walks by four pixels a frame."""
    with Image.open(ASTRONAUT) as picture:
        pixels = np.asarray(picture.convert("RGB").resize((256, 256)))[..., ::-1]
    return film(path, [np.roll(pixels, 4 * number, 1) for number in range(count)])


def test_clips_become_clips_that_detectors_read(tmp_path: Path) -> None:
    walk(tmp_path / "own" / "live" / "eileen" / "long.avi", 15)
    walk(tmp_path / "own" / "live" / "eileen" / "short.avi", 4)
    with Image.open(ASTRONAUT) as picture:
        picture.save(tmp_path / "own" / "live" / "eileen" / "photograph.png")
    own = read_folder(tmp_path / "own")
    made, again = (
        attack.make_attacks(own, ["phone", "print"], tmp_path / name, size=64) for name in "ab"
    )
    assert made.non_responses == ()
    manifest = made.manifest
    frames = {name: list(manifest.column("video")).count(name) for name in manifest.column("video")}
    assert sorted(frames.values()) == [3, 4, 4, 4, 13, 13, 13]  # three are the photograph's
    for video in set(frames) - {""}:
        rows = manifest.where(video=video)
        assert rows.column("frame").tolist() == list(range(frames[video]))
        assert {Path(path).parent.parent.name for path in rows.column("path")} == {"eileen"}
    for path, other in zip(manifest.column("path"), again.manifest.column("path"), strict=True):
        assert Path(path).read_bytes() == Path(other).read_bytes()

    loaded = load_clips(manifest, CropSpec(32), frames=5, cropped=True)
    assert loaded.faces.images.shape == (3, 5, 3, 32, 32)
    assert sorted(loaded.faces.manifest.column("species")) == ["bona_fide", "phone", "print"]
    assert {entry.reason for entry in loaded.non_responses} == {"too_short"}
    assert len(load_faces(manifest, CropSpec(32), cropped=True).faces.images) == len(manifest)


def test_a_video_cut_into_pictures_is_a_clip_in_the_order_of_its_frames(tmp_path: Path) -> None:
    with Image.open(ASTRONAUT) as picture:
        small = picture.convert("RGB").resize((256, 256))
    order, rows = [2, 0, 1], []
    for number in order:
        path = tmp_path / f"{number}.png"
        small.rotate(6 * number).save(path)
        rows.append({"item": str(number), "path": str(path), "label": "bona_fide"})
        rows[-1] |= {"species": "bona_fide", "subject": "eileen", "video": "turn"}
    cut = [row | {"frame": number} for row, number in zip(rows, order, strict=True)]
    backwards = [row | {"frame": 2 - number} for row, number in zip(rows, order, strict=True)]
    first, second = (
        attack.make_attacks(Manifest.from_rows(some), ["tablet"], tmp_path / name, size=64)
        for name, some in (("a", cut), ("b", backwards))
    )
    # The middle frame is the same, the others change places.
    for species in ("bona_fide", "tablet"):
        same = [
            Path(one).read_bytes() == Path(other).read_bytes()
            for one, other in zip(
                first.manifest.where(species=species).column("path"),
                second.manifest.where(species=species).column("path"),
                strict=True,
            )
        ]
        assert same == [False, True, False]


def test_a_clip_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "own" / "live" / "bob" / "broken.mp4"
    broken.parent.mkdir(parents=True)
    broken.write_bytes(b"no video")
    with pytest.raises(
        NothingMeasuredError, match=r"no face in any of 1 \(1 unreadable\); .*broken"
    ):
        attack.make_attacks(read_folder(tmp_path / "own"), ["phone"], tmp_path / "out", size=32)
    assert not (tmp_path / "out").exists()
    walk(tmp_path / "own" / "live" / "eileen" / "a.avi", 3)
    given = ["--species", "phone", "--size", "32"]
    result = CliRunner().invoke(
        app,
        ["face", "attack", str(tmp_path / "own"), "--out", str(tmp_path / "out"), *given],
    )
    assert result.exit_code == 0, result.output
    assert ": 1 bona fide captures, 1 SIMULATED attacks" in result.stdout
    assert "not used: 1 unreadable" in result.stdout
    (line,) = [line for line in result.stderr.splitlines() if "broken.mp4" in line]
    assert line == f"{broken}: no video that can be read; copy it again or convert it to mp4"


def test_frames_of_one_video_have_one_size(tmp_path: Path) -> None:
    rows = []
    with Image.open(ASTRONAUT) as picture:
        for number, side in enumerate((256, 300)):
            path = tmp_path / f"{number}.png"
            picture.resize((side, side)).save(path)
            rows.append({"item": str(number), "path": str(path), "label": "bona_fide"})
            rows[-1] |= {"species": "bona_fide", "video": "v"}
    manifest = Manifest.from_rows([row | {"frame": n} for n, row in enumerate(rows)])
    missing = visit_clips(manifest, 2, lambda *_: None)
    assert [entry.reason for entry in missing] == ["unreadable"]
    assert "frames differ in size" in missing[0].detail
