"""A detector is trained and attacked in a job, with the figures of the command line."""

import json
from collections import Counter
from pathlib import Path

import pytest
from starlette.testclient import TestClient
from tests.cli.command import refused, run, told
from tests.serve.conftest import CHOSEN, HERE, as_a_machine, finished, line, passages, uploads
from tests.serve.test_rest import OF_A_RUN

from sterling.errors import InputError
from sterling.serve import Settings, create_app, text_tasks
from sterling.serve.choices import (
    FREE_ATTACKS,
    MODEL_ATTACKS,
    TRAINABLE,
    TRAINABLE_BY_MODEL,
    UNTRAINED,
    choices,
)
from sterling.text import attacks
from sterling.text.detectors import DETECTORS
from sterling.text.detectors.registry import NEED_TRAINING, WITHOUT_MODEL

OF_A_CLOCK = ("time", "speed", "peak memory")


def test_an_attack_has_the_figures_of_the_command_line(
    client: TestClient, texts: Path, attacked: str, tmp_path: Path
) -> None:
    job, place = finished(client, attacked), attacked
    assert job["state"] == "done", job
    assert (job["step"], job["done"], job["total"]) == ("evaluate", 36, 36)
    assert job["files"] == ["corpus.jsonl", "attacked.jsonl"]
    answer = job["document"]

    corpus, copies, trained = (tmp_path / name for name in ("c", "attacked.jsonl", "detector"))
    given = ("--human", texts / "human.jsonl", "--machine", texts / "machine.jsonl")
    told("text", "build", *given, "--out", corpus)
    corpus /= "corpus.jsonl"
    told("text", "attack", corpus, "--attack", "homo", "--share", "0.5", "--out", copies)
    told("text", "train", corpus, "--detector", "character_ngrams", "--out", trained)
    options = ("--attacked", copies, "--fpr", "0.1", "--out", tmp_path / "run", "--json")
    expected = json.loads(told("text", "evaluate", trained, corpus, *options))
    assert answer["config"]["calibration"] == expected["config"]["calibration"]
    for document in (answer, expected):
        for name in OF_A_RUN:
            del document[name]
        document["metrics"] = [one for one in document["metrics"] if one["name"] not in OF_A_CLOCK]
    assert answer == expected
    changes = {one["name"]: one for one in answer["metrics"] if "less before" in one["name"]}
    assert set(changes) == {"AUROC under homo less before", "TPR at 0.1 FPR under homo less before"}

    for name, path in (("corpus.jsonl", corpus), ("attacked.jsonl", copies)):
        file = client.get(f"{place}/{name}")
        assert file.text == path.read_text()
        assert f'filename="{name}"' in file.headers["content-disposition"]
    assert client.get(f"{place}/detector.json").status_code == 404
    page = client.get(place.removeprefix("/v1")).text
    assert "<h1>character_ngrams under the attack homo</h1>" in page
    assert "TPR at 0.1 FPR" in page
    assert "attacked.jsonl</a>" in page


def test_steps_are_shown_and_cancelled(client: TestClient, texts: Path) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(client, "follow_redirects", False)
        place = client.post("/text/attack", files=uploads(texts), data=CHOSEN).headers["location"]
    page = client.get(place).text
    assert "<li>Train and calibrate the detector</li>" in page or 'aria-current="step"' in page
    assert client.get(f"{place}/corpus.jsonl").status_code == 404
    client.post(f"{place}/cancel")
    page = client.get(place).text
    assert "<h1>Cancelled</h1>" in page
    assert 'href="/text/attack"' in page


@pytest.mark.parametrize(
    ("data", "words"),
    [
        ({"attack": "humanize"}, "attack: 'humanize' is not offered here; typo"),
        ({"detector": "os:system"}, "detector: 'os:system' is not offered here"),
        ({"share": "0"}, "share: input should be greater than 0"),
        ({"fpr": "1"}, "fpr: input should be less than 1"),
        ({"share": "nan"}, "share"),
        ({"pasted_human": "a text"}, "human: give one .jsonl file alone, or texts"),
    ],
)
def test_a_wrong_choice_is_refused_at_once(
    client: TestClient, texts: Path, data: dict[str, str], words: str
) -> None:
    answer = client.post("/v1/text/attack", files=uploads(texts), data=CHOSEN | data)
    assert answer.status_code == 422, answer.text
    assert words in answer.json()["error"]


