"""A folder of attacks is written whole or not at all."""

from pathlib import Path

import pytest

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
