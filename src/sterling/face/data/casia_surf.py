"""Reader of CASIA-SURF as its owners distribute it (Zhang et al., CVPR 2019)."""

import re
from collections.abc import Iterator
from pathlib import Path

from sterling.errors import InputError
from sterling.face.data.manifest import ATTACK, BONA_FIDE, Manifest

__all__ = ["CASIA_SURF_ATTACKS", "read_casia_surf"]

CASIA_SURF_ATTACKS: dict[str, str] = {
    "01_e_s": "print_eyes_flat",
    "02_e_b": "print_eyes_bent",
    "03_en_s": "print_eyes_nose_flat",
    "04_en_b": "print_eyes_nose_bent",
    "05_enm_s": "print_eyes_nose_mouth_flat",
    "06_enm_b": "print_eyes_nose_mouth_bent",
}
"""Folder codes of the six attacks, and what they are called here: which regions are cut out of the
printed face, and whether it is held flat or bent."""

_SPLITS = {"Training": "train", "Val": "dev", "Testing": "test"}
_LAYOUT = (
    "{Training,Val,Testing}/{real_part,fake_part}/CLKJ_XXNNNN/{real,01_e_s,…}.rssdk/"
    "{color,depth,ir}/NNN.jpg"
)
_SUBJECT = re.compile(r"CLKJ_[A-Z]{2}\d{4}")
_CAMERAS = ("color", "depth", "ir")


def read_casia_surf(root: Path | str) -> Manifest:
    """One row per moment that all three cameras recorded, with the splits of the owners' folders.

    A video is a folder ``….rssdk``. The pictures are face crops on black: read them with
    ``load_faces(..., cropped=True)``. Training has attacks 4 to 6, the other splits 1 to 3.

    Args:
        root: The folder that holds Training, Val and Testing. A split may be missing as a whole.

    Raises:
        InputError: There is no such folder or no split in it, a folder's name is not one of the
            data set's, or a video lacks a camera or a picture of one; the message names the first.
    """
    root = Path(root)
    if not root.is_dir():
        raise InputError(f"{root}: no such folder; give the one that holds Training, Val, Testing")
    present = [name for name in _SPLITS if (root / name).is_dir()]
    if not present:
        raise InputError(f"{root}: holds none of {', '.join(_SPLITS)}; the layout is {_LAYOUT}")
    rows = [row for name in present for row in _rows(root / name, _SPLITS[name])]
    if not rows:
        raise InputError(f"{root}: holds no pictures; the layout is {_LAYOUT}")
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    return Manifest.from_columns(columns, str(root))


def _rows(split: Path, name: str) -> Iterator[dict[str, str | int]]:
    for part, label in (("real_part", BONA_FIDE), ("fake_part", ATTACK)):
        folder = split / part
        if not folder.is_dir():
            raise InputError(f"{folder}: is missing; the layout is {_LAYOUT}")
        for subject in _folders(folder):
            if not _SUBJECT.fullmatch(subject.name):
                raise InputError(f"{subject}: not the name of a subject, such as CLKJ_AS0005")
            for video in _folders(subject):
                species = BONA_FIDE if label == BONA_FIDE else _species(video)
                identity = f"{name}/{subject.name}/{video.name}"
                for number, pictures in _moments(video):
                    yield {
                        "item": f"{identity}/{number}",
                        **pictures,
                        "label": label,
                        "species": species,
                        "subject": subject.name,
                        "video": identity,
                        "frame": int(number),
                        "split": name,
                    }


def _species(video: Path) -> str:
    code = video.name.removesuffix(".rssdk")
    if code not in CASIA_SURF_ATTACKS:
        raise InputError(f"{video}: not an attack; known are {', '.join(CASIA_SURF_ATTACKS)}")
    return CASIA_SURF_ATTACKS[code]


def _moments(video: Path) -> Iterator[tuple[str, dict[str, str]]]:
    """Number of each moment and its three pictures, by column of the manifest."""
    found = {}
    for camera in _CAMERAS:
        if not (video / camera).is_dir():
            raise InputError(f"{video / camera}: is missing; a video has {', '.join(_CAMERAS)}")
        found[camera] = {file.stem: file for file in sorted((video / camera).glob("*.jpg"))}
    numbers = sorted(set().union(*found.values()))
    for number in numbers:
        for camera in _CAMERAS:
            if number not in found[camera]:
                raise InputError(f"{video / camera / number}.jpg: is missing; copy the video again")
        colour, depth, infrared = (str(found[camera][number]) for camera in _CAMERAS)
        yield number, {"path": colour, "depth_path": depth, "ir_path": infrared}


def _folders(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.iterdir()) if path.is_dir()]
