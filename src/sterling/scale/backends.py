"""Backends for the cells of a run: this process, several, or a Ray cluster.

A backend is any `sterling.runs.Backend`; the figures of a run do not depend on it.
"""

import multiprocessing
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager
from typing import Any

from sterling.errors import InputError, unknown_name
from sterling.runs import Backend, Outcome, attempt, inline
from sterling.scale.ray_cells import RayCells

PRELOADED = ("torch._dynamo", "sklearn.linear_model")
"""Slow to import, used by most studies (the first one by every optimiser), and without threads, so
that they survive a fork. polars has threads, and is left to each process."""


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


def _context() -> multiprocessing.context.BaseContext:
    """A server that has imported `PRELOADED`; on Windows, which cannot fork, new processes."""
    if "forkserver" not in multiprocessing.get_all_start_methods():
        return multiprocessing.get_context("spawn")
    from multiprocessing import forkserver

    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([*PRELOADED])
    with _one_thread():
        forkserver.ensure_running()
    return context


def processes(
    function: Callable[..., Any], calls: Sequence[tuple[Any, ...]]
) -> Iterator[tuple[int, Outcome]]:
    """Run calls in processes of one thread each, one per core: a `Backend`.

    The processes are forked from a server that has imported `PRELOADED` and computed nothing, so
    that a second process, or a second call, need not import that again.
    """
    if not calls:
        return
    context = _context()
    with ProcessPoolExecutor(
        min(os.cpu_count() or 1, len(calls)),
        mp_context=context,
        initializer=os.putenv,
        initargs=("OMP_NUM_THREADS", "1"),
    ) as pool:
        futures = {pool.submit(attempt, function, *call): n for n, call in enumerate(calls)}
        workers = dict(pool._processes)  # public, as kill_workers(), from Python 3.14 on
        try:
            for future in as_completed(futures):
                # A process that was killed, or an exception that cannot be sent, fails here.
                yield futures[future], attempt(future.result)
        except BaseException:  # the run ends: nobody waits for what is under way
            pool.shutdown(wait=False, cancel_futures=True)
            for worker in workers.values():
                worker.kill()
            raise


BACKENDS: dict[str, Backend] = {"processes": processes, "inline": inline, "ray": RayCells()}


def backend_of(name: str, *, address: str | None = None, deadline: float | None = None) -> Backend:
    """Return the backend of that name.

    Args:
        name: ``processes``, ``inline`` or ``ray``.
        address: Address of the Ray cluster; see `RayCells`.
        deadline: Seconds that a cell may take on Ray.

    Raises:
        InputError: No backend has that name, or the others are given and it is not ``ray``.
    """
    if name not in BACKENDS:
        raise unknown_name("backend", name, BACKENDS)
    if name == "ray":
        return RayCells(address, deadline)
    if address is not None or deadline is not None:
        raise InputError(f"--address and --deadline go with --backend ray, not {name}")
    return BACKENDS[name]
