"""SuHiFiMask (Fang et al., 2023): masks and flat attacks before surveillance cameras.

Give the folder of the rounds, and of train_label.txt, dev_label.txt, test_label.txt: only list
files know the splits. One presentation per person in a round; ``sensor`` is the camera. Attacks
have the species ``category_1`` … ``category_9``; 1 to 4 are the mask materials, in an order that is
unknown.

Protocol ``"1"``: everything, by identity. Protocols 2 and 3 are known from their lists alone:
`read_lists`.
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
)
from sterling.face.data.manifest import ATTACK, BONA_FIDE


def _describe(groups: Mapping[str, str]) -> Presentation:
    category = groups["category"]
    return Presentation(
        name=f"{groups['round']}/id_{groups['person']}",
        species=f"category_{category}" if category != "0" else BONA_FIDE,
        subject=groups["subject"],
        session=f"{groups['group']}_{groups['epoch']}",
        sensor=groups["device"],
        traits={"scene": groups["scene"]},
    )


_GRAMMARS = (
    Grammar.of(
        r"(?P<round>(?P<group>G\d+)_(?P<scene>S\d+)_(?P<device>C\d+)_(?P<epoch>E\d+)_T[^/]*)/"
        r"id_(?P<person>\d+)",
        r"(?P<frame>\d+)_(?P<subject>\d+)_(?P<category>\d)\.jpg",
    ),
)


def _listed(lines: Sequence[str], groups: Mapping[str, str]) -> list[Listed]:
    """Lines such as ``G05_…/id_4/120_43_0.jpg,0``, with the category of the name behind the comma.

    The lists of the challenge have a blank there, and a label whose meaning is unknown: ignored.
    """
    entries = []
    for line in lines:
        path, category = re.split(r"[,\s]+", line, maxsplit=1)
        label = "" if "," not in line else BONA_FIDE if category == "0" else ATTACK
        split = groups["split"]
        entries.append(listed_picture(_GRAMMARS, _describe, path, split=split, label=label))
    return entries


SUHIFIMASK = Dataset(
    key="suhifimask",
    title="SuHiFiMask",
    layout="G{NN}_S{NN}_C{N}_E{NN}_T…/id_{person}/{frame}_{subject}_{category}.jpg",
    grammars=_GRAMMARS,
    describe=_describe,
    protocols={"1": Protocol(own_split, {"train": 72217, "dev": 12082, "test": 64441})},
    pictures={("train", ""): 201568, ("dev", ""): 40824, ("test", ""): 132190},
    subjects={"": 101},
    lists=(ListFile(re.compile(r"/(?P<split>train|dev|test)_label\.txt$"), _listed),),
    splits_from_lists=True,
    unknown=(
        "which species the categories 1 to 9 are; 1 to 4 are four mask materials in some order",
        "what the lists of protocols 2 (one mask left out) and 3 (by image quality) are called: "
        "name them (read_lists, sterling face data lists)",
        "how the 10,195 published videos relate to the clips of the lists",
    ),
)
