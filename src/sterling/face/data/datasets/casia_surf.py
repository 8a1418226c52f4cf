"""CASIA-SURF as its owners distribute it (Zhang et al., CVPR 2019)."""

import os
import re
from collections.abc import Mapping, Sequence

from sterling.face.data.datasets.read import read_dataset
from sterling.face.data.datasets.spec import (
    Dataset,
    Grammar,
    Listed,
    ListFile,
    Presentation,
    Protocol,
    own_split,
)
from sterling.face.data.manifest import ATTACK, BONA_FIDE, Manifest
from sterling.face.data.modality import Modality

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

_CODES = tuple(CASIA_SURF_ATTACKS)
_ATTACKS_OF = {"train": _CODES[3:], "dev": _CODES[:3], "test": _CODES[:3]}
_SPLITS = {
    **{"Training": "train", "Val": "dev", "Testing": "test"},
    **{"train": "train", "val": "dev", "test": "test"},
}
_VIDEO = (
    r"(?P<subject>CLKJ_[A-Z]{2}\d{4})/(?P<video>real|\d\d_[a-z]+_[a-z])\.rssdk/"
    r"(?P<camera>color|depth|ir)$"
)
_OWNERS = re.compile(rf"(?:^|/)(?P<place>Training|Val|Testing)/(?P<part>real|fake)_part/{_VIDEO}")
_CROPS = re.compile(
    rf"(?:^|/)(?P<part>real|fake)_part/(?P=part)_(?P<place>train|val|test)_part/{_VIDEO}"
)
# The challenge gave out its later splits without names: lists tell labels, nothing tells people.
_ANONYMOUS = re.compile(r"(?:^|/)(?:Val|Testing)/\d{4}/\d{6}-(?:color|depth|ir)\.jpg$")
_CAMERAS: tuple[Modality, ...] = ("rgb", "depth", "ir")


def read_casia_surf(
    folder: str | os.PathLike[str], protocol: str | None = None, *, frames: int | None = None
) -> Manifest:
    """One row per moment that all three cameras recorded, with the splits of the owners' folders.

    A video is a folder ``….rssdk``. The pictures are face crops on black: read them with
    ``load_faces(..., cropped=True)``. Training has attacks 4 to 6, the other splits 1 to 3.

    Args:
        folder: The folder that holds Training, Val and Testing, or the real_part and fake_part of
            the later crops. A split may be missing as a whole.
        protocol: ``"within_modal"``: everything; ``"cross_modal:rgb"``, ``":depth"`` and ``":ir"``:
            trained on the pictures of that camera, tested on those of the two others.
        frames: How many moments of each video; None: all.

    Raises:
        InputError: As `read_dataset`; also if a video lacks a camera or a picture of one.
    """
    return read_dataset(CASIA_SURF, folder, protocol, frames=frames)


def _describe(groups: Mapping[str, str]) -> Presentation | None:
    split, video, subject = _SPLITS[groups["place"]], groups["video"], groups["subject"]
    known = ("real",) if groups["part"] == "real" else _ATTACKS_OF[split]
    if video not in known:
        return None
    return Presentation(
        name=f"{split}/{subject}/{video}.rssdk",
        species=CASIA_SURF_ATTACKS.get(video, BONA_FIDE),
        subject=subject,
        split=split,
    )


def _cross(camera: Modality) -> Protocol:
    others = tuple(other for other in _CAMERAS if other != camera)
    return Protocol(own_split, views={"train": (camera,), "dev": (camera,), "test": others})


def _listed(lines: Sequence[str], _groups: Mapping[str, str]) -> list[Listed]:
    """Lines are the paths of three pictures, and in some lists a label, 1 for bona fide."""
    entries = []
    for line in lines:
        colour, _depth, _infrared, *label = line.split()
        if _ANONYMOUS.search(colour):
            continue
        folder, _, file = colour.rpartition("/")
        match = _OWNERS.search(folder)
        known = _describe(match.groupdict()) if match else None
        if known is None:
            raise ValueError(f"{colour} is no path of the set")
        told = {(): "", ("1",): BONA_FIDE, ("0",): ATTACK}[tuple(label)]
        entries.append(Listed(known.name, known.split, told, int(file.removesuffix(".jpg"))))
    return entries


CASIA_SURF = Dataset(
    key="casia_surf",
    title="CASIA-SURF",
    layout=(
        "{Training,Val,Testing}/{real,fake}_part/CLKJ_XXNNNN/{real,01_e_s,…}.rssdk/"
        "{color,depth,ir}/NNN.jpg, or {real,fake}_part/{real,fake}_{train,val,test}_part/CLKJ_…"
    ),
    grammars=tuple(
        Grammar(folder, re.compile(r"(?P<frame>\d+)\.jpg")) for folder in (_OWNERS, _CROPS)
    ),
    describe=_describe,
    protocols={
        "within_modal": Protocol(own_split, {"train": 1200, "dev": 400, "test": 2391}),
        **{f"cross_modal:{camera}": _cross(camera) for camera in _CAMERAS},
    },
    cameras=_CAMERAS,
    counts={
        ("train", BONA_FIDE): 300,
        ("train", ATTACK): 900,
        ("dev", BONA_FIDE): 100,
        ("dev", ATTACK): 300,
        ("test", ""): 2391,
    },
    pictures={("train", ""): 29266, ("dev", ""): 9608, ("test", ""): 57710},
    subjects={"train": 300, "dev": 100, "test": 600},
    lists=(
        ListFile(
            re.compile(r"/(?:train|(?:val|test)_(?:private|public))_list\.txt$"),
            _listed,
        ),
    ),
    companions=_ANONYMOUS,
    unknown=(
        "whom the anonymous pictures of the challenge, Val/0000/000000-color.jpg, show: they are "
        "counted beside the presentations, not read",
        "which of the 2,400 videos of the test split were left out of the 2,391",
    ),
)
