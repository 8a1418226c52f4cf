"""Data sets whose splits or pictures list files tell: SuHiFiMask, WMCA, MSU-MFSD, NUAA."""

from pathlib import Path

import pytest
from tests.face.data.trees import (
    MSU_TEST,
    MSU_TRAIN,
    lay_out,
    listing,
    msu_mfsd,
    nuaa,
    suhifimask,
    suhifimask_clips,
    suhifimask_lists,
    whole,
    wmca,
    wmca_lists,
)

from sterling.errors import InputError
from sterling.face.data import (
    SIW_M,
    SUHIFIMASK,
    WMCA,
    check_dataset,
    read_lists,
    read_nuaa,
    read_public,
    read_suhifimask,
    read_wmca,
)
from sterling.face.data.datasets.scan import placed, scan


def test_pictures_of_one_clip_that_disagree_are_refused(tmp_path: Path) -> None:
    folder = "G05_S30_C3_E03_T1/id_4"
    lay_out(tmp_path, [f"{folder}/1_43_0.jpg", f"{folder}/2_43_3.jpg"])
    with pytest.raises(InputError, match=r"2_43_3\.jpg: not a name of SuHiFiMask"):
        read_suhifimask(tmp_path)


def test_splits_are_those_of_the_lists(tmp_path: Path) -> None:
    lay_out(tmp_path, suhifimask())
    assert set(read_suhifimask(tmp_path).column("split").tolist()) == {""}
    for path, text in suhifimask_lists().items():
        lay_out(tmp_path, [path], text.encode())
    manifest = read_suhifimask(tmp_path, "1")
    expected = {str(tmp_path / path): split for path, split in suhifimask_clips()}
    assert dict(zip(manifest.column("path"), manifest.column("split"), strict=True)) == expected


def test_lists_with_commas_tell_the_category(tmp_path: Path) -> None:
    lay_out(tmp_path, suhifimask())
    path = next(iter(suhifimask()))  # category 0
    for line, kinds in (
        (f"{path},0", set()),
        (f"{path},3", {"list_contradicts"}),
        (f"{path} 3", set()),
    ):
        lay_out(tmp_path, ["train_label.txt"], line.encode())
        found = {problem.kind for problem in check_dataset(tmp_path).problems}
        assert found - {"missing"} == kinds


def test_protocols_that_lists_alone_tell_are_read_from_named_lists(tmp_path: Path) -> None:
    people = ("1", "2", "3")
    clip = "G05_S30_C3_E03_T1/id_{}"
    paths = [f"{clip.format(p)}/{frame}_{p}_0.jpg" for p in people for frame in (1, 2)]
    masks = [f"{clip.format(10 + int(p))}/7_{p}_4.jpg" for p in people]
    again = f"{clip.format('21')}/1_1_0.jpg"  # another clip of the person who trains
    lay_out(tmp_path / "set", [*paths, *masks, again])
    lists = {}
    for split, person, mask in zip(("train", "dev", "test"), people, masks, strict=True):
        lists[split] = tmp_path / f"P2.1_{split}.txt"
        lists[split].write_text(f"{clip.format(person)}/2_{person}_0.jpg,0\n{mask},4\n")
    manifest = read_lists(SUHIFIMASK, tmp_path / "set", lists)
    assert manifest.column("frame").tolist() == [2, 7] * 3
    assert manifest.column("split").tolist() == ["train"] * 2 + ["dev"] * 2 + ["test"] * 2
    assert manifest.column("species").tolist() == ["bona_fide", "category_4"] * 3
    first = f"{clip.format('1')}/2_1_0.jpg,0"
    for line, message in (
        (f"{first}\n{first}", "listed twice, the first time as train"),
        (f"{clip.format('1')}/1_1_0.jpg,0", "all frames of a video share its"),
        (f"{again},0", "subject is in more than one split"),
        (f"{clip.format('1')}/9_1_0.jpg,0", "#9 is not in"),
        (f"{clip.format('9')}/9_1_0.jpg,0", "id_9 #9 is not in"),
        (f"{clip.format('3')}/1_3_0.jpg,4", "is listed as attack, and its name says otherwise"),
        ("nonsense", "not a list of this data set"),
    ):
        lists["test"].write_text(line)
        with pytest.raises(InputError, match=message):
            read_lists(SUHIFIMASK, tmp_path / "set", lists)
    with pytest.raises(InputError, match="comes without list files"):
        read_lists(SIW_M, lay_out(tmp_path / "siwm", ["Live/Train/a.mov"]), lists)


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
