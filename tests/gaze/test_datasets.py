"""Folders of stimuli and gaze: each layout, what is not known of it, and what is refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sterling.errors import InputError, NothingMeasuredError
from sterling.gaze.datasets import read_gaze_folder

SIZE = (40, 30)


def save(path: Path, pixels: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.asarray(pixels, dtype=np.uint8)).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three stimuli."""
    for name in "abc":
        save(tmp_path / "stimuli" / f"{name}.png", np.zeros((SIZE[1], SIZE[0], 3)))
    return tmp_path


def marked(*places: tuple[int, int], size: tuple[int, int] = SIZE) -> object:
    pixels = np.zeros((size[1], size[0]))
    for x, y in places:
        pixels[y, x] = 255
    return pixels


def test_osie(folder: Path) -> None:
    path = {"subject": 1, "x": [3.5, 20], "y": [4.5, 10], "dur_ms": [100, 200]}
    (folder / "fixations.json").write_text(json.dumps({"a.png": [path], "c.png": [path]}))
    found = read_gaze_folder(folder)
    assert found.layout == "osie"
    assert found.fixations.size("a.png") == SIZE
    assert found.fixations.viewers == ["1"]
    assert list(found.stimuli) == ["a.png", "c.png"]
    assert found.notes == ()


def test_a_table_may_tell_its_screen(folder: Path) -> None:
    (folder / "fixations.csv").write_text("viewer,stimulus,x,y\nv1,a.png,1,2\nv2,b.png,39,29\n")
    assert read_gaze_folder(folder).fixations.size("a.png") == SIZE
    (folder / "fixations.csv").write_text(
        "viewer,stimulus,x,y,width,height\nv1,a.png,100,2,800,600\n"
    )
    found = read_gaze_folder(folder)
    assert found.layout == "table"
    assert found.fixations.size("a.png") == (800, 600)


def test_points_are_pixels_that_are_not_black(folder: Path) -> None:
    save(folder / "points" / "a.png", marked((3, 4), (39, 29)))
    save(folder / "points" / "b.png", marked((7, 8)))
    save(folder / "maps" / "a.png", np.ones((SIZE[1], SIZE[0])))
    found = read_gaze_folder(folder)
    assert found.layout == "points"
    assert found.fixations.points("a.png").tolist() == [[3.5, 4.5], [39.5, 29.5]]
    assert found.maps == {"a.png": folder / "maps" / "a.png"}
    assert "viewers are not known" in found.notes[0]


def test_names_of_mit1003(tmp_path: Path) -> None:
    # As JPEG, whose noise beside the dots must not count.
    pixels = marked((8, 8), (72, 40), size=(80, 56))
    save(tmp_path / "ALLSTIMULI" / "i1.jpeg", np.zeros((56, 80, 3)))
    save(tmp_path / "ALLFIXATIONMAPS" / "i1_fixPts.jpg", pixels)
    save(tmp_path / "ALLFIXATIONMAPS" / "i1_fixMap.jpg", np.full((56, 80), 200))
    found = read_gaze_folder(tmp_path)
    assert found.fixations.points("i1.jpeg").tolist() == [[8.5, 8.5], [72.5, 40.5]]


def spa_adv(folder: Path, age: str = "21-25", gender: str = "female") -> Path:
    (folder / "fixations.csv").write_text(
        "viewer,stimulus,video,x,y,age,gender\n"
        f"v1,a.png,1,1,2,{age},{gender}\nv2,b.png,1,3,4,under 20,male\n"
    )
    return folder


def test_spa_adv_says_what_is_missing_and_what_is_not_known(folder: Path) -> None:
    found = read_gaze_folder(spa_adv(folder))
    assert found.layout == "spa-adv"
    assert found.fixations.profiles == ["video", "age", "gender"]
    assert found.notes[0] == "1 of 486 published videos"
    assert found.notes[1] == "2 of more than 4,500 published participants"
    assert "not available to us" in found.notes[2]


@pytest.mark.parametrize(("age", "gender"), [("25", "female"), ("21-25", "f")])
def test_spa_adv_refuses_other_profiles(folder: Path, age: str, gender: str) -> None:
    with pytest.raises(InputError, match=r"is none of (under 20|male)"):
        read_gaze_folder(spa_adv(folder, age, gender))


def test_other_layouts_are_refused_in_one_line(folder: Path) -> None:
    with pytest.raises(InputError, match=r"^\S+: neither fixations\.json, .*for the layouts$"):
        read_gaze_folder(folder)
    with pytest.raises(InputError, match="no such folder"):
        read_gaze_folder(folder / "nowhere")
    (folder / "fixations.csv").write_text("viewer,stimulus,x,y\nv1,d.png,1,2\n")
    with pytest.raises(InputError, match=r"'d\.png' has no picture .*1 of 1 have none"):
        read_gaze_folder(folder)


def test_maps_in_place_of_points_and_other_sizes_are_refused(folder: Path) -> None:
    save(folder / "points" / "a.png", np.full((SIZE[1], SIZE[0]), 200))
    with pytest.raises(InputError, match="100% of the pixels are marked"):
        read_gaze_folder(folder)
    save(folder / "points" / "a.png", marked((1, 1), size=(80, 60)))
    with pytest.raises(InputError, match="80 × 60 pixels, its stimulus 40 × 30"):
        read_gaze_folder(folder)
    save(folder / "points" / "a.png", marked())
    with pytest.raises(NothingMeasuredError):
        read_gaze_folder(folder)
    save(folder / "points" / "z.png", marked((1, 1)))
    with pytest.raises(InputError, match=r"z\.png: no picture of that name"):
        read_gaze_folder(folder)
