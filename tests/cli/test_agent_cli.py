"""`sterling agent prompt`: what is left when the budget ends, and what people give it."""

import json
from functools import partial
from pathlib import Path

import pytest
from tests.cli import command

from sterling.lm import LocalModel

refused = partial(command.refused, "agent", "prompt")
told = partial(command.told, "agent", "prompt")


@pytest.fixture
def model(small_model: LocalModel, tmp_path: Path) -> Path:
    small_model.model.save_pretrained(tmp_path / "model")
    small_model.tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.smoke
def test_a_search_leaves_its_ranking_and_its_ledger(model: Path, tmp_path: Path) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text("the cat\n\nthe dog\na bird\nthe mat\n")
    given = [questions, "--start", "sing", "--model", model, "--answer-tokens", "3"]
    given += ["--expansions", "2", "--out", tmp_path / "out"]
    found = json.loads(told(*given, "--calls", "40", "--json"))
    assert found.pop("schema_version") == 1
    assert found == json.loads((tmp_path / "out/search.json").read_text())
    assert found["best"]
    assert found["tree"][0]["prompt"] == "sing"
    ledger = (tmp_path / "out/ledger.jsonl").read_text().splitlines()
    assert len(ledger) == sum(row["calls"] for row in found["ledger"].values()) <= 40
    assert "ended: budget" in told(*given, "--calls", "5")
    assert len((tmp_path / "out/ledger.jsonl").read_text().splitlines()) <= 5


def test_what_people_give_is_named(model: Path, tmp_path: Path) -> None:
    questions = tmp_path / "questions.txt"
    for content, named in ((b"", "holds no question"), (b"\xff\xfe\x00", "UTF-8")):
        questions.write_bytes(content)
        assert named in refused(questions, "--start", "x", "--model", model)
    questions.write_text("one\n")
    out = ("--out", tmp_path / "out")
    assert "start: is empty" in refused(questions, "--start", " ", "--model", model, *out)
    assert "name one of the endpoint's models" in refused(
        questions, "--start", "x", "--model", "http://model.test/v1", *out
    )
