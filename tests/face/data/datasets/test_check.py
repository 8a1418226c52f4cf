"""Every fault of a folder is counted and named: every kind of damage, in every set."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

import pytest
from tests.face.data.trees import TREES, a_few, lay_out
from tests.films import film, grey

from sterling.errors import InputError
from sterling.face.data import DATASETS, Account, check_dataset

KEYS = list(DATASETS)
WHOLE = ["casia_mfsd", "msu_mfsd", "oulu_npu", "replay_attack"]


def problems(account: Account) -> dict[str, int]:
    """Number of problems of each kind."""
    found: dict[str, int] = {}
    for problem in account.problems:
        found[problem.kind] = found.get(problem.kind, 0) + problem.number
    return found


@pytest.mark.parametrize("key", WHOLE)
def test_a_whole_set_is_complete(tmp_path: Path, key: str) -> None:
    account = check_dataset(lay_out(tmp_path, TREES[key]()))
    assert (account.dataset, account.problems, account.complete) == (key, (), True)
    assert all(count.published in (None, count.found) for count in account.counts)
    assert json.loads(json.dumps(asdict(account)))["dataset"] == key


@pytest.fixture(params=KEYS)
def tree(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, tuple[str, ...]]:
    """Key, folder and paths of a small part of each set."""
    paths = a_few(request.param, subjects=1)
    return request.param, lay_out(tmp_path / "set", paths), paths


def _empty(folder: Path, paths: tuple[str, ...]) -> str:
    (folder / paths[1]).write_bytes(b"")
    return paths[1]


def _double(folder: Path, paths: tuple[str, ...]) -> str:
    parts = Path(paths[1]).parts
    copy = folder / parts[0] / "zz copy" / Path(*parts)
    copy.parent.mkdir(parents=True)
    shutil.copy(folder / paths[1], copy)
    return str(copy.relative_to(folder))


def _misname(folder: Path, paths: tuple[str, ...]) -> str:
    name = Path(paths[1]).with_name("copy of a.gif")
    (folder / name).write_bytes(b"x")
    return str(name)


@pytest.mark.parametrize(
    ("kind", "damage"), [("empty", _empty), ("doubled", _double), ("misnamed", _misname)]
)
def test_damage_is_counted_and_named(
    tree: tuple[str, Path, tuple[str, ...]],
    kind: str,
    damage: Callable[[Path, tuple[str, ...]], str],
) -> None:
    _, folder, paths = tree
    before = problems(check_dataset(folder))
    named = damage(folder, paths)
    after = check_dataset(folder)
    assert problems(after) == {**before, kind: before.get(kind, 0) + 1}
    (problem,) = (problem for problem in after.problems if problem.kind == kind)
    assert problem.names[0].startswith(str(folder / named))


def test_what_is_gone_is_missing(tree: tuple[str, Path, tuple[str, ...]]) -> None:
    key, folder, paths = tree
    before = check_dataset(folder)
    gone = _files_of_one_presentation(key, paths)
    for path in gone:
        (folder / path).unlink()
    after = check_dataset(folder)
    found = [sum(c.found for c in a.counts if c.of == "presentations") for a in (before, after)]
    assert found[1] < found[0]
    if DATASETS[key].counts:
        assert problems(after)["missing"] > problems(before)["missing"]


def _files_of_one_presentation(key: str, paths: tuple[str, ...]) -> list[str]:
    from tests.face.data.trees import listing

    from sterling.face.data.datasets.scan import scan

    first = next(iter(scan(DATASETS[key], listing("/set", paths)).found.values()))
    return [p.removeprefix("/set/") for files in first.files.values() for p in files.values()]


def test_two_sets_in_one_folder_are_told_apart(tmp_path: Path) -> None:
    lay_out(tmp_path, a_few("oulu_npu"))
    lay_out(tmp_path, a_few("msu_mfsd", 1))
    account = check_dataset(tmp_path)
    assert account.dataset == "oulu_npu"
    assert problems(account)["other_set"] == 16
    assert "MSU-MFSD" in account.problems[-1].detail


def test_missing_names_are_named(tmp_path: Path) -> None:
    lay_out(tmp_path, TREES["casia_mfsd"]())
    (tmp_path / "test_release/7/HR_2.avi").unlink()
    account = check_dataset(tmp_path)
    assert problems(account) == {"missing": 1}
    assert account.problems[0].names == ("test/7/HR_2",)


def test_a_client_that_is_missing_is_counted_and_the_rest_named(tmp_path: Path) -> None:
    paths = [path for path in TREES["replay_attack"]() if "client003" not in path]
    paths.remove("devel/real/client016_session01_webcam_authenticate_adverse_1.mov")
    account = check_dataset(lay_out(tmp_path, paths))
    presentations, subjects = account.problems
    assert (presentations.kind, presentations.number) == ("missing", 25)
    assert presentations.names == ("devel/client016_session01_webcam_authenticate_adverse_1",)
    assert (subjects.number, subjects.detail) == (1, "subjects")


def test_a_file_in_the_folder_of_another_split_is_misplaced(tmp_path: Path) -> None:
    lay_out(tmp_path, ["Train_files/1_1_01_1.avi", "Train_files/1_1_36_1.avi"])
    account = check_dataset(tmp_path)
    assert problems(account)["misplaced"] == 1
    assert account.problems[0].names == (str(tmp_path / "Train_files/1_1_36_1.avi"),)


def test_folders_with_other_names_are_told_of(tmp_path: Path) -> None:
    lay_out(tmp_path, [p.replace("Dev_files", "Validation") for p in a_few("oulu_npu")])
    account = check_dataset(tmp_path)
    (note,) = (note for note in account.notes if "no folder of the set" in note)
    assert note.startswith(f"180 pictures or videos in {tmp_path / 'Validation'}")
    with pytest.raises(InputError, match="named as in OULU-NPU, but its folder is not"):
        check_dataset(tmp_path / "Validation")
    lay_out(tmp_path / "other", ["live/1.jpg"])
    with pytest.raises(InputError, match="no file is named as in any of OULU-NPU"):
        check_dataset(tmp_path / "other")


def test_files_beside_the_presentations_are_counted(tmp_path: Path) -> None:
    lay_out(tmp_path, ["Train_files/1_1_01_1.avi", "Train_files/1_1_01_1.txt", "readme.txt"])
    assert "1 files beside the presentations belong to the set" in check_dataset(tmp_path).notes


def test_only_opening_finds_what_cannot_be_decoded(tmp_path: Path) -> None:
    lay_out(tmp_path, ["train_release/1/1.avi"])
    film(tmp_path / "train_release/1/2.avi", [grey(0, 32)] * 3)
    assert "unreadable" not in problems(check_dataset(tmp_path))
    account = check_dataset(tmp_path, open_files=True)
    assert problems(account)["unreadable"] == 1
    (unreadable,) = (problem for problem in account.problems if problem.kind == "unreadable")
    assert unreadable.names == (str(tmp_path / "train_release/1/1.avi"),)
    assert account.opened


OULU_LIST = "Protocols/Protocol_1/Train.txt"


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (["+1,1_1_01_1", "-1,1_1_01_2"], {}),
        (["+1,1_1_01_1", "-1,1_1_02_2"], {"listed_absent": 1}),
        (["-1,1_1_01_1"], {"list_contradicts": 1}),  # bona fide by its name
        (["+1,1_3_01_1"], {"list_contradicts": 1}),  # session 3 is for testing
        (["1_1_01_1"], {"list_unreadable": 1}),
    ],
)
def test_list_files_are_compared_with_the_names(
    tmp_path: Path, lines: list[str], expected: dict[str, int]
) -> None:
    names = ["1_1_01_1", "1_1_01_2", "1_3_01_1"]
    lay_out(tmp_path, [f"Train_files/{name}.avi" for name in names])
    before = problems(check_dataset(tmp_path))
    lay_out(tmp_path, [OULU_LIST], "\n".join(lines).encode())
    after = problems(check_dataset(tmp_path))
    # Besides, a list of so few is shorter than the published 1,200.
    short = 0 if "list_unreadable" in expected else 1200 - len(lines)
    assert after == {
        **before,
        **expected,
        **({"list_contradicts": expected.get("list_contradicts", 0) + short} if short else {}),
    }
