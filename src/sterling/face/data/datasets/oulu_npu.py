"""OULU-NPU (Boulkenafet et al., FG 2017): six phones, three sessions, prints and displays.

Give the folder of Train_files, Dev_files and Test_files. ``sensor`` is the phone, ``session`` the
session with its own light. The species are print and replay, two instruments each, as the published
APCER is the larger of the two.

Protocols: ``"1"`` unseen session, ``"2"`` unseen instruments, ``"3.1"`` … ``"3.6"`` unseen phone,
``"4.1"`` … ``"4.6"`` all of these; figures of 3 and 4 are means over the six.
"""

import itertools
import re
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from sterling.face.data.datasets.spec import (
    Dataset,
    Grammar,
    Listed,
    ListFile,
    Presentation,
    Protocol,
    videos_of_each,
)
from sterling.face.data.manifest import ATTACK, BONA_FIDE

_PLACES = {"Train": "train", "Dev": "dev", "Test": "test"}
_USERS = {"train": range(1, 21), "dev": range(21, 36), "test": range(36, 56)}
_SPECIES = {"1": BONA_FIDE, "2": "print", "3": "print", "4": "replay", "5": "replay"}
_SUBJECTS = {split: len(users) for split, users in _USERS.items()}
_SPLIT = {f"{user:02}": split for split, users in _USERS.items() for user in users}
_PHONES = "123456"


def _describe(groups: Mapping[str, str]) -> Presentation:
    phone, session, user, file = (groups[name] for name in ("phone", "session", "user", "file"))
    return Presentation(
        name=f"{phone}_{session}_{user}_{file}",
        species=_SPECIES[file],
        subject=user,
        split=_SPLIT[user],
        place=_PLACES[groups["place"]] if groups["place"] else "",
        session=session,
        sensor=f"phone_{phone}",
        traits={"phone": phone, "file": file},
    )


def _rule(
    presentation: Presentation, *, sessions: bool = False, files: bool = False, phone: str = ""
) -> str:
    """The split, if the presentation is of those that a protocol trains on, or tests on."""
    testing = presentation.split == "test"
    if sessions and (presentation.session == "3") != testing:
        return ""
    if files and presentation.traits["file"] not in ("135" if testing else "124"):
        return ""
    if phone and (presentation.traits["phone"] == phone) != testing:
        return ""
    return presentation.split


def _fold(number: str, sizes: tuple[int, int, int], **conditions: Any) -> dict[str, Protocol]:
    """The six parts of a protocol, each with another phone unseen."""
    published = dict(zip(("train", "dev", "test"), sizes, strict=True))
    return {
        f"{number}.{phone}": Protocol(partial(_rule, phone=phone, **conditions), published)
        for phone in _PHONES
    }


_PROTOCOLS = {
    "1": Protocol(partial(_rule, sessions=True), {"train": 1200, "dev": 900, "test": 600}),
    "2": Protocol(partial(_rule, files=True), {"train": 1080, "dev": 810, "test": 1080}),
    **_fold("3", (1500, 1125, 300)),
    **_fold("4", (600, 450, 60), sessions=True, files=True),
}


def _listed(lines: Sequence[str], groups: Mapping[str, str]) -> list[Listed]:
    """Lines such as ``+1,6_3_20_1``; attacks are -1, or in some lists -2 where replayed."""
    split = _PLACES[groups["place"]]
    return [
        Listed(name.strip(), split, BONA_FIDE if int(label) > 0 else ATTACK)
        for label, name in (line.split(",") for line in lines)
    ]


def _protocol_of_list(groups: Mapping[str, str]) -> str:
    return f"{groups['number']}.{groups['fold']}" if groups["fold"] else groups["number"]


OULU_NPU = Dataset(
    key="oulu_npu",
    title="OULU-NPU",
    layout="{Train,Dev,Test}_files/{phone}_{session}_{user}_{file}.avi",
    grammars=(
        Grammar.of(
            r"(?P<place>Train|Dev|Test)_files",
            r"(?P<phone>[1-6])_(?P<session>[1-3])_(?P<user>0[1-9]|[1-4]\d|5[0-5])_"
            r"(?P<file>[1-5])\.avi",
        ),
    ),
    describe=_describe,
    protocols=_PROTOCOLS,
    counts=videos_of_each(_SUBJECTS, 6 * 3, 6 * 3 * 4),
    subjects=_SUBJECTS,
    expected=lambda _: map("_".join, itertools.product(_PHONES, "123", _SPLIT, _SPECIES)),
    lists=(
        ListFile(
            re.compile(
                r"/Protocol_(?P<number>[1-4])/(?P<place>Train|Dev|Test)(?:_(?P<fold>[1-6]))?\.txt$"
            ),
            _listed,
            _protocol_of_list,
        ),
    ),
    companions=re.compile(r"/(?:Train|Dev|Test)_files/\d_\d_\d\d_\d\.txt$"),
    unknown=("what light the sessions had",),
)
