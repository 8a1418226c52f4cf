"""CASIA-SURF on a small tree in the owners' grammar; the data set itself may not be passed on."""

import itertools
from pathlib import Path

import pytest
from PIL import Image
from tests.face.data.trees import lay_out

from sterling.errors import InputError
from sterling.face.data import (
    CASIA_SURF_ATTACKS,
    CropSpec,
    check_dataset,
    load_faces,
    read_casia_surf,
    read_public,
)

CODES = list(CASIA_SURF_ATTACKS)
SPLITS = {"Training": CODES[3:], "Val": CODES[:3], "Testing": CODES[:3]}
FRAMES = ("001", "011")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for (split, codes), person in itertools.product(SPLITS.items(), range(2)):
        subject = f"CLKJ_{'ACB'[list(SPLITS).index(split)]}S{person:04d}"
        videos = [("real_part", "real.rssdk"), *(("fake_part", f"{c}.rssdk") for c in codes)]
        for (part, video), (value, camera), number in itertools.product(
            videos, enumerate(("color", "depth", "ir")), FRAMES
        ):
            file = tmp_path / split / part / subject / video / camera / f"{number}.jpg"
            file.parent.mkdir(parents=True, exist_ok=True)
            grey = 40 + 60 * value
            picture = Image.new("L", (8, 8), grey).convert("L" if value else "RGB")
            picture.save(file, quality=95)
    return tmp_path


def test_counts_splits_and_species(tree: Path) -> None:
    manifest = read_casia_surf(tree)
    assert len(manifest) == 3 * 2 * 4 * len(FRAMES)
    assert len(set(manifest.presentation.tolist())) == 3 * 2 * 4
    assert int(manifest.bona_fide.sum()) == 3 * 2 * len(FRAMES)
    assert set(manifest.column("frame").tolist()) == {1, 11}
    species = {
        split: set(manifest.where(split=split, label="attack").column("species").tolist())
        for split in ("train", "dev", "test")
    }
    assert species["train"].isdisjoint(species["test"])
    assert species["dev"] == species["test"] == {CASIA_SURF_ATTACKS[code] for code in CODES[:3]}


def test_pictures_of_all_cameras_are_loaded(tree: Path) -> None:
    manifest = read_casia_surf(tree).where(split="train")
    faces = load_faces(
        manifest, CropSpec(size=8), modalities=("rgb", "depth", "ir"), cropped=True
    ).faces
    assert faces.present is None
    assert (faces.images[0, :, 4, 4].int() - 40).abs().tolist() == [0, 0, 0, 60, 120]


def test_moments_of_a_video_may_be_fewer(tree: Path) -> None:
    few, every = read_casia_surf(tree, frames=1), read_casia_surf(tree)
    assert 2 * len(few) == len(every)
    assert set(few.column("item").tolist()) < set(every.column("item").tolist())


def test_across_cameras_each_picture_stands_for_itself(tree: Path) -> None:
    manifest = read_casia_surf(tree, "cross_modal:depth")
    seen = {
        split: set(manifest.where(split=split).column("sensor").tolist())
        for split in ("train", "dev", "test")
    }
    assert seen == {"train": {"depth"}, "dev": {"depth"}, "test": {"rgb", "ir"}}
    assert len(manifest) == (1 + 1 + 2) * 2 * 4 * len(FRAMES)
    pictures = manifest.where(split="train").column("path").tolist()
    assert all(Path(path).parent.name == "depth" for path in pictures)
    assert not any(manifest.column("depth_path"))
    faces = load_faces(manifest.where(split="train"), CropSpec(size=8), cropped=True).faces
    assert abs(int(faces.images[0, 0, 4, 4]) - 100) <= 1


def test_a_split_may_be_missing_as_a_whole(tree: Path) -> None:
    (tree / "Testing").rename(tree / "elsewhere")
    assert set(read_casia_surf(tree).column("split").tolist()) == {"train", "dev"}


def test_the_crops_of_later_have_another_layout(tmp_path: Path) -> None:
    subject = "real_part/real_train_part/CLKJ_AS0005/real.rssdk"
    lay_out(tmp_path, [f"{subject}/{camera}/7.jpg" for camera in ("color", "depth", "ir")])
    manifest = read_casia_surf(tmp_path)
    assert manifest.column("item").tolist() == ["train/CLKJ_AS0005/real.rssdk#7"]


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("Training/real_part/CLKJ_AS0000/real.rssdk/ir/011.jpg", r"no ir picture 11; copy"),
        ("Val/fake_part/CLKJ_CS0001/01_e_s.rssdk/depth", r"its video has no depth pictures"),
    ],
)
def test_the_first_missing_item_is_named(tree: Path, spoil: str, message: str) -> None:
    (tree / spoil).rename(tree / f"gone{Path(spoil).suffix}")
    with pytest.raises(InputError, match=message):
        read_casia_surf(tree)
    found = {problem.kind: problem.number for problem in check_dataset(tree).problems}
    assert found["incomplete"] == 1


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("Val/fake_part/CLKJ_CS0001/01_e_s.rssdk", "Val/fake_part/CLKJ_CS0001/04_en_b.rssdk"),
        (
            "Training/real_part/CLKJ_AS0000/real.rssdk",
            "Training/real_part/CLKJ_AS0000/01_e_s.rssdk",
        ),
    ],
)
def test_attacks_of_another_split_or_part_are_refused(tree: Path, old: str, new: str) -> None:
    (tree / old).rename(tree / new)
    with pytest.raises(InputError, match="not a name of CASIA-SURF"):
        read_casia_surf(tree)


def test_lists_of_the_challenge_are_compared(tree: Path) -> None:
    start = "Training/real_part/CLKJ_AS0000/real.rssdk"
    line = " ".join(f"{start}/{camera}/{{}}.jpg" for camera in ("color", "depth", "ir")) + " {}"
    before = {problem.kind for problem in check_dataset(tree).problems}
    for picture, label, kind in (
        ("001", 1, None),
        ("001", 0, "list_contradicts"),
        ("099", 1, "listed_absent"),
        ("001", 7, "list_unreadable"),
    ):
        (tree / "train_list.txt").write_text(line.format(*[picture] * 3, label))
        after = {problem.kind for problem in check_dataset(tree).problems}
        assert after - before == ({kind} if kind else set())


def test_anonymous_pictures_of_the_challenge_are_counted_not_read(tree: Path) -> None:
    before = read_casia_surf(tree)
    cameras = ("color", "depth", "ir")
    lay_out(tree, [f"Val/0000/{k:06d}-{camera}.jpg" for k in range(200) for camera in cameras])
    (tree / "val_private_list.txt").write_text(
        "".join(f"Val/0000/00000{k}-color.jpg {'x ' * 2}{k}\n" for k in (0, 1))
    )
    recognised = read_public(tree)  # though they are the most
    assert recognised is not None
    assert recognised.table.equals(before.table)
    account = check_dataset(tree)
    assert "600 files beside the presentations belong to the set" in account.notes
    assert {problem.kind for problem in account.problems} == {"missing"}


def test_foreign_folders_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds nothing of CASIA-SURF; the layout is "):
        read_casia_surf(tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        read_casia_surf(tmp_path / "nowhere")
