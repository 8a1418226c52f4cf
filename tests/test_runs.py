import json
import multiprocessing
import os
from pathlib import Path

import pytest

from sterling.errors import InputError
from sterling.runs import derive_seed, open_run, record_versions, write_atomically
from sterling.scale.backends import in_processes

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


def _threads_and_folder(number: int) -> tuple[int, str | None, str]:
    import torch

    if number < 0:
        raise InputError("below nothing")
    return torch.get_num_threads(), os.environ.get("OMP_NUM_THREADS"), str(Path.cwd())


def test_processes_compute_on_one_thread_where_the_caller_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    for folder in (tmp_path, tmp_path.parent):  # of the second call the server runs already
        monkeypatch.chdir(folder)
        found = in_processes(_threads_and_folder, [(0,), (1,), (2,)], "calls")
        assert found == [(1, "1", str(folder))] * 3
    assert "OMP_NUM_THREADS" not in os.environ
    with pytest.raises(InputError, match="below nothing"):
        in_processes(_threads_and_folder, [(0,), (-1,)], "calls")


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
