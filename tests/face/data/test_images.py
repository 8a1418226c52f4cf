"""Every common way to store a picture is read rightly; every broken file is one clear line."""

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sterling.errors import InputError
from sterling.face.data import IMAGE_SUFFIXES, read_image

COLOURS = np.array(
    [[[255, 0, 0], [0, 255, 0]], [[0, 0, 255], [10, 20, 30]], [[7, 7, 7], [200, 100, 50]]],
    dtype=np.uint8,
)


def refusal(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read_image(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def channels_first(pixels: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(pixels.copy()).permute(2, 0, 1)


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".ppm", ".tif"])
def test_lossless_rgb_is_read_exactly(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"p{suffix}"
    Image.fromarray(COLOURS).save(path)
    image = read_image(path)
    assert image.dtype == torch.uint8
    assert image.is_contiguous()
    assert torch.equal(image, channels_first(COLOURS))
    assert suffix in IMAGE_SUFFIXES


def test_type_is_told_from_content(tmp_path: Path) -> None:
    path = tmp_path / "p.jpg"
    Image.fromarray(COLOURS).save(path, format="png")
    assert torch.equal(read_image(path), channels_first(COLOURS))


def test_exif_orientation_is_applied(tmp_path: Path) -> None:
    path = tmp_path / "p.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # stored on its side: turn clockwise to view
    Image.fromarray(COLOURS).save(path, exif=exif)
    assert torch.equal(read_image(path), channels_first(np.rot90(COLOURS, -1)))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P"])
def test_grey_and_palettes_become_three_equal_channels(tmp_path: Path, mode: str) -> None:
    path = tmp_path / "p.png"
    grey = Image.fromarray(np.array([[0, 255, 0]], dtype=np.uint8)).convert(mode)
    grey.save(path)
    expected = torch.tensor([0, 255, 0], dtype=torch.uint8).expand(3, 1, 3)
    assert torch.equal(read_image(path), expected)


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path: Path) -> None:
    values = np.array([[0, 257, 32768, 65535, 65407, 65406]], dtype=np.uint16)
    for name in ("p.png", "p.tif", "p.pgm"):
        Image.fromarray(values).save(tmp_path / name)
        row = read_image(tmp_path / name)[0, 0].tolist()
        assert row == [round(v / 257) for v in values[0].tolist()], name


@pytest.mark.parametrize("palette", [False, True])
def test_transparency_is_dropped_and_colours_kept(tmp_path: Path, palette: bool) -> None:
    path = tmp_path / "p.png"
    alpha = np.full((*COLOURS.shape[:2], 1), 255, dtype=np.uint8)
    if palette:
        image = Image.fromarray(COLOURS).convert("P", palette=Image.Palette.ADAPTIVE)
        expected = np.asarray(image.convert("RGB"))
        image.save(path, transparency=bytes(range(6)))
    else:
        alpha[0, 0] = 0
        expected = COLOURS
        Image.fromarray(np.concatenate([COLOURS, alpha], axis=2)).save(path)
    assert torch.equal(read_image(path), channels_first(expected))


def test_cmyk_is_converted(tmp_path: Path) -> None:
    path = tmp_path / "p.tif"
    Image.new("CMYK", (4, 4), (255, 0, 0, 0)).save(path)
    image = read_image(path)
    assert image[:, 0, 0].tolist() == [0, 255, 255]


def test_first_frame_of_an_animation(tmp_path: Path) -> None:
    path = tmp_path / "p.gif"
    frames = [Image.new("L", (4, 4), value) for value in (255, 0)]
    frames[0].save(path, save_all=True, append_images=frames[1:])
    assert bool((read_image(path) == 255).all())


def test_missing_file_and_folder(tmp_path: Path) -> None:
    assert "no such picture" in refusal(tmp_path / "none.png")
    assert "no such picture" in refusal(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\xff\xd8\xff", b"<html></html>", bytes(1000)])
def test_not_a_picture(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "p.jpg"
    path.write_bytes(content)
    message = refusal(path)
    assert "not a picture" in message
    assert "png" in message


@pytest.mark.parametrize("kind", ["jpeg", "png", "tiff", "gif", "webp", "bmp"])
@pytest.mark.parametrize("kept", [0.5, 0.9])
def test_truncated(tmp_path: Path, kind: str, kept: float) -> None:
    path = tmp_path / f"p.{kind}"
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    whole = io.BytesIO()
    Image.fromarray(noise).save(whole, format=kind)
    path.write_bytes(whole.getvalue()[: int(kept * whole.tell())])
    assert "again" in refusal(path) or "not a picture" in refusal(path)


@pytest.mark.parametrize("side", [10_001, 20_000])
def test_over_a_hundred_megapixels_is_refused_before_decoding(tmp_path: Path, side: int) -> None:
    path = tmp_path / "p.png"
    header = io.BytesIO()
    Image.new("1", (side, side)).save(header, format="png")
    path.write_bytes(header.getvalue()[:200])  # cut short: decoding it would say "damaged"
    message = refusal(path)
    assert "100 megapixels" in message
    assert "scale" in message


def test_pixels_without_a_range_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "p.tif"
    for mode in ("F", "I"):
        Image.new(mode, (4, 4)).save(path)
        assert f"mode {mode!r}" in refusal(path)


def test_odd_metadata_does_not_stop_reading(tmp_path: Path) -> None:
    path = tmp_path / "p.jpg"
    Image.fromarray(COLOURS).save(path, exif=b"Exif\x00\x00II*\x00\xff\xff\xff\xff")
    assert read_image(path).shape == (3, 3, 2)
