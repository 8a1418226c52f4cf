"""Requests that mean harm, or are merely wrong, get one line and leave nothing behind."""

import logging
import os
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.serve.conftest import ASTRONAUT, HERE

from sterling.errors import InputError
from sterling.serve import Settings, create_app
from sterling.serve.guard import HEADERS

TOKEN = "a token of many letters"
PICTURE = ASTRONAUT.read_bytes()

# Starlette leaves the temporary file of a part that never ended to the garbage collector.
UNENDED = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")


def refused(answer: Any, status: int, words: str) -> None:
    assert answer.status_code == status, answer.text
    line = answer.json()["error"]
    assert words in line
    assert "\n" not in line
    assert "/tmp" not in line


def bomb() -> bytes:
    """A picture of a few bytes that claims 9,000,000,000 pixels."""

    def chunk(name: bytes, content: bytes) -> bytes:
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = struct.pack(">IIBBBBB", 90_000, 100_000, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"0"))


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jpg", b"\xff\xd8 no picture", "file.jpg: not a picture"),
        ("a.jpg", PICTURE[: len(PICTURE) // 2], "file.jpg: damaged picture"),
        ("a.png", bomb(), "megapixels"),
        ("a.jpg", b"", "file: empty"),
        ("a.mp4", b"\0\0\0\x18ftypmp42" + bytes(200), "file.mp4"),
        ("../../etc/passwd", b"root:x:0:0", "file: not a picture"),
        ("a.jpg\0.exe/../b.sh;rm", b"#!/bin/sh", "file: not a picture"),
        ("0", b"no camera", "file: not a picture"),
    ],
    ids=["malformed", "cut off", "bomb", "empty", "no video", "traversal", "odd name", "camera"],
)
def test_no_picture(client: TestClient, name: str, content: bytes, words: str) -> None:
    refused(client.post("/v1/liveness", files={"file": (name, content)}), 422, words)


@UNENDED
def test_wrong_kinds_of_bodies(client: TestClient, tables: Path) -> None:
    refused(client.post("/v1/liveness", json={"file": "a.jpg"}), 422, "file: field required")
    refused(client.post("/v1/liveness"), 422, "file: field required")
    cut = b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\nno end'
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    answer = client.post("/v1/liveness", content=cut, headers=kind)
    refused(answer, 400, "cut off")
    scores = (tables / "scores.csv").read_bytes()
    files = {"scores": ("a.csv", scores), "calibration": ("b.csv", b"score\n1\nx\n")}
    refused(client.post("/v1/privacy/mia", files=files), 422, "calibration.csv")
    files["calibration"] = ("b.parquet", b"PAR1" + os.urandom(64) + b"PAR1")
    refused(client.post("/v1/privacy/mia", files=files), 422, "calibration.parquet")
    files["calibration"] = ("b.csv", scores)
    refused(client.post("/v1/privacy/mia", files=files, data={"alpha": "2"}), 422, "alpha")
    refused(client.post("/v1/privacy/mia", files=files, data={"method": "x"}), 422, "method")
    detector = {"detector": "os:system", "pasted": "a text"}
    texts = {"calibration": ("a.txt", b"some text")}
    refused(client.post("/v1/text/detect", files=texts, data=detector), 422, "detector")


@UNENDED
def test_a_body_that_is_too_large(client: TestClient) -> None:
    large = {"file": ("a.jpg", bytes(5_000_001))}
    refused(client.post("/v1/liveness", files=large), 413, "more than 5 MB")

    def pieces() -> Iterator[bytes]:  # without a length
        yield b'--b\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
        for _ in range(80):
            yield bytes(65536)

    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    refused(client.post("/v1/liveness", content=pieces(), headers=kind), 413, "more than 5 MB")
    page = client.post("/liveness", files=large)
    assert page.status_code == 413
    assert "more than 5 MB" in page.text


@pytest.mark.parametrize(
    "name",
    [
        "..",
        "../secret",
        "..%2fsecret",
        "%2e%2e/secret",
        "leaks/../../secret",
        "link",
        "/etc",
        "%00",
        ".",
        "broken/evidence.json",
        "nobody",
    ],
)
def test_names_do_not_leave_the_folder_of_runs(client: TestClient, name: str) -> None:
    places = ("/v1/runs/", "/runs/report/")
    for place in places if name.strip(".") else ():  # the client itself resolves these two
        answer = client.get(place + name)
        assert answer.status_code in (303, 307, 404, 422), answer.text
        assert "secret/evidence" not in answer.text
    answer = client.get("/v1/runs/compare", params={"a": name, "b": "leaks"})
    assert answer.status_code == 422, answer.text


def test_another_site_may_not_send_forms(
    client: TestClient, photograph: dict[str, tuple[str, bytes]]
) -> None:
    for headers in (
        {"Origin": "http://elsewhere.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:9000"},
        {"Origin": "http://[bad"},
        {"Sec-Fetch-Site": "cross-site", "Origin": HERE},
        {"Sec-Fetch-Site": "same-site"},
    ):
        answer = client.post("/v1/liveness", files=photograph, headers=headers)
        refused(answer, 403, "another site")
    for headers in ({"Origin": HERE}, {"Sec-Fetch-Site": "same-origin"}):
        assert client.post("/v1/liveness", files=photograph, headers=headers).status_code == 200


