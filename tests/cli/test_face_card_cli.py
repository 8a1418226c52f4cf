"""A network of others goes from its card to an answer as ours do."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.cli.command import refused, told
from tests.face.pad.detector.tiny import means_network

ASTRONAUT = Path(__file__).parents[2] / "examples" / "photographs" / "astronaut.jpg"


@pytest.fixture
def recordings(tmp_path: Path) -> Path:
    """Four people, bona fide and as prints, in which red and blue changed places."""
    photograph = Image.open(ASTRONAUT)
    pixels = np.asarray(photograph)
    for number in range(4):
        for kind, shown in (("live", pixels), ("spoof_print", pixels[..., ::-1])):
            folder = tmp_path / "data" / kind / f"p{number}"
            folder.mkdir(parents=True)
            moved = np.roll(shown, 3 * number, axis=1)
            Image.fromarray(np.ascontiguousarray(moved)).save(folder / "a.png")
    return tmp_path / "data"


def test_a_card_is_written_checked_evaluated_calibrated_and_predicts(
    tmp_path: Path, recordings: Path
) -> None:
    warm = means_network(tmp_path / "warm.onnx", [[0.0, 0, 0], [0.02, 0, -0.02]])
    card = tmp_path / "warm.yaml"
    shared = ("face", "card", warm, "--crop-scale", 2, "--border", "shift")
    attack = recordings / "spoof_print" / "p0" / "a.png"
    wrong = told(*shared, "--colour", "BGR", "--live", ASTRONAUT, status=1)
    assert "NOT checked" in wrong
    assert "colour: RGB" in wrong
    said = told(*shared)
    assert "assumed, as nothing tells: " in said
    assert "NOT checked: give --live PHOTO" in said
    assert "no threshold" in refused("face", "predict", ASTRONAUT, "--detector", card)
    made = json.loads(
        told(*shared, "--live", ASTRONAUT, "--attack", attack, "--threshold", 0.5, "--json")
    )
    assert made["verdict"].startswith("checked: ")
    assert made["card"]["checked"]["attacks"] == 1
    assert made["combinations"][0]["passes"] is True

    run = tmp_path / "run"
    told("face", "evaluate", card, "--data", recordings, "--robustness", "--out", run)
    evidence = json.loads((run / "evidence.json").read_text())
    found = {metric["name"]: metric["value"] for metric in evidence["metrics"]}
    assert (found["AUC"], found["BPCER"]) == (1, 0)
    assert "Caution: this card was checked on 2 photographs" in evidence["scope"]
    tables = {table["name"]: table["rows"] for table in evidence["tables"]}
    assert {"robustness", "item under test"} <= tables.keys()
    assert any("warm.onnx: 8 px, 2 × face box" in str(row[1]) for row in tables["item under test"])

    strict = ("--bpcer", 0.5, "--confidence", 0.5)
    told("face", "calibrate", card, "--data", recordings, "--out", tmp_path / "door", *strict)
    answer = json.loads(
        told("face", "predict", ASTRONAUT, "--detector", tmp_path / "door", "--json")
    )
    assert answer["threshold"]["source"] == str(recordings)
    assert "2 photographs" in answer["detector"]["caution"]
    assert answer["calibrated"] is True
    assert "at most 0.5" in answer["standing"]


def test_refusals_name_the_option(tmp_path: Path) -> None:
    warm = means_network(tmp_path / "warm.onnx", [[0.02, 0, -0.02]])
    assert "--mean 1,2: give one number or three" in refused("face", "card", warm, "--mean", "1,2")
    assert "--attack needs --live" in refused("face", "card", warm, "--attack", ASTRONAUT)
    assert "bona_fide" in refused("face", "card", warm, "--bona-fide", "second")
    assert "faceplugin" in refused("face", "card", warm, "--like", "facepugin")
    assert "no such ONNX file" in refused("face", "card", tmp_path / "absent.onnx")
