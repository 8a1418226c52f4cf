"""The lists of O, C, I and M: complete, disjoint, and of the sizes that the conventions give."""

from pathlib import Path

import pytest
from tests.face.data.trees import TREES, lay_out

from sterling.errors import InputError
from sterling.face.data import OCIM_RUNS, leave_one_out

SETS = {"O": "oulu_npu", "C": "casia_mfsd", "I": "replay_attack", "M": "msu_mfsd"}
SIZES = {
    "all": {"O": 4950, "C": 600, "I": 1200, "M": 280},
    "benchmark": {"O": 3600, "C": 600, "I": 840, "M": 280},
}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    top = tmp_path_factory.mktemp("ocim")
    return {letter: lay_out(top / key, TREES[key]()) for letter, key in SETS.items()}


@pytest.mark.parametrize("run", OCIM_RUNS)
@pytest.mark.parametrize("convention", ["all", "benchmark"])
def test_lists_are_complete_and_disjoint(
    folders: dict[str, Path], run: str, convention: str
) -> None:
    manifest = leave_one_out(folders, run, convention=convention, threshold_from="target")  # type: ignore[arg-type]
    sources, _, target = run.partition(" to ")
    sizes = SIZES[convention]
    for split, letters in (("train", sources.split("&")), ("test", [target])):
        part = manifest.where(split=split)
        assert len(part) == sum(sizes[letter] for letter in letters)
        assert {item[:2] for item in part.column("item").tolist()} == {f"{x}/" for x in letters}
    assert len(manifest) == len(set(manifest.column("path").tolist()))
    assert not manifest.matches(split="dev").any()


def test_the_four_runs_test_every_set_once_on_all_others(folders: dict[str, Path]) -> None:
    four = [run for run in OCIM_RUNS if run.count("&") == 2]
    assert sorted(OCIM_RUNS[run][1] for run in four) == sorted(SETS)
    for run in four:
        sources, target = OCIM_RUNS[run]
        assert {*sources, target} == set(SETS)
    assert len(folders) == 4


def test_a_threshold_from_the_sources_leaves_the_target_alone(folders: dict[str, Path]) -> None:
    asked = leave_one_out(folders, "M&I to C", threshold_from="source", seed=1)
    plain = leave_one_out(folders, "M&I to C", threshold_from="target")
    assert (asked.where(split="test").table == plain.where(split="test").table).to_numpy().all()
    held = set(asked.where(split="dev").column("subject").tolist())
    assert held
    assert held.isdisjoint(asked.where(split=("train", "test")).column("subject").tolist())
    assert set(asked.column("item").tolist()) == set(plain.column("item").tolist())


@pytest.mark.parametrize(
    ("run", "given", "message"),
    [
        ("O to C", "OCIM", "unknown run 'O to C'"),
        ("M&I to C", "MI", "run M&I to C: the folder of C is missing"),
    ],
)
def test_what_is_wrong_is_named(
    folders: dict[str, Path], run: str, given: str, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        leave_one_out({x: folders[x] for x in given}, run, threshold_from="target")
