"""SiW (Liu et al., CVPR 2018): prints of two qualities and replays on four devices.

Give the folder of Train and Test. ``sensor`` is its number, ``session`` the last number of the
name. There is no development split: hold out subjects of train for the threshold (`hold_out_dev`).

Protocols: ``"1"`` all videos; ``"2.1"`` … ``"2.4"`` replays on one device unseen, trained on the
other three; ``"3.1"`` prints in training and replays in the test, ``"3.2"`` the other way round.
Figures of 2 and 3 are means over their parts.
"""

import re
from collections.abc import Mapping

from sterling.face.data.datasets.spec import Dataset, Grammar, Presentation, Protocol, own_split
from sterling.face.data.manifest import BONA_FIDE

_SPECIES = {"1": BONA_FIDE, "2": "print", "3": "replay"}
_MEDIA = "1234"


def _describe(groups: Mapping[str, str]) -> Presentation | None:
    subject, kind, place = groups["subject"], groups["type"], groups["place"].lower()
    if groups["folder"] != subject or (groups["kind"] == "live") != (kind == "1"):
        return None
    return Presentation(
        name="-".join((subject, groups["sensor"], kind, groups["medium"], groups["session"])),
        species=_SPECIES[kind],
        subject=subject,
        split=place,
        session=groups["session"],
        sensor=groups["sensor"],
        traits={"medium": groups["medium"]},
    )


def _unseen_medium(medium: str) -> Protocol:
    def rule(presentation: Presentation) -> str:
        unseen = presentation.traits["medium"] == medium
        if presentation.species == BONA_FIDE:
            return presentation.split
        if presentation.species == "replay" and unseen == (presentation.split == "test"):
            return presentation.split
        return ""

    return Protocol(rule)


def _unseen_species(seen: str, unseen: str) -> Protocol:
    def rule(presentation: Presentation) -> str:
        attack = unseen if presentation.split == "test" else seen
        return presentation.split if presentation.species in (BONA_FIDE, attack) else ""

    return Protocol(rule)


SIW = Dataset(
    key="siw",
    title="SiW",
    layout="{Train,Test}/{live,spoof}/{NNN}/{NNN}-{sensor}-{type}-{medium}-{session}.mov",
    grammars=(
        Grammar.of(
            r"(?P<place>Train|Test)/(?P<kind>live|spoof)/(?P<folder>\d{3})",
            r"(?P<subject>\d{3})-(?P<sensor>[12])-(?P<type>[123])-(?P<medium>[1-4])-"
            r"(?P<session>\d+)\.mov",
        ),
    ),
    describe=_describe,
    protocols={
        "1": Protocol(
            own_split, note="trains on the first 60 frames of a video; choose them when loading"
        ),
        **{f"2.{medium}": _unseen_medium(medium) for medium in _MEDIA},
        "3.1": _unseen_species("print", "replay"),
        "3.2": _unseen_species("replay", "print"),
    },
    subjects={"train": 90, "test": 75},
    companions=re.compile(r"\.face$"),
    unknown=(
        "how many videos were released: 1,320 bona fide and 3,300 attacks in a survey, 1,313 and "
        "2,065 in a list that its owners derived",
        "what the medium of bona fide videos means, and which subjects are of train",
    ),
)
