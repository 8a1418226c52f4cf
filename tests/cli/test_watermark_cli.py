"""`sterling text watermark`: marked texts are found, others are not, a wrong key is refused."""

import json
import stat
from functools import partial
from pathlib import Path

import pytest
from tests.cli import command

from sterling.lm import train_small
from sterling.text.corpus.prose import human_prose

refused = partial(command.refused, "text", "watermark")
run = partial(command.run, "text", "watermark")
told = partial(command.told, "text", "watermark")


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that is unsure of what comes next: what is certain cannot be marked."""
    folder = tmp_path_factory.mktemp("model")
    model = train_small([one.text for one in human_prose("manual")[:30]], steps=20)
    model.model.save_pretrained(folder)
    model.tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.smoke
def test_what_is_marked_is_found_and_what_is_not_is_not(model: Path, tmp_path: Path) -> None:
    key, prompts, out = tmp_path / "key.json", tmp_path / "prompts.txt", tmp_path / "texts.jsonl"
    prompts.write_text("The value of\nAn object is\n")
    assert run("key", key, "--model", model).status == 0
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    assert "is not overwritten" in refused("key", key, "--model", model)
    made = json.loads(key.read_text())
    made["watermark"]["key"] = 2026  # what was drawn would make the test a game of chance
    key.write_text(json.dumps(made))
    more = ["--model", model, "--max-new-tokens", "300"]
    assert run("generate", key, prompts, "--out", out, *more).status == 0
    found = json.loads(told("detect", key, out, "--model", model, "--json"))
    assert found["note"] == "not sole evidence against a person"
    long = [one["marked"] for one in found["texts"] if one["tokens_scored"] > 50]
    assert long
    assert all(long)
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain/a.txt").write_text("the dog ate the fish of the old bird and slept. " * 3)
    (tmp_path / "plain/b.txt").write_text("x")
    (tmp_path / "plain/c.txt").write_bytes(b"\xff\xfe\xfa")
    said = run("detect", key, tmp_path / "plain", "--model", model, "--level", "1e-6")
    assert "no mark found" in said.out
    assert "too short to test" in said.out
    assert "not used" in said.err


def test_another_tokenizer_is_refused(model: Path, tmp_path: Path) -> None:
    key = tmp_path / "key.json"
    assert run("key", key, "--model", model).status == 0
    other = train_small(["something else is here. " * 40], steps=1, width=16)
    other.model.save_pretrained(tmp_path / "other")
    other.tokenizer.save_pretrained(tmp_path / "other")
    (tmp_path / "text.txt").write_text("the cat sat on the mat.")
    assert "tokenizer is not the one that this key counts in" in refused(
        "detect", key, tmp_path / "text.txt", "--model", tmp_path / "other"
    )


def test_what_is_no_key_is_named(model: Path, tmp_path: Path) -> None:
    (tmp_path / "text.txt").write_text("the cat")
    for content, named in (
        (None, "no such key"),
        ("{", "holds no watermark key"),
        ('{"watermark": {"key": -1}, "tokenizer": ""}', "key -1"),
    ):
        key = tmp_path / "bad.json"
        if content is not None:
            key.write_text(content)
        assert named in refused("detect", key, tmp_path / "text.txt", "--model", model)


def test_one_prompt_a_line(model: Path, tmp_path: Path) -> None:
    key, prompts, out = (tmp_path / name for name in ("key.json", "prompts.txt", "out.jsonl"))
    told("key", key, "--model", model)
    prompts.write_bytes("\ufeffthe sea\r\n\na line\u2028with\x0call\x85of it\n".encode())
    told("generate", key, prompts, "--out", out, "--model", model, "--max-new-tokens", 2)
    records = [json.loads(line) for line in out.read_text("utf-8").split("\n") if line]
    assert [one["meta"]["prompt"] for one in records] == [
        "the sea",
        "a line\u2028with\x0call\x85of it",
    ]


def test_half_of_a_surrogate_pair_leaves_one_text_untested(model: Path, tmp_path: Path) -> None:
    key, texts = tmp_path / "key.json", tmp_path / "t.jsonl"
    told("key", key, "--model", model)
    text = "the boats came back to the quiet harbour and nobody asked. " * 5
    lines = [{"id": "half", "text": "\ud83d " + text}, {"id": "whole", "text": text}]
    texts.write_text("".join(json.dumps(line) + "\n" for line in lines))
    said = told("detect", key, texts, "--model", model)
    assert "not scored: half: character 0 is half of a surrogate pair" in said
    assert "whole\t" in said
    half, whole = json.loads(told("detect", key, texts, "--model", model, "--json"))["texts"]
    assert (half["marked"], half["not_scored"][-14:]) == (None, "surrogate pair")
    assert whole["not_scored"] == ""
    assert whole["tokens_scored"] > 0
