"""SuHiFiMask: clips of people in rounds, whose splits only lists know."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.face.data.trees import lay_out, listing, suhifimask, suhifimask_clips, suhifimask_lists

from sterling.errors import InputError
from sterling.face.data import SIW_M, SUHIFIMASK, check_dataset, read_lists, read_suhifimask
from sterling.face.data.datasets.scan import scan

N = st.integers(0, 99)


@given(N, N, st.integers(1, 9), N, N, N, N, st.integers(0, 9))
def test_names_there_and_back(
    group: int,
    scene: int,
    camera: int,
    epoch: int,
    person: int,
    frame: int,
    subject: int,
    kind: int,
) -> None:
    folder = f"G{group:02d}_S{scene:02d}_C{camera}_E{epoch:02d}_T2022/id_{person}"
    path = f"{folder}/{frame}_{subject}_{kind}.jpg"
    (found,) = scan(SUHIFIMASK, listing("/set", [path])).found.values()
    known = found.presentation
    assert (known.name, known.subject, known.sensor) == (folder, str(subject), f"C{camera}")
    assert known.species == (f"category_{kind}" if kind else "bona_fide")
    assert found.files == {"rgb": {frame: f"/set/{path}"}}


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
