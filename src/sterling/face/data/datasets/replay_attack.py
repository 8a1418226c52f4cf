"""Replay-Attack (Chingovska et al., BIOSIG 2012): one webcam, prints and two displays.

Give the folder of train, devel and test. ``illumination`` is controlled or adverse; enrolment is
left out. Protocol ``"grandtest"``: all attacks; the threshold is chosen on devel, and the half
total error rate reported on test.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping

from sterling.face.data.datasets.spec import (
    Dataset,
    Grammar,
    Presentation,
    Protocol,
    own_split,
    videos_of_each,
)
from sterling.face.data.manifest import BONA_FIDE

_PLACES = {"train": "train", "devel": "dev", "test": "test"}
_SPECIES = {"": BONA_FIDE, "print": "print", "mobile": "replay_mobile", "highdef": "replay_highdef"}
# Attacks on each client: a print of a high-resolution photo, and on either display a
# photo and a video that were taken with it.
_ATTACKS = (
    ("print", "highdef", "photo"),
    ("mobile", "mobile", "photo"),
    ("mobile", "mobile", "video"),
    ("highdef", "highdef", "photo"),
    ("highdef", "highdef", "video"),
)


def _describe(groups: Mapping[str, str]) -> Presentation | None:
    instrument = groups.get("instrument", "")
    if instrument and (instrument, groups["source"], groups["content"]) not in _ATTACKS:
        return None
    return Presentation(
        name=_attack(**groups) if instrument else _real(**groups),
        species=_SPECIES[instrument],
        subject=groups["client"],
        split=_PLACES[groups["place"]],
        session="01",
        sensor="webcam",
        illumination=groups["light"],
        traits={"place": groups["place"], "support": groups.get("support", "")},
    )


def _real(place: str, client: str, light: str, take: str) -> str:
    return f"{place}/client{client}_session01_webcam_authenticate_{light}_{take}"


def _attack(
    place: str, support: str, instrument: str, client: str, source: str, content: str, light: str
) -> str:
    file = f"attack_{instrument}_client{client}_session01_{source}_{content}_{light}"
    return f"{place}/{support}/{file}"


def _of_the_clients(found: Iterable[Presentation]) -> Iterator[str]:
    """Everything that the clients of whom there is something must have."""
    clients = {(known.traits["place"], known.subject) for known in found}
    for (place, client), light in itertools.product(sorted(clients), ("adverse", "controlled")):
        yield from (_real(place, client, light, take) for take in "12")
        for support, attack in itertools.product(("fixed", "hand"), _ATTACKS):
            instrument, source, content = attack
            yield _attack(place, support, instrument, client, source, content, light)


_CLIENTS = {"train": 15, "dev": 15, "test": 20}

REPLAY_ATTACK = Dataset(
    key="replay_attack",
    title="Replay-Attack",
    layout=(
        "{train,devel,test}/real/client{NNN}_session01_webcam_authenticate_{light}_{take}.mov and "
        "{train,devel,test}/attack/{fixed,hand}/"
        "attack_{instrument}_client{NNN}_session01_{source}_{photo,video}_{light}.mov"
    ),
    grammars=(
        Grammar.of(
            r"(?P<place>train|devel|test)/real",
            r"client(?P<client>\d{3})_session01_webcam_authenticate_"
            r"(?P<light>controlled|adverse)_(?P<take>[12])\.mov",
        ),
        Grammar.of(
            r"(?P<place>train|devel|test)/attack/(?P<support>fixed|hand)",
            r"attack_(?P<instrument>highdef|mobile|print)_client(?P<client>\d{3})_"
            r"session01_(?P<source>highdef|mobile)_(?P<content>photo|video)_"
            r"(?P<light>controlled|adverse)\.mov",
        ),
    ),
    describe=_describe,
    protocols={
        "grandtest": Protocol(own_split, {"train": 360, "dev": 360, "test": 480}),
    },
    counts=videos_of_each(_CLIENTS, 4, 20),
    subjects=_CLIENTS,
    expected=_of_the_clients,
    companions=re.compile(r"/(?:enroll|face-locations)/"),
    unknown=("which client numbers each split has",),
)
