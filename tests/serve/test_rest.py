"""The REST interface answers with the documents of the command line."""

import json
import time
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.cli.command import run, told
from tests.serve.conftest import ASTRONAUT

from sterling.lm import load_tokenizer
from sterling.text.corpus.prose import human_prose
from sterling.text.watermark.watermark_key import WatermarkKey

OF_A_RUN = ("started", "wall_s", "command", "config")  # they name the place and the time


def opened(folder: Path, *names: str) -> dict[str, tuple[str, bytes]]:
    return {name: (f"{name}.csv", (folder / f"{name}.csv").read_bytes()) for name in names}


@pytest.mark.smoke
def test_liveness_is_that_of_the_command_line(
    client: TestClient,
    photograph: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    answer = client.post("/v1/liveness", files=photograph)
    assert answer.status_code == 200, answer.text
    (tmp_path / "file.jpg").write_bytes(ASTRONAUT.read_bytes())
    monkeypatch.chdir(tmp_path)
    assert answer.json() == json.loads(told("face", "predict", "file.jpg", "--json"))
    assert answer.json()["answers"][0]["outcome"] == "bona fide"


def test_members_are_those_of_the_command_line(client: TestClient, tables: Path) -> None:
    files = opened(tables, "scores", "calibration")
    answer = client.post("/v1/privacy/mia", files=files, data={"alpha": "0.2"})
    given = ("--scores", tables / "scores.csv", "--calibration", tables / "calibration.csv")
    expected = json.loads(told("privacy", "mia", *given, "--alpha", "0.2", "--json"))
    assert answer.json() == expected
    assert len(expected["declared"]) > 30
    turned = client.post("/v1/privacy/mia", files=files, data={"lower_is_member": "true"})
    assert len(turned.json()["declared"]) < 30


def test_an_audit_is_that_of_the_command_line(
    client: TestClient, tables: Path, tmp_path: Path
) -> None:
    answer = client.post("/v1/privacy/audit", files=opened(tables, "forget", "holdout")).json()
    given = ("--forget", tables / "forget.csv", "--holdout", tables / "holdout.csv")
    done = run("privacy", "audit", *given, "--out", tmp_path / "run", "--json")
    assert done.status == 1
    expected = json.loads(done.out)
    for name in OF_A_RUN:
        del answer[name], expected[name]
    assert answer == expected


def test_runs_are_those_of_the_folder(client: TestClient, runs: Path) -> None:
    found = client.get("/v1/runs").json()
    assert {one["name"] for one in found["runs"]} == {"leaks", "nested/clean"}
    assert {one["name"] for one in found["damaged"]} == {"broken", "link"}
    assert str(runs) not in json.dumps(found)
    for name in ("leaks", "nested/clean"):
        kept = json.loads((runs / name / "evidence.json").read_text())
        assert client.get(f"/v1/runs/{name}").json() == kept
    both = client.get("/v1/runs/compare", params={"a": "leaks", "b": "nested/clean"}).json()
    assert both == json.loads(told("compare", runs / "leaks", runs / "nested/clean", "--json"))


def test_texts_are_scored_in_a_job(client: TestClient) -> None:
    passages = [" ".join(one.text.split()[:25]) for one in human_prose("manual")[:26]]
    known = "".join(json.dumps({"text": one}) + "\n" for one in passages[:24])
    started = client.post(
        "/v1/text/detect",
        files={"calibration": ("known.jsonl", known.encode())},
        data={"pasted": f"{passages[24]}\n---\n{passages[25]}", "detector": "likelihood"},
    )
    assert started.status_code == 202, started.text
    place, ends = started.headers["location"], time.monotonic() + 120
    while (job := client.get(place).json())["state"] in ("waiting", "running"):
        assert time.monotonic() < ends
        time.sleep(0.1)
    assert job["state"] == "done", job
    assert (job["done"], job["total"]) == (26, 26)
    document = job["document"]
    assert [one["id"] for one in document["documents"]] == ["pasted-1.txt", "pasted-2.txt"]
    assert document["guarantee"]["n"] == 24
    assert passages[24] not in json.dumps(document)
    page = client.get(place.removeprefix("/v1")).text
    assert "of 2 texts declared machine-written" in page


def test_a_job_is_cancelled(client: TestClient) -> None:
    files = {"calibration": ("known.txt", b"It was a dark night. " * 20)}
    place = client.post("/v1/text/detect", files=files, data={"pasted": "One text."})
    assert client.delete(place.headers["location"]).json()["state"] == "cancelled"
    assert client.get(place.headers["location"]).json()["document"] is None
    assert client.get("/v1/jobs/unknown").status_code == 404


def test_a_mark_is_tested(client: TestClient, tmp_path: Path) -> None:
    made = WatermarkKey.new(load_tokenizer("smollm2"), ratios=(0.5, 0.25, 0.25), context=1, bias=0)
    made.write(tmp_path / "key.json")
    (tmp_path / "texts").mkdir()
    text = " ".join(human_prose("manual")[0].text.split()[:60])
    (tmp_path / "texts" / "pasted-1.txt").write_text(text)
    answer = client.post(
        "/v1/text/watermark",
        files={"key": ("my key.json", (tmp_path / "key.json").read_bytes())},
        data={"pasted": text},
    )
    assert answer.status_code == 200, answer.text
    given = ("detect", tmp_path / "key.json", tmp_path / "texts", "--json")
    assert answer.json() == json.loads(told("text", "watermark", *given))


def test_the_description_names_every_route_and_refusal(client: TestClient) -> None:
    described = client.get("/v1/openapi.json").json()
    assert set(described["paths"]) == {
        "/v1/liveness",
        "/v1/privacy/mia",
        "/v1/privacy/audit",
        "/v1/text/detect",
        "/v1/text/attack",
        "/v1/text/watermark",
        "/v1/jobs/{job_id}",
        "/v1/jobs/{job_id}/{file}",
        "/v1/runs",
        "/v1/runs/compare",
        "/v1/runs/{name}",
    }
    refusals = described["paths"]["/v1/liveness"]["post"]["responses"]
    assert {"401", "403", "413", "422", "503", "504"} <= set(refusals)
    schema = refusals["422"]["content"]["application/json"]["schema"]
    assert schema["$ref"].endswith("/Refusal")
