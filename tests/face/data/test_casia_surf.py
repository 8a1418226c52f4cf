"""The reader on a small tree in the owners' grammar; the data set itself may not be passed on."""

import itertools
from pathlib import Path

import pytest
from PIL import Image

from sterling.errors import InputError
from sterling.face.data import CropSpec, load_faces
from sterling.face.data.casia_surf import CASIA_SURF_ATTACKS, read_casia_surf

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
    species = {
        split: set(manifest.where(split=split, label="attack").column("species").tolist())
        for split in ("train", "dev", "test")
    }
    assert species["train"].isdisjoint(species["test"])
    assert species["dev"] == species["test"] == {CASIA_SURF_ATTACKS[code] for code in CODES[:3]}


def test_subjects_of_the_splits_are_disjoint(tree: Path) -> None:
    manifest = read_casia_surf(tree)
    subjects = [
        set(manifest.where(split=split).column("subject").tolist())
        for split in ("train", "dev", "test")
    ]
    assert [len(found) for found in subjects] == [2, 2, 2]
    assert not set.intersection(*subjects)


def test_pictures_of_all_cameras_are_loaded(tree: Path) -> None:
    manifest = read_casia_surf(tree).where(split="train")
    faces = load_faces(
        manifest, CropSpec(size=8), modalities=("rgb", "depth", "ir"), cropped=True
    ).faces
    assert faces.present is None
    assert (faces.images[0, :, 4, 4].int() - 40).abs().tolist() == [0, 0, 0, 60, 120]


def test_a_split_may_be_missing_as_a_whole(tree: Path) -> None:
    (tree / "Testing").rename(tree / "elsewhere")
    assert set(read_casia_surf(tree).column("split").tolist()) == {"train", "dev"}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        ("Training/real_part/CLKJ_AS0000/real.rssdk/ir/011.jpg", r"ir/011.jpg: is missing"),
        ("Val/fake_part/CLKJ_CS0001/01_e_s.rssdk/depth", r"depth: is missing; a video has"),
        ("Testing/fake_part", r"fake_part: is missing"),
    ],
)
def test_the_first_missing_item_is_named(tree: Path, spoil: str, message: str) -> None:
    gone = tree / spoil
    gone.rename(tree / "gone")
    with pytest.raises(InputError, match=message):
        read_casia_surf(tree)


def test_foreign_names_are_refused(tree: Path, tmp_path: Path) -> None:
    video = tree / "Val/fake_part/CLKJ_CS0001/01_e_s.rssdk"
    video.rename(video.with_name("07_x.rssdk"))
    with pytest.raises(InputError, match=r"07_x.rssdk: not an attack"):
        read_casia_surf(tree)
    (tree / "Training/real_part/CLKJ_AS0000").rename(tree / "Training/real_part/anna")
    with pytest.raises(InputError, match="anna: not the name of a subject"):
        read_casia_surf(tree)
    with pytest.raises(InputError, match="holds none of Training"):
        read_casia_surf(tmp_path / "Training")
    with pytest.raises(InputError, match="no such folder"):
        read_casia_surf(tmp_path / "nowhere")
