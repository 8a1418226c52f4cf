"""Cells of a run on a Ray cluster, which need not share a disk with this machine."""

import socket
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from threadpoolctl import threadpool_limits

from sterling.errors import InputError
from sterling.runs import Cell, Outcome, attempt, inline, package_versions
from sterling.scale.ray_workers import connect
from sterling.storage import parse_checked, write_atomically

Files = dict[str, bytes]
"""Files that a cell left, by their path in the run folder."""

ANSWER_S = 5.0  # how long we wait for an address before we call it silent
ATTEMPTS = 2  # a worker that dies, hangs or returns nonsense costs its cell one retry
STARTS = 4  # so many workers may die before their first cell
IDLE = -1  # in place of an index: a worker that starts and has no cell yet


@dataclass(frozen=True)
class RayCells:
    """Cells on an existing Ray cluster, or on a local one that is started: a `Backend`.

    Every core of the cluster runs one cell at a time, in a temporary folder there; the files that
    the cell leaves come back with its answer. A cell whose worker dies, exceeds the deadline or
    returns something else than rows is retried once on a new worker, then reported as failed.

    Attributes:
        address: Address of the cluster (``host:port``, ``ray://host:port`` or ``auto``); None
            starts Ray on this machine.
        deadline: Seconds that a cell may take; None waits for ever.

    Raises:
        InputError: Ray is not installed, the address does not answer, or the deadline is not
            positive.

    Examples:
        ```python
        run_study(study, config, ..., backend=RayCells("10.0.0.7:6379", deadline=600))
        ```
    """

    address: str | None = None
    deadline: float | None = None

    def __post_init__(self) -> None:
        if self.deadline is not None and not self.deadline > 0:
            raise InputError(f"deadline {self.deadline:g}: give a number of seconds above 0")

    def __call__(
        self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]
    ) -> Iterator[tuple[int, Outcome]]:
        """Run calls whose last argument is their `Cell`."""
        if not calls:
            return
        _require_answer(self.address)
        ray = connect(self.address)
        pool = _Pool(ray, function, calls, self.deadline)
        try:
            yield from pool.outcomes()
        finally:
            pool.close()


def _require_answer(address: str | None) -> None:
    """Ray itself waits for a minute, and then ends the process."""
    if address is None or address == "auto":
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=ANSWER_S).close()
    except (OSError, ValueError, OverflowError) as error:
        raise InputError(
            f"--address {address}: no Ray cluster answers ({error}); give the host:port that "
            "`ray start --head` printed"
        ) from error


class _Worker:
    """Runs cells on its machine, one at a time."""

    def ready(self) -> None:
        """Answer once the worker has started."""

    def run(self, function: Callable[..., Any], shared: tuple[Any, ...], cell: Cell) -> Outcome:
        return attempt(_files_of, function, shared, cell)


def _files_of(function: Callable[..., Any], shared: tuple[Any, ...], cell: Cell) -> Files:
    """Measure a cell in a temporary folder and return the files that it leaves there."""
    here, there = package_versions(), cell.run.versions
    packages = here.keys() | there.keys() - {"machine", "git"}
    differing = sorted(name for name in packages if here.get(name) != there.get(name))
    if differing:
        raise InputError(
            f"a Ray worker on {socket.gethostname()} has another version of "
            f"{', '.join(differing)}; install there what this machine has"
        )
    with TemporaryDirectory() as name, threadpool_limits(1):
        folder = Path(name)
        away = replace(cell, run=replace(cell.run, folder=folder, backend=inline))
        function(*shared, away)
        return {
            path.relative_to(folder).as_posix(): path.read_bytes()
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }


