"""Names of MSU-MFSD, and its lists of clients."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.face.data.trees import MSU_TEST, MSU_TRAIN, lay_out, listing, msu_mfsd

from sterling.face.data import MSU_MFSD, check_dataset
from sterling.face.data.datasets.scan import scan

SPECIES = {
    "ipad_video": "replay_ipad",
    "iphone_video": "replay_iphone",
    "printed_photo": "print",
    "": "bona_fide",
}
CAMERAS = {"android": "mp4", "laptop": "mov"}


def path_of(client: int, camera: str, instrument: str, suffix: str) -> str:
    who = f"client{client:03d}_{camera}_SD"
    if instrument:
        return f"scene01/attack/attack_{who}_{instrument}_scene01.{suffix}"
    return f"scene01/real/real_{who}_scene01.{suffix}"


@given(
    st.sampled_from(MSU_TRAIN + MSU_TEST), st.sampled_from([*CAMERAS]), st.sampled_from([*SPECIES])
)
def test_names_there_and_back(client: int, camera: str, instrument: str) -> None:
    path = path_of(client, camera, instrument, CAMERAS[camera])
    (found,) = scan(MSU_MFSD, listing("/set", [path])).found.values()
    known = found.presentation
    assert known.name == Path(path).stem
    assert (known.species, known.sensor) == (SPECIES[instrument], camera)
    assert (int(known.subject), known.split) == (client, "train" if client in MSU_TRAIN else "test")


@pytest.mark.parametrize(
    "path", [path_of(4, "android", "", "mp4"), path_of(1, "laptop", "printed_photo", "mp4")]
)
def test_clients_not_public_and_wrong_suffixes(path: str) -> None:
    assert scan(MSU_MFSD, listing("/set", [path])).misnamed == (f"/set/{path}",)


def test_lists_name_clients(tmp_path: Path) -> None:
    lay_out(tmp_path, msu_mfsd())
    lists = {"train_sub_list.txt": MSU_TRAIN, "test_sub_list.txt": MSU_TEST}
    for name, clients in lists.items():
        lay_out(tmp_path, [name], "\n".join(f"{c:02d}" for c in clients).encode())
    assert check_dataset(tmp_path).complete
    lay_out(tmp_path, ["train_sub_list.txt"], b"01")  # who is for testing
    (problem,) = check_dataset(tmp_path).problems
    assert (problem.kind, problem.number) == ("list_contradicts", 8)
    lay_out(tmp_path, ["train_sub_list.txt"], b"04")
    (problem,) = check_dataset(tmp_path).problems
    assert problem.kind == "list_unreadable"
    assert "client 004 is not public" in problem.detail
