import json
import multiprocessing
import os
import signal
from pathlib import Path

import numpy as np
import pytest

from sterling.errors import CellsFailedError, InputError
from sterling.runs import Cell, Row, derive_seed, open_run, record_versions, write_atomically
from sterling.scale.backends import BACKENDS

IDENTITY = {"study": "toy", "seed": 1}


def test_stage_is_computed_once_and_read_back(tmp_path: Path) -> None:
    calls: list[int] = []

    def compute() -> list[float]:
        calls.append(1)
        return [0.1 + 0.2, 1e-300]

    with open_run(tmp_path / "run", identity=IDENTITY, seed=1) as run:
        first = run.stage("numbers", compute)
    with open_run(tmp_path / "run", identity=IDENTITY, seed=1) as run:
        second = run.stage("numbers", compute)
    assert first == second == [0.1 + 0.2, 1e-300]
    assert len(calls) == 1


def test_a_stage_that_breaks_leaves_no_result_and_a_log(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with (
        pytest.raises(ZeroDivisionError),
        open_run(folder, identity=IDENTITY, seed=1) as run,
    ):
        run.stage("broken", lambda: 1 / 0)
    assert not list(folder.glob("stages/*"))
    assert "ZeroDivisionError" in (folder / "log.txt").read_text()


def test_nan_is_not_a_result(tmp_path: Path) -> None:
    with (
        open_run(tmp_path / "run", identity=IDENTITY, seed=1) as run,
        pytest.raises(ValueError, match="JSON"),
    ):
        run.stage("bad", lambda: float("nan"))


@pytest.mark.parametrize(
    ("identity", "named"),
    [({"study": "other", "seed": 1}, "study"), ({"study": "toy", "seed": 2}, "seed")],
)
def test_another_run_in_the_folder_is_refused(
    tmp_path: Path, identity: dict[str, object], named: str
) -> None:
    with open_run(tmp_path, identity=IDENTITY, seed=1):
        pass
    with (
        pytest.raises(InputError, match=f"another run .different: {named}"),
        open_run(tmp_path, identity=identity, seed=1),
    ):
        pass


def test_changed_package_versions_are_refused(tmp_path: Path) -> None:
    with open_run(tmp_path, identity=IDENTITY, seed=1):
        pass
    record = json.loads((tmp_path / "run.json").read_text())
    record["versions"]["torch"] = "0.0"
    (tmp_path / "run.json").write_text(json.dumps(record))
    with pytest.raises(InputError, match="torch"), open_run(tmp_path, identity=IDENTITY, seed=1):
        pass


def test_a_folder_with_other_files_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("mine")
    with (
        pytest.raises(InputError, match="holds no run"),
        open_run(tmp_path, identity=IDENTITY, seed=1),
    ):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "file"
    place.write_text("")
    with pytest.raises(InputError, match="is a file"), open_run(place, identity={}, seed=1):
        pass


def test_an_unwritable_place_is_refused() -> None:
    with (
        pytest.raises(InputError, match="cannot write"),
        open_run(Path("/proc/run"), identity={}, seed=1),
    ):
        pass


def _try_to_open(folder: str, answer: "multiprocessing.Queue[str]") -> None:
    try:
        with open_run(Path(folder), identity=IDENTITY, seed=1):
            answer.put("opened")
    except InputError as error:
        answer.put(str(error))


def test_two_processes_cannot_share_a_run(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    answer = context.Queue()
    with open_run(tmp_path, identity=IDENTITY, seed=1):
        other = context.Process(target=_try_to_open, args=(str(tmp_path), answer))
        other.start()
        message = answer.get(timeout=60)
        other.join()
    assert "in use by another process" in message


GRID = [{"system": system, "repetition": index} for index in range(2) for system in ("a", "b", "c")]


def _cell(factor: float, cell: Cell) -> list[Row]:
    import torch

    if (cell.point["system"], cell.repetition) == ("b", 1) and factor < 0:
        raise ZeroDivisionError("nobody knows")
    if factor == 0:
        raise InputError("factor: give another than 0")
    draws = np.random.default_rng(cell.seed).normal(size=3)
    x = torch.randn(64, 64, generator=torch.Generator().manual_seed(cell.seed))
    return [
        {"metric": "draw", "value": factor * float(draws[0])},
        {"metric": "product", "value": float((x @ x).sum())},
        {"metric": "threads", "value": torch.get_num_threads(), "system": None},
    ]


def _map(folder: Path, factor: float = 1.0, backend: str = "inline") -> list[Row]:
    with open_run(folder, identity=IDENTITY, seed=1, backend=BACKENDS[backend]) as run:
        return run.map(_cell, GRID, factor, seed="toy/{system}/{repetition}")


def test_cells_have_coordinates_one_thread_and_the_seed_of_their_name(tmp_path: Path) -> None:
    rows = _map(tmp_path)
    assert [(row["system"], row["repetition"]) for row in rows[::3]] == [
        (point["system"], point["repetition"]) for point in GRID
    ]
    assert [row["value"] for row in rows[2::3]] == [1] * 6
    assert {row["system"] for row in rows[2::3]} == {None}, "a row's own coordinate wins"
    draw = np.random.default_rng(derive_seed(1, "toy", "b", 1) % 2**31).normal()
    assert rows[-6]["value"] == draw


def test_backends_give_the_same_to_the_last_digit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    assert _map(tmp_path / "a") == _map(tmp_path / "b", backend="processes")
    assert "OMP_NUM_THREADS" not in os.environ


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_a_failed_cell_is_named_and_the_others_are_kept(backend: str, tmp_path: Path) -> None:
    with pytest.raises(
        CellsFailedError, match=r"1 of 6 cells failed \(system b, repetition 1: Zero"
    ):
        _map(tmp_path, -1.0, backend)
    log = (tmp_path / "log.txt").read_text()
    assert "cell system b, repetition 1 failed" in log
    assert "in _cell" in log
    kept = {path: path.stat().st_mtime_ns for path in (tmp_path / "stages").iterdir()}
    assert len(kept) == 5
    assert len(_map(tmp_path, 1.0, backend)) == 18
    assert all(path.stat().st_mtime_ns == time for path, time in kept.items())


def _killed(cell: Cell) -> list[Row]:
    if cell.repetition == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    return []


def test_a_cell_whose_process_is_killed_is_named(tmp_path: Path) -> None:
    with (
        open_run(tmp_path, identity=IDENTITY, seed=1, backend=BACKENDS["processes"]) as run,
        pytest.raises(CellsFailedError, match="repetition 1: BrokenProcessPool"),
    ):
        run.map(_killed, [{"repetition": index} for index in range(2)], seed="toy/{repetition}")


@pytest.mark.parametrize("backend", sorted(BACKENDS))
def test_wrong_input_of_a_cell_ends_the_run_with_its_own_message(
    backend: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"^factor: give another than 0$"):
        _map(tmp_path, 0.0, backend)


def test_write_atomically_keeps_the_old_file_when_it_fails(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    write_atomically(path, "old")
    with pytest.raises(TypeError):
        write_atomically(path, None)  # type: ignore[arg-type]
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.json"]


def test_derived_seeds_are_stable_distinct_and_in_range() -> None:
    seeds = {derive_seed(0, "a", i) for i in range(1000)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(0, "a", 1) == derive_seed(0, "a", 1) != derive_seed(1, "a", 1)


def test_versions_name_python_and_torch() -> None:
    assert {"python", "torch", "sterling", "machine"} <= record_versions().keys()
