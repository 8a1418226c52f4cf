"""Rows with pictures of several cameras, cropped already or not."""

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sterling.errors import InputError
from sterling.face.data import CropSpec, Manifest, load_faces

SPEC = CropSpec(size=16)


def written(folder: Path, name: str, value: int | tuple[int, int, int], side: int = 24) -> str:
    mode = "RGB" if isinstance(value, tuple) else "L"
    Image.new(mode, (side, side), value).save(folder / name)
    return str(folder / name)


def rows(paths: list[str], depth: list[str], ir: list[str] | None = None) -> Manifest:
    count = len(paths)
    return Manifest.from_columns(
        {
            "item": [f"i{k}" for k in range(count)],
            "path": paths,
            "depth_path": depth,
            "ir_path": ir or [""] * count,
            "label": ["attack" if k % 2 else "bona_fide" for k in range(count)],
            "species": ["print" if k % 2 else "bona_fide" for k in range(count)],
        },
        source="door.csv",
    )


def test_modalities_are_stacked_in_the_order_asked_for(tmp_path: Path) -> None:
    manifest = rows(
        [written(tmp_path, "c.png", (10, 20, 30))],
        [written(tmp_path, "d.png", 90)],
        [written(tmp_path, "i.png", 200)],
    )
    faces = load_faces(manifest, SPEC, modalities=("ir", "rgb", "depth"), cropped=True).faces
    assert faces.modalities == ("ir", "rgb", "depth")
    assert faces.images[0, :, 8, 8].tolist() == [200, 10, 20, 30, 90]
    assert faces.present is None


def test_an_absent_modality_is_said_and_an_empty_one_refused(tmp_path: Path) -> None:
    colour = [written(tmp_path, f"c{k}.png", (10, 20, 30)) for k in range(2)]
    manifest = rows(colour, [written(tmp_path, "d.png", 90), ""])
    faces = load_faces(manifest, SPEC, modalities=("rgb", "depth"), cropped=True).faces
    assert faces.present is not None
    assert faces.present.tolist() == [[True, True], [True, False]]
    assert not faces.images[1, 3].any()
    with pytest.raises(InputError, match=r"door.csv: names no ir picture; .*'ir_path'"):
        load_faces(manifest, SPEC, modalities=("rgb", "ir"), cropped=True)


def test_depth_alone_needs_no_colour_picture_where_crops_are_cut(tmp_path: Path) -> None:
    manifest = rows(["", ""], [written(tmp_path, f"d{k}.png", 90) for k in range(2)])
    faces = load_faces(manifest, SPEC, modalities=("depth",), cropped=True).faces
    assert faces.images.shape == (2, 1, 16, 16)
    assert bool((faces.images == 90).all())


def test_pictures_of_different_sizes_are_refused_by_name(tmp_path: Path) -> None:
    manifest = rows(
        [written(tmp_path, "c.png", (1, 2, 3))], [written(tmp_path, "d.png", 90, side=30)]
    )
    with pytest.raises(InputError, match=r"d.png: 30×30 pixels, but .*c.png has 24×24; register"):
        load_faces(manifest, SPEC, modalities=("rgb", "depth"), cropped=True)


def test_a_damaged_picture_of_one_camera_is_a_named_reason(tmp_path: Path) -> None:
    (tmp_path / "bad.png").write_bytes(b"no picture")
    colour = [written(tmp_path, f"c{k}.png", (1, 2, 3)) for k in range(2)]
    manifest = rows(colour, [str(tmp_path / "bad.png"), written(tmp_path, "d.png", 90)])
    loaded = load_faces(manifest, SPEC, modalities=("rgb", "depth"), cropped=True)
    assert [(m.item, m.reason) for m in loaded.non_responses] == [("i0", "unreadable")]
    assert "bad.png" in loaded.non_responses[0].detail


def test_the_face_is_cut_out_of_all_cameras_alike(tmp_path: Path, shared_data: Path) -> None:
    portrait = Image.open(shared_data / "faces" / "lfw_grey" / "Al_Gore" / "Al_Gore_0001.jpg")
    portrait.convert("RGB").save(tmp_path / "c.png")
    portrait.convert("L").save(tmp_path / "d.png")
    manifest = rows([str(tmp_path / "c.png")], [str(tmp_path / "d.png")])
    faces = load_faces(manifest, CropSpec(size=64), modalities=("rgb", "depth")).faces
    grey = faces.images[0, :3].float().mean(dim=0)
    difference = (grey - faces.images[0, 3].float()).abs()
    assert float(difference.max()) <= 1  # rounding


def test_sixteen_bit_depth_is_read(tmp_path: Path) -> None:
    values = np.full((24, 24), 257 * 90, dtype=np.uint16)
    Image.fromarray(values).save(tmp_path / "d.png")
    manifest = rows([written(tmp_path, "c.png", (1, 2, 3))], [str(tmp_path / "d.png")])
    faces = load_faces(manifest, SPEC, modalities=("depth",), cropped=True).faces
    assert torch.equal(faces.images, torch.full((1, 1, 16, 16), 90, dtype=torch.uint8))
