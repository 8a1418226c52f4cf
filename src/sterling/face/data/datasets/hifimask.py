"""HiFiMask (Liu et al., 2021): transparent, plaster and resin masks in many lights.

Give the folder of the videos' folders. ``illumination`` is scene and light as ``white/dim``.

Protocols: ``"1"`` everything; ``"2.1"`` … ``"2.3"`` transparent, plaster or resin masks unseen,
figures being means over the three; ``"3"`` trained on fewer kinds, scenes, lights and sensors and
tested on all.
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
    listed_picture,
    own_split,
    unseen,
)
from sterling.face.data.manifest import ATTACK, BONA_FIDE

_MATERIALS = ("transparent", "plaster", "resin")
_SPECIES = dict(zip("0123", (BONA_FIDE, *(f"mask_{m}" for m in _MATERIALS)), strict=True))
_SCENES = dict(
    zip("123456", ("white", "green", "tricolour", "sunshine", "shadow", "motion"), strict=True)
)
_LIGHTS = dict(
    zip("0123456", ("none", "normal", "dim", "bright", "back", "side", "top"), strict=True)
)
_PHONES = ("iPhone 11", "iPhone X", "MI 10", "P40", "S20", "Vivo", "HJIM")
_SENSORS = dict(zip("1234568", _PHONES, strict=True))
# Subjects of each split by skin: 1 yellow, 2 white, 3 black.
_SUBJECTS = {
    "train": {
        "1": (6, 7, 8, 10, 12, 13, *range(18, 26), 83),
        "2": (54, 55, 56, *range(69, 81)),
        "3": (26, *range(31, 35), 39, 40, 45, 52, 53, 59, 64, 65, 81, 82),
    },
    "dev": {"1": (5, 17), "2": (51, 66), "3": (49, 63)},
    "test": {
        "1": (1, 2, 3, 4, 11, 14, 15, 16),
        "2": (27, 28, 30, 35, 36, 37, 41, 42),
        "3": (43, 46, 47, 48, 50, 57, 58, 61),
    },
}
_SPLIT = {
    (skin, subject): split
    for split, by_skin in _SUBJECTS.items()
    for skin, subjects in by_skin.items()
    for subject in subjects
}


def _describe(groups: Mapping[str, str]) -> Presentation | None:
    skin, subject = groups["skin"], int(groups["subject"])
    split = _SPLIT.get((skin, subject))
    if split is None:
        return None
    kind, scene, light, sensor = (groups[name] for name in ("type", "scene", "light", "sensor"))
    return Presentation(
        name=f"{skin}_{subject:02}_{kind}_{scene}_{light}_{sensor}",
        species=_SPECIES[kind],
        subject=f"{subject:02}",
        split=split,
        sensor=_SENSORS[sensor],
        illumination=f"{_SCENES[scene]}/{_LIGHTS[light]}",
        traits={**groups},
    )


def _open_set(presentation: Presentation) -> str:
    seen = {"type": "013", "scene": "146", "light": "01346", "sensor": "1234"}
    known = all(presentation.traits[field] in values for field, values in seen.items())
    return presentation.split if known or presentation.split == "test" else ""


_GRAMMARS = (
    Grammar.of(
        r"(?P<skin>[123])_(?P<subject>\d{1,2})_(?P<type>[0-3])_(?P<scene>[1-6])_"
        r"(?P<light>[0-6])_(?P<sensor>[1-68])",
        r"(?P<frame>\d{4})\.png",
    ),
)


def _listed(lines: Sequence[str], _groups: Mapping[str, str]) -> list[Listed]:
    """Lines such as ``train/2_79_0_1_4_4/0008.png 1``; 1 is bona fide."""
    labels = {"1": BONA_FIDE, "0": ATTACK}
    return [
        listed_picture(_GRAMMARS, _describe, path, split="train", label=labels[label])
        for path, label in map(str.split, lines)
    ]


HIFIMASK = Dataset(
    key="hifimask",
    title="HiFiMask",
    layout="{skin}_{subject}_{type}_{scene}_{light}_{sensor}/NNNN.png",
    grammars=_GRAMMARS,
    describe=_describe,
    protocols={
        "1": Protocol(own_split, {"train": 32514, "dev": 4347, "test": 17362}),
        "2.1": unseen("mask_transparent", {"train": 24423, "dev": 3264, "test": 8661}),
        "2.2": unseen("mask_plaster", {"train": 24372, "dev": 3258, "test": 8685}),
        "2.3": unseen("mask_resin", {"train": 24341, "dev": 3256, "test": 8686}),
        "3": Protocol(
            _open_set,
            {"test": 17362},
            note=(
                "which transparent masks its owners drew, 486 for train and 104 for dev; all are "
                "in here, where they have 3,715 and 536 videos"
            ),
        ),
    },
    # Counts that protocols 1 and 2 determine.
    counts={
        ("train", BONA_FIDE): 8108,
        ("train", ATTACK): 24406,
        ("dev", BONA_FIDE): 1084,
        ("dev", ATTACK): 3263,
        ("test", BONA_FIDE): 4335,
        ("test", ATTACK): 13027,
    },
    subjects={"train": 45, "dev": 6, "test": 24},
    lists=(ListFile(re.compile(r"/train_label\.txt$"), _listed, lambda _groups: "3"),),
    companions=re.compile(r"/(?:val|test)/\d{4}/\d{4}\.png$"),
    unknown=(
        "which 377 of the 54,600 videos are not among the 54,223 distributed",
        "whom the anonymous pictures of the challenge, val/0000/0001.png, show: they are counted "
        "beside the presentations, not read",
    ),
)
