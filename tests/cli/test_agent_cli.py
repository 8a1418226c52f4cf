"""`sterling agent prompt`: what is left when the budget ends, and what people give it."""

import json
from pathlib import Path

import pytest

from sterling.cli import main
from sterling.lm import LocalModel


def run(*arguments: object) -> int:
    with pytest.raises(SystemExit) as stopped:
        main(["agent", "prompt", *map(str, arguments)])
    return int(stopped.value.code or 0)


@pytest.fixture
def model(small_model: LocalModel, tmp_path: Path) -> Path:
    small_model.model.save_pretrained(tmp_path / "model")
    small_model.tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


@pytest.mark.smoke
def test_a_search_leaves_its_ranking_and_its_ledger(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = tmp_path / "questions.txt"
    questions.write_text("the cat\n\nthe dog\na bird\nthe mat\n")
    given = [questions, "--start", "sing", "--model", model, "--answer-tokens", "3"]
    given += ["--expansions", "2", "--out", tmp_path / "out"]
    assert run(*given, "--calls", "40", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads((tmp_path / "out/search.json").read_text())
    assert told["best"]
    assert told["tree"][0]["prompt"] == "sing"
    ledger = (tmp_path / "out/ledger.jsonl").read_text().splitlines()
    assert len(ledger) == sum(row["calls"] for row in told["ledger"].values()) <= 40
    assert run(*given, "--calls", "5") == 0
    assert "ended: budget" in capsys.readouterr().out
    assert len((tmp_path / "out/ledger.jsonl").read_text().splitlines()) <= 5


def test_what_people_give_is_named(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    questions = tmp_path / "questions.txt"
    for content, named in ((b"", "holds no question"), (b"\xff\xfe\x00", "UTF-8")):
        questions.write_bytes(content)
        assert run(questions, "--start", "x", "--model", model) == 2
        assert named in capsys.readouterr().err
    questions.write_text("one\n")
    out = ("--out", tmp_path / "out")
    assert run(questions, "--start", " ", "--model", model, *out) == 2
    assert "start: is empty" in capsys.readouterr().err
    assert run(questions, "--start", "x", "--model", "http://model.test/v1", *out) == 2
    assert "name one of the endpoint's models" in capsys.readouterr().err
