"""Clients that leave, and clients that never finish sending."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from tests.serve.conftest import ASTRONAUT

from sterling.serve import Settings, create_app

HEAD = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
SCOPE: dict[str, Any] = {
    "type": "http",
    "asgi": {"version": "3.0"},
    "http_version": "1.1",
    "method": "POST",
    "path": "/v1/liveness",
    "raw_path": b"/v1/liveness",
    "query_string": b"",
    "scheme": "http",
    "server": ("127.0.0.1", 8000),
    "client": ("127.0.0.1", 1),
    "headers": [
        (b"host", b"127.0.0.1:8000"),
        (b"content-type", b"multipart/form-data; boundary=b"),
    ],
}


@pytest.fixture
def app(runs: Path) -> Iterator[FastAPI]:
    made = create_app(Settings(runs=runs, workers=1, seconds=0.5))
    yield made
    made.state.service.close()


def status(app: FastAPI, body: bytes, then: str) -> int:
    """Status of a request whose client sends this, and then leaves or says nothing."""
    sent: list[int] = []
    given = [{"type": "http.request", "body": body, "more_body": then == "nothing"}]

    async def receive() -> Any:
        if given:
            return given.pop()
        if then == "nothing":
            await asyncio.sleep(60)
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        if message["type"] == "http.response.start":
            sent.append(message["status"])

    asyncio.run(app(dict(SCOPE), receive, send))
    ends = time.monotonic() + 20
    while app.state.service.pool.held:  # its process is being ended
        assert time.monotonic() < ends
        time.sleep(0.01)
    return sent[0]


def test_work_for_a_client_that_left_is_ended(
    app: FastAPI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sterling.serve.service.LOOK_SECONDS", 0.05)
    body = HEAD + ASTRONAUT.read_bytes() + b"\r\n--b--\r\n"
    assert status(app, body, "leaves") == 503


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_an_upload_without_end_is_ended(app: FastAPI) -> None:
    assert status(app, HEAD, "nothing") == 408
