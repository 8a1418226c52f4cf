"""NUAA, as published and as it lies among the shared data."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.face.data.trees import lay_out, listing, nuaa

from sterling.face.data import NUAA, check_dataset, read_nuaa, read_public
from sterling.face.data.datasets.scan import scan


@given(
    st.sampled_from(["live", "spoof_print", "ClientRaw", "ImposterRaw"]), st.integers(1, 16),
    st.integers(0, 1), st.integers(0, 8), st.integers(1, 3), st.integers(0, 999),
)  # fmt: skip
def test_names_there_and_back(
    kind: str, person: int, glasses: int, pose: int, session: int, picture: int
) -> None:
    recording = f"{person:04d}_{glasses:02d}_{pose:02d}_{session:02d}"
    path = f"{kind}/{person:04d}/{recording}_{picture}.jpg"
    (found,) = scan(NUAA, listing("/set", [path])).found.values()
    known = found.presentation
    species = "bona_fide" if kind in ("live", "ClientRaw") else "print"
    assert (known.name, known.species) == (f"{species}/{recording}", species)
    assert (int(known.subject), int(known.session)) == (person, session)
    assert found.files == {"rgb": {picture: f"/set/{path}"}}


def test_pictures_are_counted_against_the_published(tmp_path: Path) -> None:
    paths = list(nuaa())
    lay_out(tmp_path, paths)
    assert check_dataset(tmp_path).complete
    for path in paths[:7]:
        (tmp_path / path).unlink()
    (problem,) = check_dataset(tmp_path).problems
    assert (problem.kind, problem.number, problem.detail) == ("missing", 7, "pictures")


def test_a_picture_that_the_labels_name_is_absent(tmp_path: Path) -> None:
    lay_out(tmp_path, ["live/0001/0001_00_00_01_0.jpg", "spoof_print/0001/0001_00_00_01_0.jpg"])
    head = "file,spoof,subject,glasses,pose_or_light,session"
    lines = [f"live/0001/0001_00_00_01_{k}.jpg,0,0001,00,00,01" for k in (0, 25)]
    lay_out(tmp_path, ["labels.csv"], "\n".join([head, *lines]).encode())
    (absent,) = (p for p in check_dataset(tmp_path).problems if p.kind == "listed_absent")
    assert (absent.number, absent.names) == (1, ("bona_fide/0001_00_00_01 picture 25",))


def test_the_shared_part(shared_data: Path) -> None:
    folder = shared_data / "fas" / "nuaa"
    if not folder.is_dir():
        pytest.skip(f"NUAA is not present at {folder}")
    account = check_dataset(folder, open_files=True)
    assert account.dataset == "nuaa"
    # It is a part: 720 of the 12,614 pictures; all can be read and its labels agree.
    assert [(p.kind, p.number) for p in account.problems] == [("missing", 12614 - 720)]
    manifest = read_public(folder)
    assert manifest is not None
    assert (len(manifest), int(manifest.bona_fide.sum())) == (720, 360)
    assert manifest.table.equals(read_nuaa(folder).table)
    # A recording is one presentation, not as many as it has pictures.
    assert len(set(manifest.presentation.tolist())) < 720 / 4
