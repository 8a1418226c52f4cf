"""Worker processes that answer calls, with a queue, deadlines and cancellation."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any

from sterling.errors import InputError
from sterling.serve.calls import Report

_PROGRAM = "from sterling.serve.worker import work; work()"
_LARGEST_ANSWER = 256 << 20
_GRACE = 2.0  # seconds in which a worker ends by itself, with the child that decodes for it

Document = dict[str, Any]


class BusyError(RuntimeError):
    """The queue is full."""


class DeadlineError(RuntimeError):
    """The work took too long and was ended."""


class CancelledError(RuntimeError):
    """The work was cancelled."""


class BrokenTaskError(RuntimeError):
    """The work broke by a fault of ours; the message is the type of the exception."""


class Ticket:
    """A call that waits or works.

    Attributes:
        future: Its document, or the error.
        folder: Private folder with its files.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.future: Future[Document]
        self.worker: Worker | None = None
        self.cancelled = False
        self._lock = threading.Lock()

    def cancel(self) -> None:
        """End the work; a call that has ended stays as it is."""
        with self._lock:
            if self.future.done():
                return
            self.cancelled = True
            if not self.future.cancel() and self.worker is not None:
                self.worker.stop()

    def give_to(self, worker: Worker | None) -> None:
        """Note who works on it.

        Raises:
            CancelledError: Nobody need begin.
        """
        with self._lock:
            self.worker = worker
            if worker is not None and self.cancelled:
                raise CancelledError


class Pool:
    """A number of worker processes and a queue.

    Args:
        workers: Number of processes.
        queue: Number of calls that may wait.

    Example::

        pool = Pool(2, queue=8)
        ticket = pool.submit("members", {"scores": file, ...}, {"alpha": 0.1}, seconds=60)
        ticket.future.result()
    """

    def __init__(self, workers: int, *, queue: int) -> None:
        self.root = Path(tempfile.mkdtemp(prefix="sterling-"))
        self.size, self.queue = workers, queue
        self.held = 0  # calls that wait or work
        self._lock = threading.Lock()
        self._closed = False
        self._threads = ThreadPoolExecutor(workers, "serve")
        self._all = [Worker(self.root / f"worker-{number}") for number in range(workers)]
        self._free: SimpleQueue[Worker] = SimpleQueue()
        for worker in self._all:
            self._free.put(worker)

    @property
    def waiting(self) -> int:
        """Number of calls that wait."""
        return max(0, self.held - self.size)

    def submit(
        self,
        task: str,
        files: Mapping[str, IO[bytes]],
        arguments: Mapping[str, Any],
        *,
        seconds: float,
        report: Report | None = None,
    ) -> Ticket:
        """Queue a call.

        Args:
            task: Name of the task.
            files: Content of files by their names in the worker's folder; copied before return.
            arguments: JSON object that the task gets.
            seconds: Time that it may work.
            report: Function of the number of items done, of all, and the step.

        Raises:
            BusyError: Too many calls wait, or the pool is closed.
        """
        with self._lock:
            if self._closed or self.held >= self.size + self.queue:
                raise BusyError
            self.held += 1
        ticket = Ticket(Path(tempfile.mkdtemp(prefix="request-", dir=self.root)))
        try:
            for name, content in files.items():
                place = ticket.folder / name
                place.parent.mkdir(exist_ok=True)
                with place.open("wb") as out:
                    shutil.copyfileobj(content, out)
            ticket.future = self._threads.submit(
                self._run, ticket, {"task": task, "arguments": dict(arguments)}, seconds, report
            )
        except BaseException:
            self._forget(ticket)
            raise
        ticket.future.add_done_callback(lambda _future: self._forget(ticket))
        return ticket

    def close(self) -> None:
        """End all workers and delete all files. Calls under way end as cancelled."""
        with self._lock:
            self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        for worker in self._all:
            worker.stop()
        self._threads.shutdown(wait=True)
        for worker in self._all:
            worker.close()
        shutil.rmtree(self.root, ignore_errors=True)

    def _run(
        self, ticket: Ticket, call: Document, seconds: float, report: Report | None
    ) -> Document:
        worker = self._free.get()
        try:
            worker.start()  # first, so that who cancels or closes finds a process to end
            ticket.give_to(worker)
            if self._closed:
                raise CancelledError
            return worker.answer(ticket.folder, call, seconds, report)
        except (BrokenPipeError, EOFError) as error:
            if ticket.cancelled or self._closed:
                raise CancelledError from error
            raise InputError(
                "what was sent ended the process that read it; damaged, or too large for the memory"
            ) from error
        finally:
            ticket.give_to(None)
            worker.clear()
            self._free.put(worker)

    def _forget(self, ticket: Ticket) -> None:
        shutil.rmtree(ticket.folder, ignore_errors=True)
        with self._lock:
            self.held -= 1


