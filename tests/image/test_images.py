"""Glyphs, readers and class splits."""

import io
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from sterling.errors import InputError
from sterling.image import (
    LabelledImages,
    draw_glyphs,
    few_shot_data,
    read_class_folders,
    scan_digits,
    split_classes,
    with_rotations,
)
from sterling.image.glyphs import ALPHABET, FACES, _drawn


def test_the_first_glyphs_are_the_same_everywhere() -> None:
    images = draw_glyphs(4, 3, seed=0)
    assert images.images.shape == (12, 1, 28, 28)
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3]
    # Not their bytes: versions of the font renderer differ in the last grey levels.
    ink = [0.104, 0.108, 0.230, 0.090, 0.122, 0.120, 0.116, 0.177, 0.144, 0.098, 0.071, 0.060]
    torch.testing.assert_close(
        images.images.mean(dim=(1, 2, 3)), torch.tensor(ink), atol=0.005, rtol=0
    )
    assert not torch.equal(images.images, draw_glyphs(4, 3, seed=1).images)


def test_every_face_has_every_character_and_no_two_are_alike() -> None:
    assert len(set(ALPHABET)) == len(ALPHABET)
    missing = [_drawn("\uffff", face) for face in FACES]
    vectors = []
    for character in ALPHABET:
        drawn = [_drawn(character, face) for face in FACES]
        assert all((one != box).any() for one, box in zip(drawn, missing, strict=True)), character
        vectors.append([_fitted(one) for one in drawn])
    faces = np.stack(vectors).astype(np.float64)
    faces /= np.linalg.norm(faces, axis=2, keepdims=True)
    alike = np.einsum("afd,bfd->ab", faces, faces) / len(FACES)
    np.fill_diagonal(alike, 0)
    assert alike.max() < 0.9


def _fitted(drawn: np.ndarray) -> np.ndarray:
    """The character scaled into a box of 24 pixels, smoothed, flat."""
    rows, columns = np.nonzero(drawn)
    cut = drawn[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    height, width = (max(1, round(side * 24 / max(cut.shape))) for side in cut.shape)
    box = np.zeros((24, 24), np.float32)
    top, left = (24 - height) // 2, (24 - width) // 2
    box[top : top + height, left : left + width] = cv2.resize(
        cut, (width, height), interpolation=cv2.INTER_AREA
    )
    return np.asarray(cv2.GaussianBlur(box, (0, 0), 1.0)).ravel()


@settings(max_examples=30)
@given(st.integers(2, 40), st.integers(0, 2**31), st.floats(0.3, 0.6))
def test_parts_share_no_class_and_lose_no_picture(classes: int, seed: int, share: float) -> None:
    labels = np.repeat(np.arange(classes), 3)
    values = torch.arange(3.0 * classes)[:, None, None, None]
    names = tuple(f"class {one}" for one in range(classes))
    parts = split_classes(
        LabelledImages(values, labels, names, "numbers"), {"a": share, "b": 1 - share}, seed
    )
    assert set(parts["a"].names).isdisjoint(parts["b"].names)
    assert len(parts["a"]) + len(parts["b"]) == len(values)
    for part in parts.values():
        for value, label in zip(part.images.flatten().tolist(), part.labels, strict=True):
            assert part.names[label] == f"class {int(value) // 3}"


def test_shares_that_cannot_be_are_named() -> None:
    digits = scan_digits()
    with pytest.raises(InputError, match="sum to 1"):
        split_classes(digits, {"a": 0.5, "b": 0.4}, 0)
    with pytest.raises(InputError, match="none for 'b'"):
        split_classes(digits, {"a": 0.99, "b": 0.01}, 0)
    with pytest.raises(InputError, match="give at least 1"):
        draw_glyphs(len(ALPHABET) + 1)


def test_quarter_turns_are_classes() -> None:
    digits = scan_digits().of_classes(np.array([2, 7]))
    turned = with_rotations(digits)
    n = len(digits)
    assert len(turned) == 4 * n
    assert turned.names == (
        *("2", "7", "2 turned 90", "7 turned 90"),
        *("2 turned 180", "7 turned 180", "2 turned 270", "7 turned 270"),
    )
    assert turned.labels[n : 2 * n].tolist() == (digits.labels + 2).tolist()
    twice = torch.rot90(turned.images[n : 2 * n], 1, (2, 3))
    assert torch.equal(twice, turned.images[2 * n : 3 * n])


def picture(colour: bool, value: int) -> bytes:
    stream = io.BytesIO()
    Image.new("RGB" if colour else "L", (9, 9), (value,) * 3 if colour else value).save(
        stream, "png"
    )
    return stream.getvalue()


def test_classes_in_several_archives_and_folders_are_one(tmp_path: Path) -> None:
    for name in ("train", "test"):
        with zipfile.ZipFile(tmp_path / f"{name}.zip", "w") as archive:
            for one, value in (("cat", 0), ("dog", 255)):
                archive.writestr(f"{one}/{name}.png", picture(True, value))
    (tmp_path / "cat").mkdir()
    (tmp_path / "cat" / "more.png").write_bytes(picture(True, 0))
    images = few_shot_data(tmp_path, size=8)
    assert images.names == ("cat", "dog")
    assert images.images.shape == (5, 3, 8, 8)
    assert images.images.mean(dim=(1, 2, 3)).tolist() == [0, 0, 0, 1, 1]
    assert images.labels.tolist() == [0, 0, 0, 1, 1]
    (tmp_path / "cat" / "grey.png").write_bytes(picture(False, 0))
    with pytest.raises(InputError, match="colour and grey"):
        read_class_folders(tmp_path)


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read_class_folders(tmp_path / "none")
    with pytest.raises(InputError, match="give another folder"):
        read_class_folders(tmp_path)
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "broken.png").write_bytes(b"no picture")
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "whole.png").write_bytes(picture(True, 0))
    with pytest.raises(InputError, match=r"broken\.png: not a picture"):
        read_class_folders(tmp_path)
    (tmp_path / "a" / "broken.png").unlink()
    (tmp_path / "b.zip").write_bytes(b"no archive")
    with pytest.raises(InputError, match=r"b\.zip: no zip archive"):
        read_class_folders(tmp_path)


def test_omniglot_and_cifar10(shared_data: Path, tmp_path: Path) -> None:
    omniglot = read_class_folders(shared_data / "fewshot" / "omniglot")
    assert omniglot.images.shape == (136 * 20, 1, 28, 28)
    assert omniglot.names[0] == "Balinese/character01"
    assert 0.02 < float(omniglot.images.mean()) < 0.2  # ink is 1, and little of the page is ink
    (tmp_path / "test.zip").symlink_to(shared_data / "images" / "cifar10" / "test.zip")
    cifar = read_class_folders(tmp_path, 32)
    assert cifar.images.shape == (1500, 3, 32, 32)
    assert np.bincount(cifar.labels).tolist() == [150] * 10