@dataclass
class _Pool:
    """Workers of one map: which call each of them has, and since when.

    Attributes:
        ray: The module, connected.
        function: Function of the calls.
        calls: Positional arguments of each call; all but the last one are the same for all.
        deadline: Seconds that a cell may take.
    """

    ray: Any
    function: Callable[..., Any]
    calls: Sequence[tuple[Any, ...]]
    deadline: float | None
    _busy: dict[Any, tuple[Any, int, float]] = field(default_factory=dict)
    _failed_starts: int = 0

    def __post_init__(self) -> None:
        self._shared = self.ray.put(self.calls[0][:-1])  # sent once to each machine
        self._waiting = list(reversed(range(len(self.calls))))
        self._tries = [0] * len(self.calls)

    def outcomes(self) -> Iterator[tuple[int, Outcome]]:
        """Yield the index of each call, with None once its files are here or with its failure."""
        cores = int(self.ray.cluster_resources().get("CPU", 1))
        for _ in range(min(cores, len(self.calls))):
            self._hire()
        open_calls = len(self.calls)
        while open_calls:
            for index, outcome in self._arrivals():
                if isinstance(outcome, _LostCellError):
                    self._tries[index] += 1
                    if self._tries[index] < ATTEMPTS:
                        self._waiting.append(index)
                        continue
                    outcome = RuntimeError(f"{outcome} ({ATTEMPTS} attempts)")
                open_calls -= 1
                yield index, outcome

    def close(self) -> None:
        """End the workers."""
        for worker, _, _ in self._busy.values():
            self.ray.kill(worker)

    def _hire(self) -> None:
        worker = self.ray.remote(num_cpus=1, max_restarts=0)(_Worker).remote()
        self._busy[worker.ready.remote()] = (worker, IDLE, time.monotonic())

    def _replace(self, worker: Any) -> None:
        self.ray.kill(worker)
        self._hire()

    def _assign(self, worker: Any) -> None:
        if not self._waiting:
            self.ray.kill(worker)
            return
        index = self._waiting.pop()
        cell = self.calls[index][-1]
        reference = worker.run.remote(self.function, self._shared, cell)
        self._busy[reference] = (worker, index, time.monotonic())

    def _arrivals(self) -> Iterator[tuple[int, "Outcome | _LostCellError"]]:
        """Wait for answers, give their workers new cells, and end workers past the deadline."""
        ready, _ = self.ray.wait(list(self._busy), num_returns=1, timeout=self._patience())
        for reference in ready:
            worker, index, _ = self._busy.pop(reference)
            outcome = self._answer(reference, index)
            if isinstance(outcome, _LostCellError):
                self._replace(worker)
            else:
                self._assign(worker)
            if index != IDLE:
                yield index, outcome
            elif isinstance(outcome, _LostCellError):
                self._failed_starts += 1
                if self._failed_starts == STARTS:
                    raise InputError(f"workers do not start on the Ray cluster: {outcome}")
        now = time.monotonic()
        for reference, (worker, index, since) in list(self._busy.items()):
            late = self.deadline is not None and index != IDLE and now - since > self.deadline
            if late and not self.ray.wait([reference], timeout=0)[0]:  # and it has not answered
                del self._busy[reference]
                self._replace(worker)
                yield index, _LostCellError(f"no answer within {self.deadline:g} s")

    def _patience(self) -> float | None:
        starts = [since for _, index, since in self._busy.values() if index != IDLE]
        if self.deadline is None or not starts:
            return None
        return max(0.0, min(starts) + self.deadline - time.monotonic())

    def _answer(self, reference: Any, index: int) -> "Outcome | _LostCellError":
        try:
            answer = self.ray.get(reference)
        except self.ray.exceptions.RayError as error:
            return _LostCellError(f"its worker died: {str(error).strip().splitlines()[0]}")
        if index == IDLE or isinstance(answer, Exception):
            return answer
        try:
            _receive(answer, self.calls[index][-1])
        except ValueError as error:
            return _LostCellError(f"its worker returned nonsense: {error}")
        return None


class _LostCellError(Exception):
    """A cell without a usable answer, which another worker may give."""


def _receive(files: Files, cell: Cell) -> None:
    """Write the files of a finished cell into the run folder, its rows last.

    Raises:
        ValueError: They are not the files of this cell.
    """
    folder = cell.run.folder
    rows_file = cell.path.relative_to(folder).as_posix()
    if not isinstance(files, dict) or rows_file not in files:
        raise ValueError("no rows")
    value = parse_checked(files[rows_file])
    rows = value.get("rows") if isinstance(value, dict) else None
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ValueError("rows are no list of objects")
    for name in sorted(files, key=lambda name: name == rows_file):
        path = folder / name
        if not path.resolve().is_relative_to(folder.resolve()):
            raise ValueError(f"{name} lies outside the run folder")
        write_atomically(path, files[name])
