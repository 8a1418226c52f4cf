"""`sterling face challenge`: from lists to a verified leaderboard, and what is refused."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from PIL import Image
from tests.cli import command
from tests.face.challenge.test_challenge import LISTS, scored

from sterling.face.challenge.challenge import read_submission, write_submission
from sterling.face.data import Manifest
from sterling.face.pad import Compact, Detector, Preprocessing, Provenance
from sterling.face.pad.networks.part_crops import PartCrops

refused = partial(command.refused, "face", "challenge")
run = partial(command.run, "face", "challenge")
told = partial(command.told, "face", "challenge")


@pytest.fixture
def lists(tmp_path: Path) -> Path:
    LISTS.write(tmp_path / "lists.csv")
    write_submission(tmp_path / "scores.txt", LISTS, scored(0))
    return tmp_path / "lists.csv"


def test_a_leaderboard_is_started_filled_and_verified(lists: Path) -> None:
    board, scores = lists.with_name("board.json"), lists.with_name("scores.txt")
    assert run("start", board, "--lists", lists, "--share", 0.25).status == 0
    assert "ACER: 0." in told("submit", board, scores, "--name", "mine", "--command", "by hand")
    document = json.loads(told("verify", board, "--json"))
    assert document["holds"] is True
    assert {check["entry"] for check in document["checks"]} == {"", "mine"}
    board.write_text(board.read_text().replace('"by hand"', '"by foot"'))
    assert "leaderboard: seal: was changed" in told("verify", board, status=1)
    assert "has an entry 'mine' already" in refused("submit", board, scores, "--name", "mine")


def test_scores_are_evaluated_by_the_rule_asked_for(lists: Path) -> None:
    scores = lists.with_name("scores.txt")
    assert "dev scores are part of a submission" in told("evaluate", scores, "--lists", lists)
    more = ("--threshold", "held_back", "--share", 0.25, "--json")
    document = json.loads(told("evaluate", scores, "--lists", lists, *more))
    assert document["rule"]["threshold"] == "held_back"
    assert document["metrics"][0]["name"] == "ACER"
    lines = scores.read_text().splitlines()
    scores.write_text("\n".join([*lines[:9], "x 2", *lines[10:]]))
    assert "line 10: 'x 2'; write an item" in refused("evaluate", scores, "--lists", lists)


def test_a_detector_scores_the_lists_and_an_unreadable_picture_is_an_attack(tmp_path: Path) -> None:
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
    assert "1 unreadable" in told(
        "score", tmp_path / "detector", "--lists", tmp_path / "lists.csv", "--out", out
    )
    values = read_submission(out, manifest)
    assert values[-1] == 0
    first = torch.from_numpy(np.array(Image.open(paths[0]))).permute(2, 0, 1)[None]
    assert values[0] == pytest.approx(detector.score(first)[0], abs=1e-6)


def test_a_detector_whose_scores_are_log_odds_is_refused(tmp_path: Path) -> None:
    Image.new("RGB", (32, 32), (90, 60, 30)).save(tmp_path / "a.png")
    manifest = Manifest(LISTS.table.with_columns(path=pl.lit(str(tmp_path / "a.png"))), "lists")
    manifest.write(tmp_path / "lists.csv")
    network = Compact(stages=1)
    with torch.no_grad():
        network.head.weight.zero_()
        network.head.bias.fill_(-2)
    provenance = Provenance("noise", True, "Apache-2.0", 0, 1, "")
    Detector(network.eval(), Preprocessing(32), provenance).save_pretrained(tmp_path / "detector")
    out = tmp_path / "scores.txt"
    said = refused("score", tmp_path / "detector", "--lists", tmp_path / "lists.csv", "--out", out)
    assert "scores from -2 to -2, and a submission's lie from 0 to 1" in said
    assert not out.exists()
