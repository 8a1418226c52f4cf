"""WMCA: the table of instruments, splits that only a list knows, and species left out."""

from pathlib import Path

import pytest
from tests.face.data.trees import lay_out, listing, whole, wmca, wmca_lists

from sterling.errors import InputError
from sterling.face.data import WMCA, check_dataset, read_wmca
from sterling.face.data.datasets.scan import placed, scan

# The table of the public list generator, type by type.
TABLE = {
    "glasses": [(1, pai) for pai in (1, 4, 5, 6, 7, 15, 16)],
    "rigid_mask": [(1, pai) for pai in (2, 13, 14)] + [(2, pai) for pai in range(12, 18)],
    "wig": [(1, pai) for pai in (8, 9, 10, 11, 12)],
    "fake_head": [(2, pai) for pai in range(1, 8)],
    "paper_mask": [(2, pai) for pai in range(8, 12)],
    "flexible_mask": [(2, 18)] + [(2, pai) for pai in range(75, 100)],
    "print": [(3, pai) for pai in (0, 1, 4, 6, 9, 11, 14, 16)],
    "replay": [(3, 5), (3, 10), (3, 15)] + [(4, pai) for pai in (0, 1, 5, 99)],
    "makeup": [(5, 0), (5, 7)],
    "facial_disguise_other": [(1, 0), (1, 3), (1, 17)],
    "fake_face_other": [(2, 0), (2, 19), (2, 74)],
    "bona_fide": [(0, 0), (0, 1), (0, 2)],
}


@pytest.mark.parametrize("species", TABLE)
def test_the_table_of_instruments(species: str) -> None:
    paths = [f"face-station/24.01.18/001_01_000_{k}_{pai:02d}.hdf5" for k, pai in TABLE[species]]
    presentations = scan(WMCA, listing("/set", paths)).presentations
    assert [one.name for one in presentations] == [Path(path).stem for path in sorted(paths)]
    assert {one.species for one in presentations} == {species}


def test_pictures_made_of_the_recordings(tmp_path: Path) -> None:
    video = "WMCA-Image/R_CDIT/014_02_000_4_01"
    lay_out(tmp_path, [f"{video}/{camera}/0012.jpg" for camera in ("color", "depth", "ir")])
    manifest = read_wmca(tmp_path)
    assert manifest.column("video").tolist() == ["014_02_000_4_01"]
    paths = [manifest.column(name)[0] for name in ("path", "depth_path", "ir_path")]
    assert [Path(path).parent.name for path in paths] == ["color", "depth", "ir"]
    (tmp_path / video / "ir" / "0012.jpg").rename(tmp_path / video / "ir" / "0013.jpg")
    with pytest.raises(InputError, match="picture"):
        read_wmca(tmp_path)


def test_without_its_list_there_are_no_splits(tmp_path: Path) -> None:
    lay_out(tmp_path, wmca())
    account = check_dataset(tmp_path)
    assert account.complete
    assert "no list files were found: the splits are unknown without them" in account.notes
    assert set(read_wmca(tmp_path).column("split").tolist()) == {""}
    with pytest.raises(InputError, match="protocol grandtest of WMCA has nothing"):
        read_wmca(tmp_path, "grandtest")
    for path, text in wmca_lists().items():
        lay_out(tmp_path, [path], text.encode())
    assert check_dataset(tmp_path).complete
    assert len(read_wmca(tmp_path, "grandtest").where(split="train")) == 565


@pytest.mark.parametrize("species", ["glasses", "replay", "flexible_mask"])
def test_a_species_left_out_is_in_the_test_alone(species: str) -> None:
    rows = list(placed(whole("wmca"), WMCA.protocols[f"leave_one_species_out:{species}"]))
    for splits, live in ((("train", "dev"), 124 + 108), (("test",), 115)):
        chosen = [found.presentation.species for split, found in rows if split in splits]
        assert chosen.count("bona_fide") == live
        attacks = set(chosen) - {"bona_fide"}
        assert attacks == {species} if splits == ("test",) else species not in attacks
        assert ("wig" in attacks) == (splits != ("test",))


def test_a_list_that_is_none(tmp_path: Path) -> None:
    lay_out(tmp_path, ["face-station/24.01.18/001_01_000_0_00.hdf5"])
    lay_out(tmp_path, ["grandtest.csv"], b"index,client_id,path,group,label\n1,1,a,train,x")
    with pytest.raises(InputError, match=r"grandtest.csv: not a list of this data set \(a is no"):
        read_wmca(tmp_path, "grandtest")
