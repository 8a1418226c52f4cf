"""Workers: deadlines, cancellation, a full queue, a process that ends, and stopping."""

import io
import os
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient
from tests.serve.conftest import ASTRONAUT, HERE

from sterling.errors import InputError
from sterling.serve import Settings, create_app
from sterling.serve.pool import BusyError, CancelledError, DeadlineError, Pool, Ticket
from sterling.serve.worker import explain

GIVEN = {"detector": "compact", "detector_name": "compact", "file": "file.jpg"}


@pytest.fixture
def pool() -> Iterator[Pool]:
    made = Pool(1, queue=1)
    yield made
    made.close()
    assert not made.root.exists()


def judge(pool: Pool, seconds: float = 60.0) -> Ticket:
    files = {"file.jpg": io.BytesIO(ASTRONAUT.read_bytes())}
    return pool.submit("liveness", files, GIVEN, seconds=seconds)


def until(condition: Any) -> None:
    ends = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < ends
        time.sleep(0.01)


def test_late_work_is_ended_and_the_next_call_is_answered(pool: Pool) -> None:
    with pytest.raises(DeadlineError, match=r"not done within 0\.05 s"):
        judge(pool, seconds=0.05).future.result()
    assert judge(pool).future.result()["answers"][0]["outcome"] == "bona fide"
    until(lambda: pool.held == 0)
    assert not [path for path in pool.root.rglob("*") if path.is_file()]


def test_a_full_queue_refuses_and_what_waits_can_be_cancelled(pool: Pool) -> None:
    first, second = judge(pool), judge(pool)
    with pytest.raises(BusyError):
        judge(pool)
    until(lambda: first.worker is not None)
    assert second.folder.exists()
    second.cancel()
    assert second.future.cancelled()
    assert not second.folder.exists()
    first.cancel()
    with pytest.raises(CancelledError):
        first.future.result()
    until(lambda: pool.held == 0)


def test_a_process_that_ends_costs_its_own_call_alone(pool: Pool) -> None:
    ticket = judge(pool)
    until(lambda: ticket.worker is not None and ticket.worker._child is not None)
    assert ticket.worker is not None
    assert ticket.worker._child is not None
    os.kill(ticket.worker._child.pid, signal.SIGKILL)
    with pytest.raises(InputError, match="ended the process"):
        ticket.future.result()
    assert judge(pool).future.result()["schema_version"] == 1


def test_a_closed_pool_ends_its_work_and_refuses() -> None:
    pool = Pool(1, queue=1)
    running, waiting = judge(pool), judge(pool)
    until(lambda: running.worker is not None)
    pool.close()
    assert isinstance(running.future.exception(), CancelledError)
    assert waiting.future.cancelled()
    with pytest.raises(BusyError):
        judge(pool)
    assert not pool.root.exists()


def test_the_token_is_not_given_to_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    from sterling.serve.pool import _environment

    monkeypatch.setenv("STERLING_TOKEN", "secret")
    assert "STERLING_TOKEN" not in _environment()


def test_errors_are_explained_and_ours_only_named() -> None:
    assert explain(InputError("a.csv: row 3")) == ("input", "a.csv: row 3")
    assert explain(ValueError("what somebody sent")) == ("broken", "ValueError")
    kind, message = explain(ModuleNotFoundError("no torch", name="torch"))
    assert (kind, message[-31:]) == ("input", "'sterling[train]' on the server")
    assert explain(ModuleNotFoundError("no x", name="x")) == ("broken", "ModuleNotFoundError")


def test_late_and_busy_as_answers(runs: Path) -> None:
    app = create_app(Settings(runs=runs, workers=1, queue=0, seconds=0.3))
    photograph = {"file": ("a.jpg", ASTRONAUT.read_bytes())}
    with TestClient(app, base_url=HERE) as client:
        answers: list[Any] = []

        def send() -> None:
            answers.append(client.post("/v1/liveness", files=photograph))

        threads = [threading.Thread(target=send) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    by_status = {answer.status_code: answer for answer in answers}
    assert set(by_status) == {503, 504}
    assert by_status[503].headers["Retry-After"] == "5"
    assert by_status[504].json()["error"] == "not done within 0.3 s; give less"
