"""HiFiMask (Liu et al., 2021): transparent, plaster and resin masks in many lights."""

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
    unseen,
)
from sterling.face.data.manifest import ATTACK, BONA_FIDE, Manifest

_SPECIES = {
    "0": BONA_FIDE,
    "1": "mask_transparent",
    "2": "mask_plaster",
    "3": "mask_resin",
}
_SCENES = {
    "1": "white",
    "2": "green",
    "3": "tricolour",
    "4": "sunshine",
    "5": "shadow",
    "6": "motion",
}
_LIGHTS = {
    "0": "none",
    "1": "normal",
    "2": "dim",
    "3": "bright",
    "4": "back",
    "5": "side",
    "6": "top",
}
_SENSORS = {
    "1": "iPhone 11",
    "2": "iPhone X",
    "3": "MI 10",
    "4": "P40",
    "5": "S20",
    "6": "Vivo",
    "8": "HJIM",
}
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


def read_hifimask(
    folder: str | os.PathLike[str], protocol: str | None = None, *, frames: int | None = None
) -> Manifest:
    """Read HiFiMask; ``illumination`` is scene and light as ``white/dim``.

    Args:
        folder: The folder of the videos' folders.
        protocol: ``"1"`` everything; ``"2.1"`` … ``"2.3"`` transparent, plaster or resin masks
            unseen, figures being means over the three; ``"3"`` trained on fewer kinds, scenes,
            lights and sensors and tested on all.
        frames: How many pictures of each video; None: all ten.

    Raises:
        InputError: As `read_dataset`.
    """
    return read_dataset(HIFIMASK, folder, protocol, frames=frames)


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


def _listed(lines: Sequence[str], _groups: Mapping[str, str]) -> list[Listed]:
    """Lines such as ``train/2_79_0_1_4_4/0008.png 1``; 1 is bona fide."""
    entries = []
    for line in lines:
        path, label = line.split()
        folder, _, file = path.rpartition("/")
        match = _FOLDER.search(folder)
        known = _describe(match.groupdict()) if match else None
        if known is None:
            raise ValueError(f"{path} is no path of the set")
        told = {"1": BONA_FIDE, "0": ATTACK}[label]
        entries.append(Listed(known.name, "train", told, int(file.removesuffix(".png"))))
    return entries


_FOLDER = re.compile(
    r"(?:^|/)(?P<skin>[123])_(?P<subject>\d{1,2})_(?P<type>[0-3])_(?P<scene>[1-6])_"
    r"(?P<light>[0-6])_(?P<sensor>[1-68])$"
)

HIFIMASK = Dataset(
    key="hifimask",
    title="HiFiMask",
    layout="{skin}_{subject}_{type}_{scene}_{light}_{sensor}/NNNN.png",
    grammars=(Grammar(_FOLDER, re.compile(r"(?P<frame>\d{4})\.png")),),
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
    # What protocols 1 and 2 leave no choice for.
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
