"""A folder's layout becomes labels, species and subjects, or one line that says why it cannot."""

import hashlib
import os
from pathlib import Path

import pytest

from sterling.errors import InputError, NothingMeasuredError
from sterling.face.data import CropSpec, Manifest, load_faces, read_folder
from sterling.face.data.folder import says_labels


def lay_out(folder: Path, *files: str) -> Path:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_bytes(file.encode())
    return folder


def rows(manifest: Manifest) -> list[tuple[str, ...]]:
    columns = (manifest.column(name) for name in ("label", "species", "subject"))
    return [tuple(str(v) for v in row) for row in zip(*columns, strict=True)]


def refusal(folder: Path, pattern: str | None = None) -> str:
    with pytest.raises(InputError) as caught:
        read_folder(folder, subject_pattern=pattern)
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("live/07/a.jpg", ("bona_fide", "bona_fide", "07")),
        ("bona_fide/07_1.PNG", ("bona_fide", "bona_fide", "07")),
        ("Live/07/day2/a.jpg", ("bona_fide", "bona_fide", "07")),
        ("spoof/print/07/a.jpg", ("attack", "print", "07")),
        ("attack/replay/07_3.bmp", ("attack", "replay", "07")),
        ("spoof_print/07/a.jpg", ("attack", "print", "07")),
        ("attack_paper_mask/07_a.jpg", ("attack", "paper_mask", "07")),
    ],
)
def test_layouts(tmp_path: Path, file: str, expected: tuple[str, ...]) -> None:
    assert rows(read_folder(lay_out(tmp_path, file))) == [expected]


def test_item_is_a_digest_of_the_bytes_and_path_leads_to_the_file(tmp_path: Path) -> None:
    lay_out(tmp_path, "live/b.jpg", "live/a.jpg", "notes.txt", "live/.hidden.jpg", "live/._x/c.jpg")
    manifest = read_folder(tmp_path)
    assert manifest.column("path").tolist() == [
        str(tmp_path / "live" / "a.jpg"),
        str(tmp_path / "live" / "b.jpg"),
    ]
    expected = hashlib.blake2b(b"live/a.jpg", digest_size=8).hexdigest()
    assert manifest.column("item")[0] == expected
    assert len(expected) == 16
    moved = tmp_path.rename(tmp_path.with_name("moved"))
    assert read_folder(moved).column("item").tolist() == manifest.column("item").tolist()


def test_relative_folder_gives_absolute_paths(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lay_out(tmp_path, "live/a.jpg")
    monkeypatch.chdir(tmp_path)
    assert Path(str(read_folder(".").column("path")[0])).is_absolute()


def test_subject_pattern(tmp_path: Path) -> None:
    lay_out(tmp_path, "live/x/p12_a.jpg", "spoof/print/y/p13_a.jpg")
    manifest = read_folder(tmp_path, subject_pattern=r"/p(?P<subject>\d+)_")
    assert manifest.column("subject").tolist() == ["12", "13"]


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        (r"(?P<subject>", "not a regular expression"),
        (r"\d+", r"(?P<subject>...)"),
        (r"q(?P<subject>\d+)", "live/p1.jpg"),
        (r"p(?P<subject>x?)", "finds no subject"),
        (r"(?P<subject>x)?p", "finds no subject"),
    ],
)
def test_wrong_subject_pattern(tmp_path: Path, pattern: str, reason: str) -> None:
    assert reason in refusal(lay_out(tmp_path, "live/p1.jpg"), pattern)


@pytest.mark.parametrize("file", ["a.jpg", "spoof/a.jpg", "spoof_/a.jpg", "other/1/a.jpg"])
def test_picture_without_a_label_is_refused(tmp_path: Path, file: str) -> None:
    message = refusal(lay_out(tmp_path, "live/b.jpg", file))
    assert str(tmp_path / file) in message
    assert "spoof/<species>/" in message


def test_same_bytes_twice_is_refused(tmp_path: Path) -> None:
    lay_out(tmp_path, "live/a.jpg", "spoof/print/b.jpg")
    (tmp_path / "spoof" / "print" / "b.jpg").write_bytes(b"live/a.jpg")
    message = refusal(tmp_path)
    assert str(tmp_path / "live" / "a.jpg") in message
    assert str(tmp_path / "spoof" / "print" / "b.jpg") in message


