"""Every public data set, on trees in its published grammar: read, split, counted."""

import itertools
import re
from collections import Counter
from pathlib import Path

import pytest
from tests.face.data.trees import TREES, a_few, lay_out, listing, whole
from tests.films import film, grey

from sterling.errors import InputError
from sterling.face.data import (
    DATASETS,
    SPLITS,
    CropSpec,
    Dataset,
    load_faces,
    read_casia_mfsd,
    read_dataset,
    read_public,
)
from sterling.face.data.datasets.read import read_tree
from sterling.face.data.datasets.registry import matching_files, recognise
from sterling.face.data.datasets.scan import Tree, placed, scan

KEYS = list(DATASETS)
REPOSITORY = Path(__file__).resolve().parents[4]


# Only a part of these sets is laid out here: their own tests check the published whole.
PARTS = {"suhifimask"}


def test_every_set_has_a_tree() -> None:
    assert set(TREES) == set(DATASETS)
    assert all(dataset.key == key for key, dataset in DATASETS.items())


@pytest.mark.parametrize("key", KEYS)
def test_every_file_is_understood_by_this_set_alone(key: str) -> None:
    paths = list(TREES[key]())
    tree = whole(key)
    assert (tree.misnamed, tree.elsewhere, tree.doubled) == ((), (), ())
    files = [path for one in tree.found.values() for f in one.files.values() for path in f.values()]
    assert sorted(files) == sorted(f"{tree.folder}/{path}" for path in paths)
    folders = listing("/set", paths)
    assert matching_files(folders) == [(DATASETS[key], len(paths))]
    recognised = recognise(folders)
    assert recognised is not None
    assert recognised.dataset is DATASETS[key]


@pytest.mark.parametrize("key", KEYS)
def test_published_counts(key: str) -> None:
    dataset, known = DATASETS[key], whole(key).presentations
    found = Counter(
        pair for one in known for pair in {(s, k) for s in (one.split, "") for k in (one.label, "")}
    )
    assert {pair: found[pair] for pair in dataset.counts} == dict(dataset.counts)
    people = Counter(split for split, _ in {(one.split, one.subject) for one in known})
    people[""] = len({one.subject for one in known})
    assert {split: people[split] for split in dataset.subjects} == dict(dataset.subjects)
    assert not set(dataset.expected(known)) - {one.name for one in known}


@pytest.mark.parametrize(
    ("key", "protocol"), [(key, name) for key in KEYS for name in DATASETS[key].protocols]
)
def test_protocols_have_the_published_sizes_and_disjoint_subjects(key: str, protocol: str) -> None:
    rows = [
        (split, found.presentation)
        for split, found in placed(whole(key), DATASETS[key].protocols[protocol])
    ]
    sizes = Counter(split for split, _ in rows)
    published = DATASETS[key].protocols[protocol].published
    if key not in PARTS:
        assert {split: sizes[split] for split in published} == dict(published)
    assert set(sizes) <= set(SPLITS)
    assert sizes["train"] > 0
    assert sizes["test"] > 0
    for split, other in itertools.combinations(SPLITS, 2):
        people = [{one.subject for where, one in rows if where == s} for s in (split, other)]
        assert people[0].isdisjoint(people[1])


@pytest.mark.parametrize("key", KEYS)
def test_rows_are_the_files(tmp_path: Path, key: str) -> None:
    paths = a_few(key)
    manifest = read_public(lay_out(tmp_path, paths))
    assert manifest is not None
    rows = [p for name in ("path", "depth_path", "ir_path") for p in manifest.column(name) if p]
    assert sorted(rows) == sorted(str(tmp_path / path) for path in paths)
    for split in SPLITS:
        people = {one.subject for one in whole(key).presentations if one.split == split}
        assert set(manifest.where(split=split).column("subject").tolist()) <= people


@pytest.mark.parametrize("key", KEYS)
def test_a_part_of_a_set_can_be_read(tmp_path: Path, key: str) -> None:
    """Down to the folder of one video, where the user points at it."""
    paths = a_few(key)
    lay_out(tmp_path, paths)
    folder = tmp_path / Path(paths[0]).parent
    found = scan(DATASETS[key], [(str(folder), sorted(p.name for p in folder.iterdir()))]).found
    assert set(found) <= set(whole(key).found)
    assert found


