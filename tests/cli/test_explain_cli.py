"""`sterling explain neurons`: a network, pictures and an encoder of one's own."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from tests.explain.neurons.clip import save_clip
from torch import nn

from sterling.cli import main


def network() -> nn.Module:
    """A network of three channels and a dead one."""
    torch.manual_seed(0)
    first = nn.Conv2d(3, 4, 3, padding=1)
    nn.init.zeros_(first.weight[3])
    return nn.Sequential(first, nn.ReLU(), nn.Conv2d(4, 2, 1))


def broken() -> nn.Module:
    raise RuntimeError("no such\nfile")


NOT_A_FACTORY = 3
MODEL = f"{__name__}:network"


@pytest.fixture
def workplace(tmp_path: Path) -> Path:
    save_clip(tmp_path / "clip")
    rng = np.random.default_rng(0)
    (tmp_path / "pictures" / "more").mkdir(parents=True)
    for index in range(14):
        colour = np.eye(3)[index % 3] * 200 + rng.integers(0, 50, (20, 24, 3))
        folder = tmp_path / "pictures" / ("more" if index % 2 else "")
        Image.fromarray(colour.astype(np.uint8)).save(folder / f"{index}.png")
    Image.fromarray(rng.integers(0, 255, (20, 20), dtype=np.uint8)).save(
        tmp_path / "pictures/grey.png"
    )
    (tmp_path / "pictures" / "broken.jpg").write_text("no picture")
    (tmp_path / "words.txt").write_text("red\ngreen\nblue\ncircle\n")
    save_file(network().state_dict(), tmp_path / "weights.safetensors")
    return tmp_path


def run(folder: Path, *more: str, model: str = MODEL) -> int:
    given = {
        "--images": folder / "pictures",
        "--layer": "1",
        "--encoder": folder / "clip",
        "--phrases": folder / "words.txt",
        "--size": 32,
        "--top": 3,
        "--draws": 200,
        "--out": folder / "out",
    }
    options = {**given, **dict(zip(more[::2], more[1::2], strict=True))}
    words = [str(word) for pair in options.items() for word in pair]
    with pytest.raises(SystemExit) as ended:
        main(["explain", "neurons", model, *words])
    return int(ended.value.code or 0)


def test_units_are_explained_and_reported(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(workplace, "--weights", str(workplace / "weights.safetensors")) == 0
    told = capsys.readouterr()
    assert "of 4 units have a name" in told.out
    assert "1 are dead" in told.out
    assert "broken.jpg" in told.err
    evidence = json.loads((workplace / "out" / "evidence.json").read_text())
    rows = evidence["tables"][0]["rows"]
    assert [row[0] for row in rows] == [0, 1, 2, 3]
    assert rows[3][1] == "dead"
    assert evidence["not_scored"] == 1
    assert (workplace / "out" / "report.html").stat().st_size > 10_000
    assert len(list((workplace / "out" / "patches").glob("*.png"))) == 3


@pytest.mark.parametrize(
    ("options", "model", "message"),
    [
        (["--layer", "conv"], MODEL, "layer"),
        (["--units", "2-9"], MODEL, "give numbers from 0 to 3"),
        (["--units", "2;9"], MODEL, "give numbers and ranges"),
        (["--mean", "1,2"], MODEL, "give three numbers"),
        (["--top", "50"], MODEL, "give 1 to the 15 pictures"),
        ([], "no.such:thing", "no module no.such"),
        ([], f"{__name__}:netwrok", "network"),
        ([], f"{__name__}:broken", "calling it failed: RuntimeError: no such file"),
        ([], __name__, "give a module and a name"),
        (["--images", "nowhere"], MODEL, "no such folder"),
    ],
)
def test_bad_input_is_one_line(
    workplace: Path,
    capsys: pytest.CaptureFixture[str],
    options: list[str],
    model: str,
    message: str,
) -> None:
    assert run(workplace, *options, model=model) == 2
    error = capsys.readouterr().err.strip().splitlines()[-1]
    assert message in error
    assert not (workplace / "out" / "evidence.json").exists()


def test_weights_of_another_network_are_refused(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    save_file({"other": torch.zeros(1)}, workplace / "other.safetensors")
    assert run(workplace, "--weights", str(workplace / "other.safetensors")) == 2
    assert "weights of another network" in capsys.readouterr().err
    (workplace / "text.safetensors").write_text("hello")
    assert run(workplace, "--weights", str(workplace / "text.safetensors")) == 2
    assert "no safetensors file" in capsys.readouterr().err
