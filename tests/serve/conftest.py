"""A service with two small runs and a detector of texts, and files to send."""

import json
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import uvicorn
from starlette.testclient import TestClient
from tests.cli.command import run

from sterling.serve import Settings, create_app
from sterling.text.corpus.given import join_texts
from sterling.text.corpus.prose import human_prose
from sterling.text.corpus.records import read_corpus
from sterling.text.detectors import make_detector, train_detector

ASTRONAUT = Path(__file__).resolve().parents[2] / "examples" / "photographs" / "astronaut.jpg"
CHOSEN = {"attack": "homo", "detector": "character_ngrams", "share": "0.5", "fpr": "0.1"}
HERE = "http://127.0.0.1:8000"


@pytest.fixture(scope="session")
def tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Scores of members and non-members, and losses of forgotten and unseen records."""
    folder = tmp_path_factory.mktemp("tables")
    rng = np.random.default_rng(0)
    for name, members in (("scores", 40), ("calibration", 0)):
        values = rng.normal(0, 1, 200) + 4 * (np.arange(200) < members)
        table = {"record": [f"{name}{i}" for i in range(200)], "score": values}
        pl.DataFrame(table).write_csv(folder / f"{name}.csv")
    for name, mean in (("forget", 0.3), ("holdout", 1.0)):
        pl.DataFrame({"loss": rng.exponential(mean, 200)}).write_csv(folder / f"{name}.csv")
    return folder


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, tables: Path) -> Path:
    """Two audits, one of which finds that nothing was forgotten, and a damaged run."""
    folder = tmp_path_factory.mktemp("runs")
    for name, forget in (("leaks", "forget"), ("nested/clean", "holdout")):
        other = folder / "other.csv"
        pl.read_csv(tables / "holdout.csv").reverse().write_csv(other)
        files = ("--forget", tables / f"{forget}.csv", "--holdout", other)
        done = run("privacy", "audit", *files, "--out", folder / name)
        assert done.status in (0, 1, 4), done.err
        other.unlink()
    (folder / "broken").mkdir()
    (folder / "broken" / "evidence.json").write_text('{"schema_version": 1')
    (folder.parent / "secret").mkdir(exist_ok=True)
    (folder.parent / "secret" / "evidence.json").write_text("{}")
    (folder / "link").symlink_to(folder.parent / "secret")
    return folder


@pytest.fixture(scope="session")
def client(runs: Path, trained: Path) -> Iterator[TestClient]:
    settings = Settings(runs=runs, workers=1, megabytes=5, text_detectors=(trained,))
    with TestClient(create_app(settings), base_url=HERE, follow_redirects=False) as opened:
        yield opened


@pytest.fixture
def photograph() -> dict[str, tuple[str, bytes]]:
    return {"file": ("me.jpg", ASTRONAUT.read_bytes())}


@pytest.fixture(scope="session")
def address(runs: Path) -> Iterator[str]:
    """A server that listens, as neither Chromium nor Schemathesis asks a test client."""
    # No job may load PyTorch behind the tests.
    settings = Settings(runs=runs, workers=1, queue=400, megabytes=2, job_seconds=0.1)
    app = create_app(settings)
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_config=None, ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    ends = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < ends
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join()


def passages() -> list[str]:
    return [one.text for one in human_prose("manual", 40)]


def as_a_machine(text: str) -> str:
    """A habit that a detector can learn and an attack can hide."""
    return text.replace("is", "be").replace("the", "that")


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Passages of a manual, half of them with a habit that plays the machine."""
    folder = tmp_path_factory.mktemp("texts")
    found = passages()
    for kind, some in (("human", found[:48]), ("machine", map(as_a_machine, found[48:96]))):
        rows = [{"id": f"{kind}{row}", "text": text} for row, text in enumerate(some)]
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (folder / f"{kind}.jsonl").write_text(lines)
    return folder


def uploads(texts: Path) -> dict[str, tuple[str, bytes]]:
    names = ("human", "machine")
    return {name: (f"{name}.jsonl", (texts / f"{name}.jsonl").read_bytes()) for name in names}


def finished(client: TestClient, place: str) -> dict[str, Any]:
    ends = time.monotonic() + 120
    while (job := client.get(place).json())["state"] in ("waiting", "running"):
        assert time.monotonic() < ends
        time.sleep(0.2)
    return dict(job)


def line(text: str, label: int = 0) -> str:
    return json.dumps({"text": text, "label": label}) + "\n"


@pytest.fixture(scope="session")
def trained(texts: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A detector of the operator's, without a language model."""
    human, machine = (read_corpus(texts / f"{kind}.jsonl") for kind in ("human", "machine"))
    records = join_texts(human, machine).records
    train, dev = ([one for one in records if one.split == name] for name in ("train", "dev"))
    folder = tmp_path_factory.mktemp("own") / "letters"
    train_detector(make_detector("character_ngrams"), train, dev).save(folder)
    return folder


@pytest.fixture(scope="session")
def attacked(client: TestClient, texts: Path) -> str:
    """The place of a job that has attacked a detector."""
    started = client.post("/v1/text/attack", files=uploads(texts), data=CHOSEN)
    assert started.status_code == 202, started.text
    return str(started.headers["location"])


@pytest.fixture(scope="session")
def listed(client: TestClient) -> str:
    """The place of a job that has listed texts, by the operator's detector."""
    files = {
        "calibration": ("c.jsonl", "".join(map(line, passages()[100:115])).encode()),
        "texts": (
            "t.jsonl",
            (line(as_a_machine(passages()[120])) + line(passages()[121])).encode(),
        ),
    }
    started = client.post(
        "/v1/text/detect", files=files, data={"detector": "letters", "fdr": "0.2"}
    )
    assert started.status_code == 202, started.text
    return str(started.headers["location"])
