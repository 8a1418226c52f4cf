"""`sterling text` from human texts to a declared list, and what people give it."""

import json
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from tests.cli import command

from sterling.lm import train_small

refused = partial(command.refused, "text")
run = partial(command.run, "text")
told = partial(command.told, "text")


WORDS = ["river", "water", "house", "bridge", "people", "spring", "town", "old", "road", "light"]


def prose(seed: int, words: int = 60) -> str:
    rng = np.random.default_rng(seed)
    return " ".join(rng.choice(WORDS, size=words)).capitalize() + "."


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Scores that are kept are kept in a folder of the test."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.mktemp("cache")))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Human texts, and a language model on disk that learned a few of their words by heart."""
    root = tmp_path_factory.mktemp("text")
    for name, seeds in (("human", range(40)), ("known", range(100, 140))):
        (root / name).mkdir()
        for seed in seeds:
            (root / name / f"{seed}.txt").write_text(prose(seed))
    model = train_small([prose(seed) for seed in range(500, 520)], steps=40, width=32, context=256)
    model.model.save_pretrained(root / "model")
    model.tokenizer.save_pretrained(root / "model")
    return root


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Path:
    sizes = ("--prefix-tokens", 16, "--max-new-tokens", 48, "--temperature", 0.1)
    given = ("--human", folder / "human", "--out", folder / "c", "--model", folder / "model")
    assert run("build", *given, *sizes).status == 0
    return folder / "c" / "corpus.jsonl"


@pytest.fixture(scope="module")
def detector(folder: Path, corpus: Path) -> Path:
    options = ("--detector", "likelihood", "--model", folder / "model", "--out", folder / "d")
    assert run("train", corpus, *options).status == 0
    return folder / "d"


@pytest.mark.smoke
def test_the_whole_way_to_a_report(
    folder: Path, corpus: Path, detector: Path, tmp_path: Path
) -> None:
    attacked = tmp_path / "attacked.jsonl"
    options = ("--attack", "free", "--attack", "span", "--model", folder / "model", "--json")
    made = json.loads(
        told("attack", corpus, *options, "--variants", 2, "--share", 0.6, "--out", attacked)
    )
    assert len(made["attacks"]) == 12
    assert all(one["copies"] == 8 for one in made["attacks"].values())
    given = (detector, corpus, "--attacked", attacked, "--model", folder / "model")
    evidence = json.loads(told("evaluate", *given, "--out", tmp_path / "run", "--json"))
    names = {metric["name"] for metric in evidence["metrics"]}
    assert {"accuracy", "AUROC", "AUPR", "ECE", "Brier score", "ASR typo", "time"} <= names
    assert {"by_domain", "robustness"} <= {table["name"] for table in evidence["tables"]}
    assert evidence["config"]["calibration"]["settings"]["prompt"].startswith("none is given")
    lines = (tmp_path / "run" / "predictions.jsonl").read_text().splitlines()
    assert len(lines) == 8 + 12 * 8
    assert (tmp_path / "run" / "report.html").stat().st_size > 5000
    compared = json.loads(command.told("compare", tmp_path / "run", tmp_path / "run", "--json"))
    rows = {row["name"]: row for row in compared["differences"]}
    area = next(one["value"] for one in evidence["metrics"] if one["name"] == "AUROC")
    assert rows["AUC of detector, by item"]["a"] == pytest.approx(area)
    assert rows["AUC of detector, by item"]["paired"]
    assert {row["verdict"] for row in rows.values()} <= {"undecided", "-"}


def test_hostile_documents_each_have_a_verdict_or_a_reason(
    folder: Path, detector: Path, tmp_path: Path
) -> None:
    machine = next(
        json.loads(line)["text"]
        for line in (folder / "c" / "corpus.jsonl").read_text().splitlines()
        if json.loads(line)["label"] == 1
    )
    files = {
        "machine.txt": machine.encode(),
        "human.txt": prose(777).encode(),
        "empty.txt": b"",
        "short.txt": b"hello",
        "latin1.txt": "naïve café".encode("latin-1"),
        "huge.txt": (prose(1, 1000) * 2000).encode(),
        "hidden.txt": ("\u200b\u202e" + prose(5)).encode(),
    }
    assert len(files["huge.txt"]) > 9_000_000
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    sources = (tmp_path, "--calibration", folder / "known", "--model", folder / "model")
    given = (*sources, "--detector", detector)
    found = json.loads(told("detect", *given, "--fdr", 0.1, "--json"))
    verdicts = {one["id"]: one for one in found["documents"]}
    unread = {one["source"]: one["reason"] for one in found["not_read"]}
    assert set(verdicts) | set(unread) == set(files)
    assert unread["empty.txt"] == "empty"
    assert unread["latin1.txt"].startswith("not UTF-8")
    assert verdicts["short.txt"]["not_scored"].startswith("too short")
    assert verdicts["hidden.txt"]["hidden"] == {"zero width": 1, "direction": 1}
    assert verdicts["huge.txt"]["not_scored"] == ""
    assert all(one["caution"] == "not sole evidence against a person" for one in verdicts.values())
    assert "human.txt" not in found["declared"]
    printed = run("detect", *given, "--fdr", 0.1)
    assert "not scored: short.txt: too short" in printed.out
    assert "not used: latin1.txt" in printed.err
    assert "scored by likelihood: model model, fingerprint" in printed.out


