"""Cells on a Ray cluster of two workers of one core each."""

import os
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from sterling.errors import CellsFailedError, InputError
from sterling.runs import Backend, Cell, Row, Run, inline, open_run
from sterling.scale.backends import backend_of
from sterling.scale.ray_cells import RayCells

ray = pytest.importorskip("ray", reason="ray is not installed: pip install 'sterling[scale]'")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Address of a cluster of two nodes of one core each."""
    from ray.cluster_utils import Cluster

    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    cluster.add_node(num_cpus=1)
    yield cluster.address
    ray.shutdown()
    cluster.shutdown()  # type: ignore[no-untyped-call]


@contextmanager
def running(folder: Path, backend: Backend) -> Iterator[Run]:
    with open_run(folder, identity={"study": "toy"}, seed=1, backend=backend) as run:
        yield run


def mapped(
    folder: Path, backend: Backend, cell: Callable[..., Any], *arguments: Any, cells: int = 6
) -> list[Row]:
    with running(folder, backend) as run:
        grid = [{"system": "ab"[index % 2], "repetition": index} for index in range(cells)]
        return run.map(cell, grid, *arguments, seed="toy/{system}/{repetition}")


def drawing(scale: float, cell: Cell) -> list[Row]:
    rng = np.random.default_rng(cell.seed)
    cell.keep_scores(pl.DataFrame({"repetition": cell.repetition, "score": rng.normal(size=3)}))
    cell.run.stage(f"extra-{cell.repetition}", lambda: cell.repetition)
    return [{"metric": "draw", "value": scale * float(rng.normal())}]


def naming_its_folder(cell: Cell) -> list[Row]:
    return [{"metric": "folder", "value": str(cell.run.folder), "process": os.getpid()}]


def broken_at_first(how: str, tried: Path, cell: Cell) -> list[Row]:
    """Repetition 1 dies or hangs; the second time it works, unless `how` says "always"."""
    first = not tried.exists()
    if cell.repetition == 1 and (first or "always" in how):
        tried.touch()
        if "die" in how:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)
    return [{"metric": "draw", "value": cell.seed}]


def test_the_same_to_the_last_digit_without_a_shared_disk(address: str, tmp_path: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    rows = mapped(here, inline, drawing, 2.0, cells=30)
    assert mapped(there, RayCells(address), drawing, 2.0, cells=30) == rows

    def content(folder: Path) -> dict[str, bytes]:
        kept = [*folder.rglob("stages/*"), folder / "scores.parquet"]
        return {str(path.relative_to(folder)): path.read_bytes() for path in kept}

    assert content(there) == content(here)
    assert len(content(here)) == 3 * 30 + 1
    folders = mapped(tmp_path / "run", RayCells(address), naming_its_folder)
    assert not any(str(tmp_path) in row["value"] for row in folders)
    assert len({row["process"] for row in folders}) == 2, "both workers are used"


@pytest.mark.parametrize("how", ["die", "hang"])
def test_a_worker_that_dies_or_hangs_once_costs_nothing(
    how: str, address: str, tmp_path: Path
) -> None:
    backend = RayCells(address, deadline=5 if how == "hang" else None)
    rows = mapped(tmp_path / "run", backend, broken_at_first, how, tmp_path / "tried")
    assert rows == mapped(tmp_path / "b", inline, broken_at_first, "", tmp_path / "tried")


@pytest.mark.parametrize(
    ("how", "message"),
    [
        ("always die", r"its worker died: .* \(2 attempts\)"),
        ("always hang", "no answer within 2 s"),
    ],
)
def test_a_cell_that_always_breaks_its_worker_is_named_and_the_others_are_kept(
    how: str, message: str, address: str, tmp_path: Path
) -> None:
    backend = RayCells(address, deadline=2 if "hang" in how else None)
    with pytest.raises(
        CellsFailedError, match=rf"1 of 6 cells failed \(system b, repetition 1: .*{message}"
    ):
        mapped(tmp_path / "run", backend, broken_at_first, how, tmp_path / "tried")
    assert len(list((tmp_path / "run" / "stages").iterdir())) == 5


def babbling(cell: Cell) -> None:
    cell.path.parent.mkdir(parents=True, exist_ok=True)
    if content := cell.point["content"]:
        cell.path.write_text(str(content))


def test_nonsense_is_refused_and_not_written(address: str, tmp_path: Path) -> None:
    with running(tmp_path, RayCells(address)) as run:
        contents = ["", "not json", '{"metric": 1}', "[1, 2]"]
        cells = [Cell(run, "toy", {"content": content}, 1) for content in contents]
        outcomes = dict(run.backend(babbling, [(cell,) for cell in cells]))
    assert sorted(outcomes) == [0, 1, 2, 3]
    assert all("returned nonsense" in str(outcome) for outcome in outcomes.values())
    assert not (tmp_path / "stages").exists()


def wrong_input(cell: Cell) -> list[Row]:
    raise InputError(f"repetition {cell.repetition}: give another")


def test_wrong_input_ends_the_run_with_its_own_message(address: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^repetition \d: give another$"):
        mapped(tmp_path, RayCells(address), wrong_input)


def test_a_worker_with_other_packages_is_refused(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sterling.runs.record_versions", lambda: {"numpy": "0.1", "machine": "x"})
    with pytest.raises(InputError, match=r"another version of .*numpy.*; install there"):
        mapped(tmp_path, RayCells(address), drawing, 1.0)


def test_bad_addresses_and_deadlines_are_one_line() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        silent = f"127.0.0.1:{server.getsockname()[1]}"
    for address in (silent, "nowhere", "127.0.0.1:port", "127.0.0.1:99999999"):
        with pytest.raises(InputError, match=r"no Ray cluster answers .*ray start --head"):
            list(RayCells(address)(drawing, [(None,)]))
    with pytest.raises(InputError, match="deadline 0: give a number of seconds above 0"):
        RayCells(deadline=0)
    with pytest.raises(InputError, match="go with --backend ray, not processes"):
        backend_of("processes", address=silent)
    with pytest.raises(InputError, match="backend 'rey'"):
        backend_of("rey")