def test_unknown_protocols_are_refused_with_what_there_is(tmp_path: Path) -> None:
    lay_out(tmp_path, ["Train_files/1_1_01_1.avi", "Train_files/1_1_01_2.avi"])
    with pytest.raises(InputError, match=r"protocol of OULU-NPU '5'.*1, 2, 3.1"):
        read_public(tmp_path, "5")


def test_foreign_folders_are_no_data_set(tmp_path: Path) -> None:
    lay_out(tmp_path, ["live/anna/1.jpg", "spoof/print/anna/2.jpg"])
    assert read_public(tmp_path) is None
    lay_out(tmp_path, ["Train_files/1_1_01_1.avi", "Train_files/1_1_01_2.avi"])
    assert read_public(tmp_path) is None  # two of four: by chance
    lay_out(tmp_path / "replays", [f"Replay/{number}.mov" for number in range(9)])
    assert read_public(tmp_path / "replays") is None  # SiW-M, but nothing bona fide
    with pytest.raises(InputError, match="holds nothing of MSU-MFSD; the layout is scene01/"):
        read_dataset(DATASETS["msu_mfsd"], tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_public(tmp_path / "nowhere")


def test_links_are_followed_once(tmp_path: Path) -> None:
    lay_out(tmp_path / "disc", ["Train_files/1_1_01_1.avi"])
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "Train_files").symlink_to(tmp_path / "disc" / "Train_files")
    (tmp_path / "disc" / "Train_files" / "loop").symlink_to(tmp_path / "disc")
    manifest = read_dataset(DATASETS["oulu_npu"], tmp_path / "set")
    assert manifest.column("item").tolist() == ["1_1_01_1"]


def _moved(dataset: Dataset, paths: list[str], folder: Path) -> Tree:
    return scan(dataset, listing(str(folder), paths))


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (["Train_files/1_1_01_1.avi", "copy/Train_files/1_1_01_1.avi"], "the same presentation as"),
        (["Train_files/1_1_01_1.avi", "Train_files/1_1_01_9.avi"], "01_9.avi: not a name of OULU"),
        (["Dev_files/1_1_01_1.avi"], "lies in split 'dev', but its subject 01 is of 'train'"),
    ],
)
def test_what_would_make_a_manifest_wrong_is_refused(
    tmp_path: Path, paths: list[str], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        read_tree(_moved(DATASETS["oulu_npu"], paths, tmp_path))


def test_frames_of_videos_are_spread_and_a_damaged_one_is_told_of(tmp_path: Path) -> None:
    lay_out(tmp_path, ["train_release/1/3.avi"], b"no video")
    film(tmp_path / "train_release/1/1.avi", (grey(20 * k, 32) for k in range(10)))
    manifest = read_casia_mfsd(tmp_path, "overall", frames=2)
    assert manifest.column("item").tolist() == ["train/1/1#2", "train/1/1#7", "train/1/3#0"]
    assert manifest.column("video").tolist() == ["train/1/1", "train/1/1", "train/1/3"]
    loaded = load_faces(manifest, CropSpec(size=32), cropped=True)
    assert [int(image.float().mean() / 20 + 0.5) for image in loaded.faces.images] == [2, 7]
    assert [(gone.item, gone.reason) for gone in loaded.non_responses] == [
        ("train/1/3#0", "unreadable")
    ]
    with pytest.raises(InputError, match="frames is 0"):
        read_casia_mfsd(tmp_path, frames=0)
    whole_files = read_casia_mfsd(tmp_path)
    assert whole_files.column("item").tolist() == ["train/1/1", "train/1/3"]


def test_the_document_names_every_set_and_its_protocols() -> None:
    lines = (REPOSITORY / "docs" / "pad" / "datasets.md").read_text().splitlines()
    for dataset in DATASETS.values():
        (row,) = [line for line in lines if line.startswith(f"| {dataset.title} | `")]
        for name in dataset.protocols:
            family, _, part = name.partition(":")
            first = re.sub(r"[.]\d$", ".1", family)
            assert f"`{first}" in row, name
            assert part == "" or f"`{family}:" in row
        for (split, label), number in dataset.counts.items():
            if split and label:
                assert f"{number:,}" in row
