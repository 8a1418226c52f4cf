"""`sterling face challenge`: from lists to a verified leaderboard, and what is refused."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from tests.face.challenge.test_challenge import LISTS, scored

from sterling.cli import main
from sterling.face.challenge.challenge import read_submission, write_submission
from sterling.face.data import Manifest
from sterling.face.pad import Detector, Preprocessing, Provenance
from sterling.face.pad.networks.part_crops import PartCrops


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["face", "challenge", *map(str, arguments)])
    assert isinstance(stopped.value.code, int)
    return stopped.value.code


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    LISTS.write(tmp_path / "lists.csv")
    write_submission(tmp_path / "scores.txt", LISTS, scored(0))
    return tmp_path / "lists.csv"


def test_a_leaderboard_is_started_filled_and_verified(
    lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    board, scores = lists.with_name("board.json"), lists.with_name("scores.txt")
    assert run("start", board, "--lists", lists, "--share", 0.25) == 0
    assert run("submit", board, scores, "--name", "mine", "--command", "by hand") == 0
    assert "ACER: 0." in capsys.readouterr().out
    assert run("verify", board, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert document["holds"] is True
    assert {check["entry"] for check in document["checks"]} == {"", "mine"}
    board.write_text(board.read_text().replace('"by hand"', '"by foot"'))
    assert run("verify", board) == 1
    assert "leaderboard: seal: was changed" in capsys.readouterr().out
    assert run("submit", board, scores, "--name", "mine") == 2
    assert "has an entry 'mine' already" in " ".join(capsys.readouterr().err.split())


def test_scores_are_evaluated_by_the_rule_asked_for(
    lists: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scores = lists.with_name("scores.txt")
    assert run("evaluate", scores, "--lists", lists) == 0
    assert "dev scores are part of a submission" in capsys.readouterr().out
    more = ("--threshold", "held_back", "--share", 0.25, "--json")
    assert run("evaluate", scores, "--lists", lists, *more) == 0
    document = json.loads(capsys.readouterr().out)
    assert document["rule"]["threshold"] == "held_back"
    assert document["metrics"][0]["name"] == "ACER"
    lines = scores.read_text().splitlines()
    scores.write_text("\n".join([*lines[:9], "x 2", *lines[10:]]))
    assert run("evaluate", scores, "--lists", lists) == 2
    assert "line 10: 'x 2'; write an item" in " ".join(capsys.readouterr().err.split())


def test_a_detector_scores_the_lists_and_an_unreadable_picture_is_an_attack(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    paths = [str(tmp_path / f"{i}.png") for i in range(len(LISTS))]
    rng = np.random.default_rng(0)
    for path in paths[:-1]:
        Image.fromarray(rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)).save(path)
    manifest = Manifest(LISTS.table.with_columns(path=pl.Series(paths)), "lists")
    manifest.write(tmp_path / "lists.csv")
    detector = Detector(
        PartCrops(10, 2, seed=0).eval(),
        Preprocessing(size=64),
        Provenance("noise", True, "Apache-2.0", 0, 1, ""),
    )
    detector.save_pretrained(tmp_path / "detector")
    out = tmp_path / "scores.txt"
    assert run("score", tmp_path / "detector", "--lists", tmp_path / "lists.csv", "--out", out) == 0
    assert "1 unreadable" in capsys.readouterr().out
    values = read_submission(out, manifest)
    assert values[-1] == 0
    first = torch.from_numpy(np.array(Image.open(paths[0]))).permute(2, 0, 1)[None]
    assert values[0] == pytest.approx(detector.score(first)[0], abs=1e-6)
