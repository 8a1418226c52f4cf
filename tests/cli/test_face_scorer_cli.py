"""A function of the user's own module goes through every verb as our detectors do."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.command import refused, told

ASTRONAUT = Path(__file__).parents[2] / "examples" / "photographs" / "astronaut.jpg"
MODULE = """
def redness(crops):
    return crops[..., 0].mean(axis=(1, 2)) - crops[..., 2].mean(axis=(1, 2))

def broken(crops):
    return None

redness.size, redness.crop_scale, redness.border = 32, 2.0, "shift"
broken.threshold = 0
"""


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Four people, bona fide and as prints, in which red and blue changed places."""
    pixels = np.asarray(Image.open(ASTRONAUT))
    for number in range(4):
        for kind, shown in (("live", pixels), ("spoof_print", pixels[..., ::-1])):
            folder = tmp_path / "data" / kind / f"p{number}"
            folder.mkdir(parents=True)
            moved = np.roll(shown, 3 * number, axis=1)
            Image.fromarray(np.ascontiguousarray(moved)).save(folder / "a.png")
    return tmp_path / "data"


def test_a_function_is_evaluated_calibrated_and_predicts(
    tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "scorers_of_the_command_line"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("STERLING_PLUGINS", "")
    scorer, door, card = f"{name}:redness", tmp_path / "door", tmp_path / "redness.yaml"
    assert "no threshold" in refused("face", "predict", ASTRONAUT, "--detector", scorer)

    strict = ("--bpcer", 0.5, "--confidence", 0.5)
    said = told("face", "calibrate", scorer, "--data", recordings, "--out", door, *strict)
    assert said.rstrip().endswith(f"--detector {door} --plugin {name}")
    assert f"--plugin {name}" in refused("face", "predict", ASTRONAUT, "--detector", door)
    plugin = ("--plugin", name)
    answer = json.loads(told("face", "predict", ASTRONAUT, "--detector", door, "--json", *plugin))
    assert answer["calibrated"] is True
    assert answer["answers"][0]["score"] > 0
    assert scorer in answer["detector"]["caution"]

    # The recordings chose that threshold, and score no detector at it.
    run = tmp_path / "run"
    shared = ("--data", recordings, "--out", run, *plugin)
    assert "used to choose the threshold" in refused("face", "evaluate", door, *shared)

    written = told("face", "card", scorer, "--threshold", 3, "--out", card)
    assert "32 px, 2 × face box, detector CenterFace" in written
    assert written.rstrip().endswith(f"--out DIR --plugin {name}")
    told("face", "evaluate", card, "--data", recordings, "--out", tmp_path / "again", *plugin)
    evidence = json.loads((tmp_path / "again" / "evidence.json").read_text())
    assert next(one["value"] for one in evidence["metrics"] if one["name"] == "AUC") == 1
    assert f"Caution: scores come from {scorer}" in evidence["scope"]
    assert scorer in (tmp_path / "again" / "report.html").read_text()
    assert "--out: name the card" in refused("face", "card", scorer)
    assert "--colour: belongs to ONNX files" in refused("face", "card", scorer, "--colour", "BGR")
    assert "one function or address" in refused("face", "card", scorer, scorer)


def test_a_function_that_fails_is_named_with_the_file(
    tmp_path: Path, recordings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = "scorers_that_fail"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    broken = f"{name}:broken"
    said = refused("face", "predict", ASTRONAUT, "--detector", broken)
    assert f"{ASTRONAUT}: {broken}: crop 1 of 1: returned NoneType" in said
    for verb, promise in (("evaluate", ()), ("calibrate", ("--bpcer", 0.5, "--confidence", 0.5))):
        shared = ("--data", recordings, "--out", tmp_path / "out")
        said = refused("face", verb, broken, *shared, *promise)
        assert f"a.png: {broken}: crops 1 to " in said
    assert not (tmp_path / "out" / "card.yaml").exists()
