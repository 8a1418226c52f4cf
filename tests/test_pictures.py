"""One decoder for all readers: what it tries, what it refuses, and what it leaves alone."""

import io
import os
import zipfile
import zlib
from pathlib import Path, PurePosixPath

import numpy as np
import pytest
from PIL import Image

from sterling.errors import InputError
from sterling.files import archive_names, is_hidden, not_read, within
from sterling.image import read_class_folders
from sterling.pictures import FORMATS, decode, read_member, read_pixels
from sterling.privacy.data.records import read_records
from sterling.shown import shown

PHOTOGRAPH = Path(__file__).parents[1] / "examples" / "photographs" / "astronaut.jpg"
# Ghostscript, which Pillow would start, never ends with this.
ENDLESS = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 100 100\n%%EndComments\n{} loop\n"


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def empty_png(side: int, kept: int | None = None) -> bytes:
    """A black square, of a chunk of pixels that is cut at `kept` bytes and whole again."""

    def chunk(name: bytes, content: bytes) -> bytes:
        checked = name + content
        return len(content).to_bytes(4) + checked + zlib.crc32(checked).to_bytes(4)

    head = side.to_bytes(4) * 2 + bytes((8, 2, 0, 0, 0))
    rows = zlib.compress(bytes(1 + 3 * side) * min(side, 64), 9)
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        (chunk(b"IHDR", head), chunk(b"IDAT", rows[:kept]), chunk(b"IEND", b""))
    )


@pytest.mark.parametrize("content", [ENDLESS, b"%PDF-1.4\n", b"\0\0\0\x18ftypheic" + bytes(99)])
def test_other_formats_are_refused_whatever_the_name_says(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(content)
    with pytest.raises(InputError, match="not a picture that can be read; use bmp"):
        read_pixels(path)


def test_no_format_that_starts_another_program_is_tried() -> None:
    assert set(FORMATS).isdisjoint({"EPS", "PDF", "WMF", "FITS", "GRIB", "HDF5", "BUFR"})


@pytest.mark.parametrize(("side", "fits"), [(9990, False), (4200, False), (4000, True)])
def test_a_small_file_may_not_claim_many_pixels(side: int, fits: bool) -> None:
    content = empty_png(side, 60)
    assert len(content) < 200
    # A picture of 16 megapixels is decoded, and is found to be cut short.
    with pytest.raises(InputError, match="damaged picture" if fits else "claims"):
        decode(content, "small")


def test_an_empty_picture_of_many_pixels_is_read() -> None:
    content = encoded(Image.new("RGB", (5000, 5000)), "PNG")
    assert 25_000_000 / len(content) < 2000
    assert decode(content, "empty").pixels.shape == (5000, 5000, 3)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_a_device_and_an_endless_link_are_refused_at_once(tmp_path: Path) -> None:
    pipe, link = tmp_path / "pipe.jpg", tmp_path / "link.jpg"
    os.mkfifo(pipe)
    link.symlink_to(link)
    for path, reason in ((pipe, "a pipe"), (Path("/dev/zero"), "a device"), (link, "no such")):
        with pytest.raises(InputError, match=reason):
            read_pixels(path)


def upright_and_turned() -> tuple[Image.Image, bytes]:
    """A picture that is white at its top, and a file that is turned by its EXIF orientation."""
    pixels = np.zeros((40, 30, 3), np.uint8)
    pixels[:10] = 255
    image, exif = Image.fromarray(pixels), Image.Exif()
    exif[0x0112] = 6
    turned = image.transpose(Image.Transpose.ROTATE_90)
    return image, encoded(turned, "JPEG", exif=exif, quality=98)


def test_every_reader_turns_pictures_upright(tmp_path: Path) -> None:
    upright, turned = upright_and_turned()
    contents = {"cat/1.png": encoded(upright, "PNG"), "dog/1.jpg": turned}
    for name, content in contents.items():
        (tmp_path / "f" / name).parent.mkdir(parents=True)
        (tmp_path / "f" / name).write_bytes(content)
    (tmp_path / "z").mkdir()
    with zipfile.ZipFile(tmp_path / "z" / "all.zip", "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    folder = read_class_folders(tmp_path / "f").images
    zipped = read_class_folders(tmp_path / "z").images
    records = (read_records(tmp_path / "z").x + 1) / 2
    for images in (folder.numpy(), zipped.numpy(), records):
        assert images[:, :, 1:5].mean(axis=(1, 2, 3)) == pytest.approx([1, 1], abs=0.02)
        assert images[:, :, 20:].mean() == pytest.approx(0, abs=0.02)


def test_sixteen_bits_of_grey_are_scaled_in_every_reader(tmp_path: Path) -> None:
    ramp = Image.fromarray((np.arange(1600).reshape(40, 40) * 40).astype(np.uint16))
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "1.png").write_bytes(encoded(ramp, "PNG"))
    images = read_class_folders(tmp_path).images
    assert images.shape == (2, 1, 28, 28)
    expected = float((np.arange(1600) * 40 / 65535).mean())
    assert float(images.mean()) == pytest.approx(expected, abs=0.01)


def test_what_a_mac_adds_is_left_alone(tmp_path: Path) -> None:
    picture = encoded(Image.new("RGB", (20, 20)), "PNG")
    with zipfile.ZipFile(tmp_path / "all.zip", "w") as archive:
        for name in ("cat/1.png", "dog/1.png"):
            archive.writestr(name, picture)
        archive.writestr("__MACOSX/cat/._1.png", b"\0\5\x16\7")
    (tmp_path / "._all.zip").write_bytes(b"\0\5\x16\7")
    assert archive_names(tmp_path / "all.zip") == ["cat/1.png", "dog/1.png"]
    assert len(read_class_folders(tmp_path).images) == 2
    assert len(read_records(tmp_path)) == 2
    assert is_hidden(PurePosixPath("a/.b/c.png"))
    assert not is_hidden(PurePosixPath("a.b/c.png"))


@pytest.mark.parametrize("layout", ["{}/images/a.JPEG", "train/{}/images/a.webp", "{}/a.bmp"])
def test_the_class_is_the_last_folder_that_has_several_names(tmp_path: Path, layout: str) -> None:
    for name in ("n01", "n02"):
        path = tmp_path / layout.format(name)
        path.parent.mkdir(parents=True)
        Image.new("RGB", (20, 20)).save(path)
    assert read_class_folders(tmp_path).names == ("n01", "n02")


@pytest.mark.parametrize(
    ("files", "reason"),
    [
        (["a.png", "b.png"], "a.png: lies in no class"),
        (["cat/a.png", "cat/b.png"], "one class, 'cat'"),
        (["images/a.png", "images/b.png"], "one class, 'images'"),
        (["train/n1/images/a.png", "val/images/b.png"], "val/ holds no classes"),
    ],
)
def test_a_folder_without_classes_is_refused(tmp_path: Path, files: list[str], reason: str) -> None:
    for name in files:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 20)).save(tmp_path / name)
    with pytest.raises(InputError, match=reason):
        read_class_folders(tmp_path)