def test_missing_and_empty_folder(tmp_path: Path) -> None:
    assert "no such folder" in refusal(tmp_path / "none")
    assert "no pictures" in refusal(tmp_path)
    assert "no pictures" in refusal(lay_out(tmp_path, "live/readme.txt"))
    assert "no such folder" in refusal(tmp_path / "live" / "readme.txt")


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_file_that_may_not_be_read(tmp_path: Path) -> None:
    lay_out(tmp_path, "live/a.jpg")
    (tmp_path / "live" / "a.jpg").chmod(0)
    assert "cannot be read" in refusal(tmp_path)


def test_real_print_attacks(shared_data: Path) -> None:
    manifest = read_folder(shared_data / "fas" / "nuaa")
    assert len(manifest) == 720
    assert manifest.bona_fide.sum() == 360
    assert set(manifest.column("species").tolist()) == {"bona_fide", "print"}
    assert len(set(manifest.column("subject").tolist())) == 10


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (["live/a.jpg", "spoof/print/b.jpg", "notes.txt"], True),
        (["bona_fide/a.jpg", "attack_print/b.jpg", ".cache/c.jpg"], True),
        (["Live/Train/a.mov", "Replay/b.mov"], False),
        (["Train_files/1_1_01_1.avi"], False),
        (["a.jpg"], False),
    ],
)
def test_folders_that_say_what_they_show(tmp_path: Path, files: list[str], expected: bool) -> None:
    assert says_labels(lay_out(tmp_path, *files)) is expected


@pytest.mark.parametrize(
    "stem",
    [
        *("IMG_0001", "DSC_0002", "DSCN0003", "PXL_20240101_1", "MVIMG_20200101", "P1010023"),
        *("WhatsApp Image 2024-01-01", "Screenshot_20240101", "20240101_120000", "image-7"),
        *("FB_IMG_15", "CAM_0013", "frame_12"),
    ],
)
def test_what_a_camera_names_is_a_subject_of_its_own(
    tmp_path: Path, stem: str, caplog: pytest.LogCaptureFixture
) -> None:
    lay_out(tmp_path, f"live/{stem}.jpg", "live/anna_1.jpg", "live/Framework_2.jpg", "live/p/1.jpg")
    found = read_folder(tmp_path)
    subjects = {
        Path(p).stem: s for p, s in zip(*map(found.column, ("path", "subject")), strict=True)
    }
    assert subjects == {stem: stem, "anna_1": "anna", "Framework_2": "Framework", "1": "p"}
    assert "3 files are guessed" in caplog.text
    assert f"1 are named as cameras do ({stem})" in caplog.text
    assert "--subject-pattern" in caplog.text


def test_nothing_is_said_where_nothing_is_guessed(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    read_folder(lay_out(tmp_path, "live/anna/IMG_1.jpg"))
    read_folder(lay_out(tmp_path, "live/IMG_1.jpg"), subject_pattern="(?P<subject>IMG|anna)")
    assert caplog.text == ""


def test_kinds_that_are_not_read_are_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lay_out(tmp_path, "live/s/a.HEIC", "live/s/b.avif", "live/s/c.3gp", "live/s/d.docx")
    found = read_folder(tmp_path)
    assert [Path(path).name for path in found.column("path")] == ["a.HEIC", "b.avif", "c.3gp"]
    assert "1 file is not read, only pictures and videos are: live/s/d.docx" in caplog.text
    with pytest.raises(NothingMeasuredError, match=r"3 \(3 unreadable\).*not a picture"):
        load_faces(found, CropSpec(size=32))


def test_a_name_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    lay_out(tmp_path, "live/s/a.jpg")
    (tmp_path / "live" / "s" / "a.jpg").rename(tmp_path / "live" / "s" / "\udcff.jpg")
    assert "not in UTF-8" in refusal(tmp_path)
    with pytest.raises(InputError, match="not in UTF-8"):
        Manifest.from_columns({"item": ["\udcff"], "label": ["attack"], "species": ["print"]})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes on this system")
def test_a_pipe_is_refused(tmp_path: Path) -> None:
    lay_out(tmp_path, "live/s/a.jpg")
    os.mkfifo(tmp_path / "live" / "s" / "b.jpg")
    assert "b.jpg: a device or a pipe" in refusal(tmp_path)