def test_a_threshold_that_few_texts_cannot_resolve_is_told(corpus: Path, tmp_path: Path) -> None:
    options = ("--detector", "character_ngrams", "--threshold", "low_fpr", "--out", tmp_path / "d")
    assert "4 human development texts are too few" in run("train", corpus, *options).err


def test_what_is_wrong_is_one_line(
    folder: Path, corpus: Path, detector: Path, tmp_path: Path
) -> None:
    cases = {
        ("train", corpus, "--detector", "fast"): "unknown detector 'fast'",
        ("train", tmp_path / "no.jsonl"): "not there",
        ("attack", corpus, "--attack", "typos"): "did you mean typo",
        ("attack", corpus, "--attack", "para"): "para: needs a language model",
        ("build", "--human", folder / "human", "--model", "http://h/v1"): "name one of",
        ("build", "--human", folder / "human", "--template", "x"): "template 'x'",
        ("evaluate", tmp_path, corpus): "no detector.json",
        ("evaluate", detector, corpus): "give its folder",
    }
    for arguments, message in cases.items():
        assert message in refused(*arguments), arguments
    (tmp_path / "only").mkdir()
    (tmp_path / "only" / "a.txt").write_bytes(b"\xff\xff")
    known = ("--calibration", folder / "known")
    assert run("detect", tmp_path / "only", *known).status == 3
    inbox = ("detect", folder / "human", *known)
    assert "needs training" in refused(*inbox, "--detector", "gltr")
    assert "did you mean likelihood" in refused(*inbox, "--detector", "likelihod")
    assert "no detector.json in it" in refused(*inbox, "--detector", tmp_path / "none")
    assert "name a .csv or .html file, or a folder" in refused(
        *inbox, "--out", tmp_path / "list.txt"
    )
    assert "gave an array () for" in refused(*inbox, "--detector", "builtins:len")


def test_a_list_needs_no_training_and_is_written_as_a_table_or_a_page(
    folder: Path, tmp_path: Path
) -> None:
    given = (folder / "human", "--calibration", folder / "known", "--model", folder / "model")
    table, page = tmp_path / "list.csv", tmp_path / "list.html"
    first = run("detect", *given, "--out", table)
    assert first.status == 0
    assert "80 texts to score, calibration included\n" in first.err
    assert "with 40 calibration texts 20 of those tested have to exceed" in first.out
    assert "with 799 one alone is declared" in first.out
    rows = table.read_text().splitlines()
    assert len(rows) == 41
    assert rows[0].startswith("document,declared,adjusted p,p,score,")
    again = run("detect", *given, "--out", page)
    assert "80 texts to score, calibration included, 80 scored before" in again.err
    assert again.out.splitlines()[:-1] == first.out.splitlines()[:-1]
    assert "Documents against calibration texts" in page.read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["list.csv", "list.html"]
    assert run("detect", *given, "--out", tmp_path / "run").status == 0
    assert (tmp_path / "run" / "verdicts.csv").read_text() == table.read_text()
    evidence = json.loads((tmp_path / "run" / "evidence.json").read_text())
    assert evidence["claims"] == []  # a shift that is not seen proves nothing
    assert f"--calibration {folder / 'known'} --model" in evidence["command"]


def test_documents_unlike_the_calibration_texts_refute_the_bound(
    folder: Path, tmp_path: Path
) -> None:
    for seed in range(40):
        (tmp_path / f"{seed}.txt").write_text(prose(seed, words=90))
    given = ("detect", tmp_path, "--calibration", folder / "known", "--model", folder / "model")
    listed = run(*given)  # its score grows with the length, so that all are declared
    assert listed.status == 4
    assert "UNDECIDED WHETHER THE BOUND HOLDS" in listed.err
    ended = run(*given, "--detector", "likelihood")
    assert ended.status == 1
    assert "THE BOUND MAY NOT HOLD" in ended.err
    assert "words: median 90 against 60" in ended.err
    assert "REFUTED: documents that are not declared, too, are unlike the calibration" in ended.out


def test_a_function_of_ones_own_detects(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(folder)
    (folder / "own_metric.py").write_text(
        "def roads(texts):\n    return [text.count('road') for text in texts]\n"
    )
    sources = ("human", "--calibration", "known", "--detector", "own_metric:roads")
    found = json.loads(told("detect", *sources, "--json"))
    assert found["detector"]["detector"] == "own_metric:roads"
    scores = {one["id"]: one["score"] for one in found["documents"]}
    assert scores["3.txt"] == (folder / "human" / "3.txt").read_text().count("road")


def test_texts_of_a_machine_that_exist_are_taken(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "machine").mkdir()
    for seed in range(8):
        (tmp_path / "machine" / f"{seed}.txt").write_text(prose(900 + seed))
    given = ("--human", folder / "human", "--machine", tmp_path / "machine")
    made = json.loads(told("build", *given, "--out", tmp_path / "c", "--json"))
    counts = {split: one["machine"] for split, one in made["records"].items()}
    assert counts == {"train": 4, "dev": 2, "test": 2}
    options = ("--detector", "character_ngrams", "--out", tmp_path / "d")
    assert run("train", tmp_path / "c" / "corpus.jsonl", *options).status == 0
    same = ("--human", folder / "human", "--machine", folder / "human")
    assert "is the human text" in refused("build", *same, "--out", tmp_path / "same")
