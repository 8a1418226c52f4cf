"""Uploads that are slow, too large, malformed or cut off, wherever files are taken."""

import asyncio
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient
from tests.serve.conftest import finished, line, passages
from tests.serve.test_connections import HEAD, SCOPE
from tests.serve.test_hostile import UNENDED, refused

from sterling.serve import Settings, create_app

PLACES = {
    "/v1/liveness": "file",
    "/v1/privacy/mia": "scores",
    "/v1/privacy/audit": "forget",
    "/v1/text/detect": "calibration",
    "/v1/text/attack": "human",
    "/v1/text/watermark": "key",
}
FORM = {"Content-Type": "multipart/form-data; boundary=b"}


def part(field: str, content: bytes) -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="{field}"; filename="a.jsonl"\r\n\r\n'
    return head.encode() + content


@UNENDED
@pytest.mark.parametrize("place", PLACES)
def test_cut_off_malformed_and_too_large(client: TestClient, place: str) -> None:
    field = PLACES[place]
    for cut in (part(field, b'{"text": "no e'), part(field, b"\r\n--b"), b""):
        refused(client.post(place, content=cut, headers=FORM), 400, "cut off")
    headless = client.post(place, content=b"--b\r\n\r\nno name\r\n--b--\r\n", headers=FORM)
    assert headless.status_code in (400, 422), headless.text
    nameless = {"Content-Type": "multipart/form-data"}
    assert client.post(place, content=b"--b", headers=nameless).status_code in (400, 422)
    assert "\n" not in headless.json()["error"]
    large = client.post(place, content=part(field, bytes(5_000_001)), headers=FORM)
    refused(large, 413, "more than 5 MB")
    many = b"".join(part(field, b"x\r\n") for _ in range(1001)) + b"--b--\r\n"
    refused(client.post(place, content=many, headers=FORM), 400, "Too many files")
    service = client.app.state.service  # type: ignore[attr-defined]
    ends = time.monotonic() + 20
    while service.pool.held or service.jobs.pool.held:
        assert time.monotonic() < ends
        time.sleep(0.01)
    for pool in (service.pool, service.jobs.pool):
        assert not [path for path in pool.root.rglob("*") if path.is_file()]


def test_a_table_and_records_that_are_cut_off_are_named(client: TestClient, tables: Path) -> None:
    whole = (tables / "scores.csv").read_bytes()
    cut = whole.rsplit(b",", 1)[0]
    files = {"scores": ("a.csv", cut), "calibration": ("b.csv", whole)}
    refused(client.post("/v1/privacy/mia", files=files), 422, "scores.csv")
    known = "".join(map(line, passages()[:20]))
    texts = {"calibration": ("a.jsonl", known.encode()[:-9])}
    place = client.post("/v1/text/detect", files=texts, data={"pasted": "One text."})
    job = finished(client, place.headers["location"])
    assert job["state"] == "failed"
    assert "calibration.jsonl:20: no JSON object" in job["error"]


def test_the_line_that_ends_a_form_is_found(client: TestClient) -> None:
    """In quotes a boundary may hold blanks and commas; after it anything may follow."""
    body = part("file", b"no picture\r\n").replace(b"--b", b"--a b,c")
    kind = {"Content-Type": 'Multipart/Form-Data; boundary="a b,c"'}
    whole = client.post("/v1/liveness", content=body + b"--a b,c--\r\nthe end", headers=kind)
    refused(whole, 422, "not a picture")
    refused(client.post("/v1/liveness", content=body, headers=kind), 400, "cut off")


def test_a_field_that_is_too_long_says_what_to_do(client: TestClient) -> None:
    data = {"pasted_human": "a " * 600_000}
    refused(client.post("/v1/text/attack", data=data), 400, "send it as a file")


@pytest.fixture
def impatient(runs: Path) -> Iterator[FastAPI]:
    made = create_app(Settings(runs=runs, workers=1, seconds=0.5))
    yield made
    made.state.service.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("leaves", [False, True])
def test_a_trickle_is_ended_and_so_is_who_leaves_amid_it(impatient: FastAPI, leaves: bool) -> None:
    sent: list[Any] = []
    given = 0

    async def receive() -> Any:
        nonlocal given
        given += 1
        if leaves and given > 3:
            return {"type": "http.disconnect"}
        await asyncio.sleep(0.05 * (given > 1))
        return {"type": "http.request", "body": HEAD if given == 1 else b"x", "more_body": True}

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(impatient(dict(SCOPE), receive, send))
    if leaves:
        assert given <= 5
        assert all(one.get("status") != 200 for one in sent)
    else:
        assert sent[0]["status"] == 408
        assert json.loads(sent[1]["body"])["error"]
    assert impatient.state.service.pool.held == 0