def test_another_name_of_this_machine_is_refused(client: TestClient) -> None:
    answer = client.get("/v1/runs", headers={"Host": "rebound.example"})
    refused(answer, 403, "127.0.0.1")
    assert client.get("/healthz", headers={"Host": "localhost:1"}).status_code == 200


def test_a_token_is_needed(runs: Path) -> None:
    app = create_app(Settings(host="0.0.0.0", token=TOKEN, runs=runs, workers=1))
    with TestClient(app, base_url="http://house.example", follow_redirects=False) as client:
        assert client.get("/healthz").status_code == 200
        for path in ("/v1/runs", "/v1/openapi.json"):
            refused(client.get(path), 401, "Bearer")
        assert client.get("/metrics").headers["location"] == "/login"
        assert client.get("/runs").headers["location"] == "/login"
        assert client.post("/privacy/mia").status_code == 401
        for wrong in ("", "Bearer", "Bearer ", f"Basic {TOKEN}", f"Bearer {TOKEN}x", "Bearer é"):
            given = {b"Authorization": wrong.encode()}
            refused(client.get("/v1/jobs/a", headers=given), 401, "Bearer")
        given = {b"Authorization": f"Bearer {TOKEN}".encode()}
        assert client.get("/metrics", headers=given).status_code == 200
        for cookie in ("", TOKEN, "\\"):
            given = {b"Cookie": f"sterling={cookie}".encode()}
            assert client.get("/runs", headers=given).status_code == 303
        assert client.post("/login", data={"token": "wrong"}).status_code == 401
        entered = client.post("/login", data={"token": TOKEN})
        assert entered.status_code == 303
        cookie = entered.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=strict" in cookie
        assert TOKEN not in cookie
        assert client.get("/").status_code == 200
        assert client.post("/logout").status_code == 303
        assert client.get("/").status_code == 303


def test_an_address_of_others_takes_a_long_token() -> None:
    for host in ("0.0.0.0", "::", "192.0.2.1", "house.example"):
        with pytest.raises(InputError, match="STERLING_TOKEN"):
            Settings(host=host)
    with pytest.raises(InputError, match="16 or more"):
        Settings(host="0.0.0.0", token="short")
    for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost"):
        assert Settings(host=host).local


def test_every_answer_has_the_headers(client: TestClient) -> None:
    for path in ("/", "/nowhere", "/v1/runs", "/healthz"):
        answer = client.get(path)
        for name, value in HEADERS.items():
            assert answer.headers[name] == value, path
    assert "'unsafe" not in HEADERS["Content-Security-Policy"]
    assert "sandbox" in client.get("/runs/report/leaks").headers["Content-Security-Policy"]
    own = {"X-Request-ID": "mine-1"}
    assert client.get("/", headers=own).headers["X-Request-ID"] == "mine-1"
    odd = client.get("/", headers={"X-Request-ID": "a b<script>"}).headers["X-Request-ID"]
    assert len(odd) == 32


def test_text_from_outside_is_escaped(client: TestClient) -> None:
    markup = "<b>record</b>,9\n"
    known = "record,score\n" + "".join(f"k{i},{i / 100}\n" for i in range(100))
    files = {
        "scores": ("a.csv", f"record,score\n{markup}".encode()),
        "calibration": ("b.csv", known.encode()),
    }
    page = client.post("/privacy/mia", files=files).text
    assert "&lt;b&gt;record&lt;/b&gt;" in page
    assert "<b>record" not in page


def test_a_fault_of_ours_tells_nothing(runs: Path, caplog: pytest.LogCaptureFixture) -> None:
    app = create_app(Settings(runs=runs, workers=1))

    async def broken() -> None:
        message = "what somebody sent"
        raise RuntimeError(message)

    app.add_api_route("/v1/broken", broken)
    with TestClient(app, base_url=HERE) as client:
        answer = client.get("/v1/broken", headers={"X-Request-ID": "one"})
    refused(answer, 500, "tell the operator one")
    assert "one broke: RuntimeError at " in caplog.text
    assert "what somebody sent" not in caplog.text + answer.text


def test_nothing_is_kept_or_logged(
    client: TestClient,
    photograph: dict[str, tuple[str, bytes]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    private = "a-private-name"
    files = {"file": (f"{private}.jpg", photograph["file"][1])}
    assert client.post("/v1/liveness", files=files).status_code == 200
    client.post("/v1/liveness", files={"file": (f"{private}.png", b"broken")})
    client.get(f"/v1/runs/{private}")
    client.get(f"/v1/jobs/{private}")
    logged = [one.getMessage() for one in caplog.records if not one.name.startswith("httpx")]
    assert any("POST /v1/liveness 200" in line for line in logged)
    assert not any(private in line for line in logged)
    service = client.app.state.service  # type: ignore[attr-defined]
    for pool in (service.pool, service.jobs.pool):
        assert not [path for path in pool.root.rglob("*") if path.is_file()]
        assert pool.held == 0
    measured = client.get("/metrics").text
    assert private not in measured
    assert 'sterling_requests_total{route="/v1/runs/{name:path}",status="422"}' in measured