class Worker:
    """One process with a folder of its own, started when it is needed."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder = folder
        self._child: subprocess.Popen[bytes] | None = None

    def answer(
        self, files: Path, call: Document, seconds: float, report: Report | None
    ) -> Document:
        """Send a call and return its document.

        Raises:
            InputError: The input was wrong.
            DeadlineError: It took too long.
            BrokenTaskError: It broke.
            EOFError, BrokenPipeError: The process ended.
        """
        for path in files.iterdir():
            path.rename(self.folder / path.name)
        child = self.start()
        assert child.stdin is not None
        assert child.stdout is not None
        late = threading.Event()

        def end() -> None:
            late.set()
            self.stop()

        timer = threading.Timer(seconds, end)
        timer.daemon = True
        timer.start()
        try:
            child.stdin.write(json.dumps(call).encode() + b"\n")
            child.stdin.flush()
            return self._read(child.stdout, report)
        except (EOFError, BrokenPipeError) as error:
            self.stop()
            if late.is_set():
                raise DeadlineError(f"not done within {seconds:g} s; give less") from error
            raise
        finally:
            timer.cancel()
            timer.join()  # it must not end the next call

    def _read(self, answers: IO[bytes], report: Report | None) -> Document:
        while line := answers.readline(_LARGEST_ANSWER):
            if not line.endswith(b"\n"):
                break
            value = json.loads(line)
            if "document" in value:
                return dict(value["document"])
            if "error" in value:
                kinds = {"input": InputError, "broken": BrokenTaskError}
                raise kinds[value["error"]](value["message"])
            if report is not None:
                report(value["done"], value["total"], value["step"])
        raise EOFError

    def clear(self) -> None:
        """Delete every file that a call left."""
        for path in self.folder.iterdir():
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def stop(self) -> None:
        """End the process."""
        child = self._child
        if child is None:
            return
        child.terminate()
        try:
            child.wait(_GRACE)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()

    def close(self) -> None:
        """End the process and close its pipes; nobody may read from it."""
        self.stop()
        if self._child is not None:
            for pipe in (self._child.stdin, self._child.stdout):
                with contextlib.suppress(OSError):  # what could not be written is of no use
                    assert pipe is not None
                    pipe.close()
            self._child = None

    def start(self) -> subprocess.Popen[bytes]:
        """Return the process, started anew where it ended."""
        if self._child is not None:
            if self._child.poll() is None:
                return self._child
            self.close()
        self._child = subprocess.Popen(  # noqa: S603 - our own program
            [sys.executable, "-P", "-c", _PROGRAM],
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=_environment(),
            start_new_session=True,  # Ctrl-C is for the server, which ends its workers
        )
        return self._child


def _environment() -> dict[str, str]:
    """The server's environment without its token, and with its packages."""
    own = {name: value for name, value in os.environ.items() if name != "STERLING_TOKEN"}
    places = [str(Path(place).resolve()) for place in sys.path if place]
    return {**own, "PYTHONPATH": os.pathsep.join(places), "PYTHONDONTWRITEBYTECODE": "1"}
