"""A folder of attacks is written whole or not at all."""

from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from sterling.errors import InputError
from sterling.face.data import Manifest
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
