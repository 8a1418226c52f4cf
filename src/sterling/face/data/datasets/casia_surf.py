"""CASIA-SURF as its owners distribute it (Zhang et al., CVPR 2019).

Give the folder that holds Training, Val and Testing, or the real_part and fake_part of the later
crops; a split may be missing as a whole. One row per moment that all three cameras recorded; a
video is a folder ``….rssdk``. The pictures are face crops on black: read them with
``load_faces(..., cropped=True)``. Training has attacks 4 to 6, the other splits 1 to 3.

Protocols: ``"within_modal"``: everything; ``"cross_modal:rgb"``, ``":depth"`` and ``":ir"``:
trained on the pictures of that camera, tested on those of the two others.
"""

import re
from collections.abc import Mapping, Sequence

from sterling.face.data.datasets.spec import (
    Dataset,
    Grammar,
    Listed,
    ListFile,
    Presentation,
    Protocol,
    cross_modal,
    listed_picture,
    own_split,
)
from sterling.face.data.manifest import ATTACK, BONA_FIDE
from sterling.face.data.modality import Modality

CASIA_SURF_ATTACKS: dict[str, str] = {
    "01_e_s": "print_eyes_flat",
    "02_e_b": "print_eyes_bent",
    "03_en_s": "print_eyes_nose_flat",
    "04_en_b": "print_eyes_nose_bent",
    "05_enm_s": "print_eyes_nose_mouth_flat",
    "06_enm_b": "print_eyes_nose_mouth_bent",
}
"""Species by folder code of the six attacks: the regions that are cut out of the printed face, and
whether it is held flat or bent."""

_CODES = tuple(CASIA_SURF_ATTACKS)
_ATTACKS_OF = {"train": _CODES[3:], "dev": _CODES[:3], "test": _CODES[:3]}
_SPLITS = {
    **{"Training": "train", "Val": "dev", "Testing": "test"},
    **{"train": "train", "val": "dev", "test": "test"},
}
_VIDEO = (
    r"(?P<subject>CLKJ_[A-Z]{2}\d{4})/(?P<video>real|\d\d_[a-z]+_[a-z])\.rssdk/"
    r"(?P<camera>color|depth|ir)"
)
_GRAMMARS = tuple(
    Grammar.of(f"{folder}/{_VIDEO}", r"(?P<frame>\d+)\.jpg")
    for folder in (
        r"(?P<place>Training|Val|Testing)/(?P<part>real|fake)_part",
        r"(?P<part>real|fake)_part/(?P=part)_(?P<place>train|val|test)_part",
    )
)
# The challenge gave out its later splits without names: lists give labels, nothing gives people.
_ANONYMOUS = re.compile(r"(?:^|/)(?:Val|Testing)/\d{4}/\d{6}-(?:color|depth|ir)\.jpg$")
_CAMERAS: tuple[Modality, ...] = ("rgb", "depth", "ir")


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


def _listed(lines: Sequence[str], _groups: Mapping[str, str]) -> list[Listed]:
    """Lines are the paths of three pictures, and in some lists a label, 1 for bona fide."""
    labels = {(): "", ("1",): BONA_FIDE, ("0",): ATTACK}
    return [
        listed_picture(_GRAMMARS, _describe, colour, label=labels[tuple(label)])
        for colour, _depth, _infrared, *label in map(str.split, lines)
        if not _ANONYMOUS.search(colour)
    ]


CASIA_SURF = Dataset(
    key="casia_surf",
    title="CASIA-SURF",
    layout=(
        "{Training,Val,Testing}/{real,fake}_part/CLKJ_XXNNNN/{real,01_e_s,…}.rssdk/"
        "{color,depth,ir}/NNN.jpg, or {real,fake}_part/{real,fake}_{train,val,test}_part/CLKJ_…"
    ),
    grammars=_GRAMMARS,
    describe=_describe,
    protocols={
        "within_modal": Protocol(own_split, {"train": 1200, "dev": 400, "test": 2391}),
        **{f"cross_modal:{camera}": cross_modal(camera, _CAMERAS) for camera in _CAMERAS},
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
        ListFile(re.compile(r"/(?:train|(?:val|test)_(?:private|public))_list\.txt$"), _listed),
    ),
    companions=_ANONYMOUS,
    unknown=(
        "whom the anonymous pictures of the challenge, Val/0000/000000-color.jpg, show: they are "
        "counted beside the presentations, not read",
        "which of the 2,400 videos of the test split were left out of the 2,391",
    ),
)
