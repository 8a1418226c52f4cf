"""A service with two small runs, and files to send."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import uvicorn
from starlette.testclient import TestClient
from tests.cli.command import run

from sterling.serve import Settings, create_app

ASTRONAUT = Path(__file__).resolve().parents[2] / "examples" / "photographs" / "astronaut.jpg"
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
def client(runs: Path) -> Iterator[TestClient]:
    settings = Settings(runs=runs, workers=1, megabytes=2)
    with TestClient(create_app(settings), base_url=HERE, follow_redirects=False) as opened:
        yield opened


@pytest.fixture
def photograph() -> dict[str, tuple[str, bytes]]:
    return {"file": ("me.jpg", ASTRONAUT.read_bytes())}


@pytest.fixture(scope="session")
def address(runs: Path) -> Iterator[str]:
    """A server that listens, as neither Chromium nor Schemathesis asks a test client."""
    app = create_app(Settings(runs=runs, workers=1, queue=400, megabytes=2))
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