def test_other_files_are_counted(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for name in ("cat", "dog"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (20, 20)).save(tmp_path / name / "1.png")
        (tmp_path / name / "2.heic").write_bytes(b"ftypheic")
    assert len(read_class_folders(tmp_path)) == 2
    assert "2 files are not read" in caplog.text
    assert "cat/2.heic, dog/2.heic" in caplog.text
    assert not_read([], "pictures") == ""
    assert "and 3 more" in not_read(map(str, range(8)), "pictures")


def test_an_entry_that_unpacks_to_too_much_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bomb.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.png", bytes(100_000))
    monkeypatch.setattr("sterling.pictures.MAX_BYTES", 50_000)
    with pytest.raises(InputError, match=r"a\.png: over 50,000 bytes"):
        read_member(str(path), "a.png")


@pytest.mark.parametrize("name", ["../outside", "/etc/passwd", "link", "loop", "a\0b"])
def test_a_folder_names_nothing_outside_it(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "run"
    folder.mkdir()
    (tmp_path / "outside").write_text("secret")
    (folder / "link").symlink_to(tmp_path / "outside")
    (folder / "loop").symlink_to(folder / "loop")
    (folder / "inside").write_text("shown")
    assert within(folder, "inside").read_text() == "shown"
    with pytest.raises(InputError, match=r"lies outside|cannot be followed"):
        within(folder, name)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("no  such:key:[red]file.jpg", "no  such:key:[red]file.jpg"),
        ("Zoë 漢字 👩‍💻.jpg", "Zoë 漢字 👩‍💻.jpg"),
        ("a\nb\x1b[8m\u202egpj.exe\udcff\t", "a\\nb\\x1b[8m\\u202egpj.exe\\udcff\\t"),
    ],
)
def test_a_name_is_shown_as_it_is_in_one_line(name: str, expected: str) -> None:
    assert shown(name) == expected
