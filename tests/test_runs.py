import json
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sterling.errors import CellsFailedError, InputError
from sterling.runs import Cell, Row, damaged_files, derive_seed, open_run, record_versions
from sterling.scale.backends import BACKENDS
from sterling.storage import read_checked, write_checked

REPOSITORY = Path(__file__).resolve().parents[1]
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
    for name in ("torch", "code"):
        record = read_checked(tmp_path / "run.json")
        record["versions"][name] = "0.0"
        write_checked(tmp_path / "run.json", record)
        with pytest.raises(InputError, match=name), open_run(tmp_path, identity=IDENTITY, seed=1):
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


@pytest.mark.parametrize("backend", ["inline", "processes"])
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


def _slow(cell: Cell) -> list[Row]:
    (cell.run.folder / f"begun-{cell.repetition}").touch()
    time.sleep(600)
    return []


STOPPED = """
import signal, sys
from pathlib import Path
from sterling.cli import _stop
from sterling.runs import open_run
from sterling.scale.backends import processes
from tests.test_runs import _slow
signal.signal(signal.SIGTERM, _stop)
try:
    with open_run(Path(sys.argv[1]), identity={}, seed=1, backend=processes) as run:
        run.map(_slow, [{"repetition": index} for index in range(4)], seed="toy/{repetition}")
except KeyboardInterrupt:
    print("stopped")
"""


def test_a_run_that_is_stopped_takes_its_processes_along(tmp_path: Path) -> None:
    command = [sys.executable, "-c", STOPPED, str(tmp_path / "run")]
    with subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True) as main:
        while not list(tmp_path.glob("run/begun-*")):
            assert main.poll() is None
            time.sleep(0.05)
        main.terminate()
        assert main.communicate(timeout=60)[0] == "stopped\n"


@pytest.mark.parametrize("backend", ["inline", "processes"])
def test_wrong_input_of_a_cell_ends_the_run_with_its_own_message(
    backend: str, tmp_path: Path
) -> None:
    with pytest.raises(InputError, match=r"^factor: give another than 0$"):
        _map(tmp_path, 0.0, backend)


@pytest.mark.parametrize("name", ["run.json", "attempts.json"])
def test_one_flipped_bit_is_noticed_wherever_it_is(name: str, tmp_path: Path) -> None:
    _map(tmp_path)
    path = tmp_path / name
    whole = path.read_bytes()
    for place in range(0, len(whole), max(1, len(whole) // 60)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        assert (damaged_files(tmp_path) == [name]) != _same_json(path.read_bytes(), whole)
    path.write_bytes(whole)
    assert damaged_files(tmp_path) == []


def _same_json(one: bytes, other: bytes) -> bool:
    try:
        return bool(json.loads(one) == json.loads(other))
    except ValueError:
        return False


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "gone"])
def test_damaged_work_is_done_again_with_the_same_rows(damage: str, tmp_path: Path) -> None:
    rows = _kept(tmp_path)
    files = sorted((tmp_path / "stages").iterdir())
    assert len(files) == 8
    for path in files:
        whole = path.read_bytes()
        middle = len(whole) // 2
        if damage == "gone":
            path.unlink()
        else:
            flipped = whole[:middle] + bytes([whole[middle] ^ 4]) + whole[middle + 1 :]
            path.write_bytes({"flip": flipped, "cut": whole[:middle], "empty": b""}[damage])
        assert _kept(tmp_path) == rows
        if path.suffix == ".json":
            assert path.read_bytes() == whole


def _kept(folder: Path) -> list[Row]:
    with open_run(folder, identity=IDENTITY, seed=1) as run:
        grid = [{"repetition": index} for index in range(4)]
        return run.map(_with_scores, grid, seed="toy/{repetition}")


def _with_scores(cell: Cell) -> list[Row]:
    draws = np.random.default_rng(cell.seed).normal(size=5)
    cell.keep_scores(pl.DataFrame({"score": draws}))
    return [{"metric": "mean", "value": float(draws.mean())}]


def test_names_of_work_never_share_a_file(tmp_path: Path) -> None:
    with open_run(tmp_path, identity=IDENTITY, seed=1) as run:
        names = ["a b", "a-b", "a/b", "a", "A" * 300, "A" * 301]
        assert [run.stage(name, lambda: name) for name in names] == names  # noqa: B023
        rows = run.map(
            _named,
            [
                {"repetition": 0, "system": "a-b", "setting": "c"},
                {"repetition": 0, "system": "a", "setting": "b-c"},
            ],
            seed="toy",
        )
    assert [row["value"] for row in rows] == ["a-b+c", "a+b-c"]


def _named(cell: Cell) -> list[Row]:
    return [{"metric": "name", "value": f"{cell.point['system']}+{cell.point['setting']}"}]


def test_a_kill_at_once_does_not_brick_the_folder(tmp_path: Path) -> None:
    (tmp_path / ".lock").touch()
    (tmp_path / ".0123456789ab.partial").write_text("half")
    with open_run(tmp_path, identity=IDENTITY, seed=1):
        assert not list(tmp_path.glob(".*.partial"))


def test_the_lock_is_taken_before_anything_is_looked_at(tmp_path: Path) -> None:
    with (
        open_run(tmp_path, identity=IDENTITY, seed=1),
        pytest.raises(InputError, match="in use by another process"),
        open_run(tmp_path, identity={"study": "other"}, seed=2),
    ):
        pass


def test_a_clock_set_back_takes_no_time_away(tmp_path: Path) -> None:
    with open_run(tmp_path, identity=IDENTITY, seed=1) as run:
        later = time.time() + 1e6
        write_checked(tmp_path / "attempts.json", [[later, later], [later, later]])
        assert run.elapsed() == 0
        (tmp_path / "attempts.json").write_text("damaged")
        assert run.elapsed() == 0


def test_a_finished_run_is_covered_by_sums_that_sha256sum_reads(tmp_path: Path) -> None:
    _kept(tmp_path)
    with open_run(tmp_path, identity=IDENTITY, seed=1) as run:
        run.finish('{"claims": []}')
    checked = subprocess.run(
        ["sha256sum", "--check", "--strict", "SHA256SUMS"], cwd=tmp_path, check=True, stdout=-1
    )
    assert b"evidence.json: OK" in checked.stdout
    assert b"scores.parquet: OK" in checked.stdout
    assert damaged_files(tmp_path) == []
    (tmp_path / "evidence.json").write_text('{"claims": [1]}')
    (tmp_path / "scores.parquet").unlink()
    assert damaged_files(tmp_path) == ["evidence.json", "scores.parquet"]


def test_derived_seeds_are_stable_distinct_and_in_range() -> None:
    seeds = {derive_seed(0, "a", i) for i in range(1000)}
    assert len(seeds) == 1000
    assert all(0 <= seed < 2**63 for seed in seeds)
    assert derive_seed(0, "a", 1) == derive_seed(0, "a", 1) != derive_seed(1, "a", 1)


def test_versions_name_python_and_torch() -> None:
    assert {"python", "torch", "sterling", "machine"} <= record_versions().keys()
