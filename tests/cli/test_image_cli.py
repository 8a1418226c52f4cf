"""`sterling image`: a gallery of one's own logos, and photographs that are searched for them."""

import json
from pathlib import Path

import pytest
from PIL import Image
from tests.cli.command import refused, run, told

from sterling.image.logos import load_brands, render_scenes, trained_brands


@pytest.fixture
def logos(tmp_path: Path) -> Path:
    folder = tmp_path / "logos"
    folder.mkdir()
    first = trained_brands()
    for index in range(3):
        data = load_brands()[first + index].path
        text = (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24"><path d="{data}"/></svg>'
        )
        (folder / f"brand{index}.svg").write_text(text)
    return folder


def test_photographs_are_searched_for_enrolled_logos(tmp_path: Path, logos: Path) -> None:
    first = trained_brands()
    told_of = json.loads(told("image", "enroll", logos, "--out", tmp_path / "gallery", "--json"))
    assert told_of["brands"] == ["brand0", "brand1", "brand2"]
    assert told_of["threshold"]["resolved"]
    photos = tmp_path / "photos"
    photos.mkdir()
    scenes = render_scenes(4, [first, first + 1, first + 2], seed=3)  # type: ignore[arg-type]
    for index, image in enumerate(scenes.images):
        Image.fromarray(image.numpy().transpose(1, 2, 0)).save(photos / f"{index}.png")
    Image.new("RGB", (64, 64), (90, 90, 90)).save(photos / "empty.png")
    found = json.loads(
        told("image", "identify", photos, "--gallery", tmp_path / "gallery", "--json")
    )
    assert found["threshold"] == told_of["threshold"]["value"]
    assert [Path(one["photograph"]).name for one in found["photographs"]] == [
        *(f"{index}.png" for index in range(4)),
        "empty.png",
    ]
    for one in found["photographs"]:
        for sight in one["logos"]:
            assert (sight["name"] is None) == (sight["similarity"] < found["threshold"])
    text = told("image", "identify", photos, "--gallery", tmp_path / "gallery")
    assert "empty.png\tno logo found" in text
    assert "not your photographs" in text.splitlines()[-1]


def test_input_that_cannot_be_used_is_one_line(tmp_path: Path, logos: Path) -> None:
    gallery = tmp_path / "gallery"
    told("image", "enroll", logos, "--out", gallery)
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no logo" in refused("image", "enroll", empty, "--out", tmp_path / "g")
    assert not (tmp_path / "g").exists()
    assert "fpir 2" in refused("image", "enroll", logos, "--out", tmp_path / "g", "--fpir", 2)
    assert "no picture" in refused("image", "identify", empty, "--gallery", gallery)
    assert "no such gallery" in refused("image", "identify", logos, "--gallery", empty)
    broken = tmp_path / "broken.png"
    broken.write_text("none")
    ended = run("image", "identify", broken, "--gallery", gallery)
    assert ended.status == 3
    assert "not a picture" in ended.err
