"""The recipe of the shipped detector, at a size at which it is of no use but to be tested."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import tools.build_compact as recipe
import torch
from PIL import Image
from tools.build_compact import SMOKE, Photograph, build, cut_photographs

from sterling.errors import InputError
from sterling.face.capture import Scale
from sterling.face.pad import shipped_detector
from sterling.face.pad.detector.pretrained import RECORD

pytest.importorskip("onnx")
ASTRONAUT = Path(__file__).resolve().parents[3] / "examples" / "photographs" / "astronaut.jpg"


@pytest.fixture
def photographs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "photographs"
    folder.mkdir()
    (folder / "face.jpg").write_bytes(ASTRONAUT.read_bytes())
    rows = np.random.default_rng(0).integers(0, 256, (150, 170, 3), dtype=np.uint8)
    Image.fromarray(rows).save(folder / "noise.png")
    listed = tuple(
        Photograph(
            name,
            hashlib.sha256((folder / name).read_bytes()).hexdigest(),
            "made here, public domain",
            face=name == "face.jpg",
        )
        for name in ("face.jpg", "noise.png")
    )
    monkeypatch.setattr(recipe, "PHOTOGRAPHS", listed)
    return folder


@pytest.mark.no_cover
@pytest.mark.smoke
def test_the_recipe_writes_what_is_shipped(photographs: Path, tmp_path: Path) -> None:
    small = replace(
        SMOKE,
        default=Scale((2, 1, 2), (8, 2, 8)),
        low_quality=Scale((1, 1, 2), (2, 2, 4)),
        dev=Scale((1, 1, 2), (2, 2, 24)),
        test=Scale((1, 1, 2), (2, 2, 24)),
    )
    out, work = tmp_path / "out", tmp_path / "work"
    record = build(small, photographs, out, work)
    assert json.loads((out / "compact.json").read_text()) == json.loads(json.dumps(record))
    judge = shipped_detector(out / "compact.onnx", out / "compact.json")
    assert judge.threshold is not None
    assert record["card"]["threshold"]["value"] == judge.threshold.value
    assert record["trained on"]["items"] == judge.provenance.items
    recorded = "measured on recorded photographs"  # is added by tools/measure_compact.py
    shipped = json.loads(RECORD.read_text("utf-8"))
    assert shipped.keys() - {recorded} == record.keys()


def test_windows_lie_around_the_face_and_repeat(photographs: Path) -> None:
    first, second = (cut_photographs(photographs, (6, 2), np.random.default_rng(3)) for _ in "ab")
    assert first.shape == (8, 3, 128, 128)
    assert torch.equal(first, second)


def test_other_photographs_are_refused(photographs: Path) -> None:
    (photographs / "noise.png").write_bytes(b"other")
    with pytest.raises(InputError, match=r"noise\.png: missing, or another one"):
        cut_photographs(photographs, (1, 1), np.random.default_rng(0))