@pytest.mark.parametrize(
    ("human", "machine", "words"),
    [
        ("", line("a"), "human: no text; give those that people wrote"),
        (line("a"), line("a"), "machine: text 'machine.jsonl:1' is the human text"),
        (line("a", 1), line("b"), "labelled as a machine's"),
        (line("a " * 2_000_001), line("b"), "letters in all texts: at most 4000000"),
        ("".join(line(str(row)) for row in range(1999)), line("b") * 2, "at most 2000, of both"),
        ("{", line("b"), "human.jsonl:1: no JSON object"),
        ("".join(line(str(row)) for row in range(5)), line("b"), "split"),
    ],
    ids=["no human", "the same", "labelled", "too large", "too many", "damaged", "too few"],
)
def test_texts_that_cannot_be_used_are_named(
    client: TestClient, human: str, machine: str, words: str
) -> None:
    files = {
        name: (f"{name}.jsonl", content.encode())
        for name, content in (("human", human), ("machine", machine))
        if content
    }
    answer = client.post("/v1/text/attack", files=files, data=CHOSEN)
    if answer.status_code == 202:
        answer = client.get(answer.headers["location"])
        job = finished(client, f"/v1/jobs/{answer.json()['id']}")
        assert job["state"] == "failed", job
        error = job["error"]
    else:
        error = answer.json()["error"]
    assert words in error
    assert "\n" not in error
    assert "/tmp" not in error


def test_a_detector_of_the_operator_lists_as_the_command_line(
    client: TestClient, listed: str, trained: Path, tmp_path: Path
) -> None:
    assert "<option>letters</option>" in client.get("/text").text
    known = "".join(map(line, passages()[100:115]))
    asked = line(as_a_machine(passages()[120])) + line(passages()[121])
    for name, content in (("calibration", known), ("texts", asked)):
        (tmp_path / f"{name}.jsonl").write_text(content)
    given = ("--calibration", tmp_path / "calibration.jsonl", "--detector", trained, "--fdr", 0.2)
    done = run("text", "detect", tmp_path / "texts.jsonl", *given, "--json")
    document = finished(client, listed)["document"]
    assert document == json.loads(done.out)
    assert document["detector"]["detector"] == "character_ngrams"


def test_research_use_is_the_operators(client: TestClient, tmp_path: Path) -> None:
    app = create_app(Settings(runs=tmp_path, research_use=True))
    with TestClient(app, base_url=HERE) as allowing:
        allowed = allowing.get("/text/attack").text
    plain = client.get("/text/attack").text
    assert "<option>humanize</option>" in allowed
    assert "for research on detectors of your own" in allowed
    assert "<option>humanize</option>" not in plain
    assert "it takes a service that was started with --research-use" in plain


def test_names_that_are_offered_are_those_of_the_registries(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert FREE_ATTACKS == attacks.FREE_ATTACKS
    assert {*MODEL_ATTACKS, "humanize", "syno_ranked"} == set(attacks.MODEL_ATTACKS)
    assert set(UNTRAINED) <= set(DETECTORS) - {*NEED_TRAINING, *WITHOUT_MODEL}
    assert set(TRAINABLE) == set(WITHOUT_MODEL) - {"classifier_folder"}
    assert set(TRAINABLE_BY_MODEL) <= set(DETECTORS) - set(WITHOUT_MODEL)
    monkeypatch.setattr("sterling.serve.choices._model_is_here", lambda: False)
    monkeypatch.setattr("sterling.serve.choices.WORDNET", tmp_path / "none")
    bare = choices([trained], research=True)
    assert (bare.detectors, bare.trainable) == (("letters",), TRAINABLE)
    assert bare.attacks == FREE_ATTACKS
    assert not bare.writes
    with pytest.raises(InputError, match=r"no detector\.json of sterling text train"):
        choices([tmp_path], research=False)
    with pytest.raises(InputError, match="the name letters is taken"):
        choices([trained, trained], research=False)


def test_a_folder_without_a_detector_is_refused_before_it_listens(tmp_path: Path) -> None:
    assert "no detector.json" in refused("serve", "--text-detector", tmp_path, "--port", "0")


def test_packaged_passages_are_of_many_topics() -> None:
    records = text_tasks._packaged().records
    topics = Counter(one.group for one in records)
    assert len(records) == text_tasks.PACKAGED
    assert len(topics) > 30
    assert max(topics.values()) == 2
