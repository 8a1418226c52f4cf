"""Long work: started by one request, looked at by others, kept for a while, and then forgotten."""

import secrets
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import IO, Any, Literal

from sterling.errors import InputError
from sterling.serve.pool import BusyError, DeadlineError, Pool, Ticket

State = Literal["waiting", "running", "done", "failed", "cancelled"]

KEPT_SECONDS = 900.0
"""Time that the answer of a job is kept. Our choice."""

FILES = "files"
"""Key of a task's answer under which its files are, apart from the document."""

KEPT = 100
"""Jobs that are kept at most. Our choice."""


@dataclass
class Job:
    """Work under way, or its answer.

    Attributes:
        id: Name that nobody can guess.
        ticket: The call.
        task: Name of the task.
        done: Number of items of the step done.
        total: Number of all items of the step; 0 where it is unknown.
        step: Name of the step; "" for a task of one.
        ended: Clock when it ended, in seconds; None before.
    """

    id: str
    ticket: Ticket = field(repr=False)
    task: str
    done: int = 0
    total: int = 0
    step: str = ""
    ended: float | None = None

    @property
    def state(self) -> State:
        """State of the job."""
        future = self.ticket.future
        if self.ticket.cancelled or future.cancelled():  # the latter by a service that stops
            return "cancelled"
        if not future.done():
            return "running" if self.ticket.worker is not None else "waiting"
        return "failed" if future.exception() else "done"

    @property
    def error(self) -> str:
        """Why it failed, on one line; ``""`` unless it did."""
        error = self.ticket.future.exception() if self.state == "failed" else None
        if error is None:
            return ""
        return str(error) if isinstance(error, (InputError, DeadlineError)) else "it broke"

    @property
    def files(self) -> dict[str, str]:
        """Files of the answer by name; none until the job is done."""
        if self.state != "done":
            return {}
        return dict(self.ticket.future.result().get(FILES, {}))

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object; ``document`` is null until the job is done."""
        done = self.ticket.future.result() if self.state == "done" else None
        document = done and {name: value for name, value in done.items() if name != FILES}
        return {
            "id": self.id,
            "state": self.state,
            "done": self.done,
            "total": self.total,
            "step": self.step,
            "error": self.error,
            "document": document,
            "files": list(self.files),
        }


class Jobs:
    """Jobs by id, one worked on at a time."""

    def __init__(self, *, queue: int, seconds: float) -> None:
        self.pool = Pool(1, queue=queue)
        self.seconds = seconds
        self._jobs: dict[str, Job] = {}
        self._lock = threading.Lock()

    def start(self, task: str, files: Mapping[str, IO[bytes]], arguments: Mapping[str, Any]) -> Job:
        """Queue a job.

        Raises:
            BusyError: Too many wait or are kept.
        """
        self._sweep()
        if len(self._jobs) >= KEPT:
            raise BusyError
        started: list[Job] = []

        def report(done: int, total: int, step: str = "") -> None:
            if started:
                started[0].done, started[0].total, started[0].step = done, total, step

        ticket = self.pool.submit(task, files, arguments, seconds=self.seconds, report=report)
        job = Job(secrets.token_urlsafe(16), ticket, task)
        started.append(job)
        with self._lock:
            self._jobs[job.id] = job

        def end(_future: object) -> None:
            job.ended = time.monotonic()

        ticket.future.add_done_callback(end)
        return job

    def get(self, name: str) -> Job:
        """Return a job.

        Raises:
            KeyError: There is none of this id, or it is forgotten.
        """
        self._sweep()
        return self._jobs[name]

    def close(self) -> None:
        """End every job."""
        self.pool.close()

    def _sweep(self) -> None:
        now = time.monotonic()
        with self._lock:
            for name, job in list(self._jobs.items()):
                if job.ended is not None and now - job.ended > KEPT_SECONDS:
                    del self._jobs[name]
