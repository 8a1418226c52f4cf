"""OULU-NPU (Boulkenafet et al., FG 2017): six phones, three sessions, prints and displays."""

import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial

from sterling.face.data.datasets.read import read_dataset
from sterling.face.data.datasets.spec import (
    Dataset,
    Grammar,
    Listed,
    ListFile,
    Presentation,
    Protocol,
)
from sterling.face.data.manifest import ATTACK, BONA_FIDE, Manifest

_PLACES = {"Train": "train", "Dev": "dev", "Test": "test"}
_USERS = {"train": range(1, 21), "dev": range(21, 36), "test": range(36, 56)}
_SPECIES = {"1": BONA_FIDE, "2": "print", "3": "print", "4": "replay", "5": "replay"}
_SPLIT = {f"{user:02}": split for split, users in _USERS.items() for user in users}
_PHONES = "123456"


def read_oulu_npu(
    folder: str | os.PathLike[str], protocol: str | None = None, *, frames: int | None = None
) -> Manifest:
    """Read OULU-NPU; ``sensor`` is the phone, ``session`` the session with its own light.

    The species are print and replay, two instruments each, as the published APCER is the larger
    of the two.

    Args:
        folder: The folder of Train_files, Dev_files and Test_files.
        protocol: ``"1"`` unseen session, ``"2"`` unseen instruments, ``"3.1"`` … ``"3.6"`` unseen
            phone, ``"4.1"`` … ``"4.6"`` all of these; figures of 3 and 4 are means over the six.
        frames: As `read_dataset`.

    Raises:
        InputError: As `read_dataset`.
    """
    return read_dataset(OULU_NPU, folder, protocol, frames=frames)


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


def _every_name(_found: Iterable[Presentation]) -> Iterator[str]:
    return map("_".join, itertools.product(_PHONES, "123", _SPLIT, _SPECIES))


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


def _fold(
    rule: Callable[..., str], number: str, train: int, dev: int, test: int
) -> dict[str, Protocol]:
    published = {"train": train, "dev": dev, "test": test}
    return {
        f"{number}.{phone}": Protocol(partial(rule, phone=phone), published) for phone in _PHONES
    }


_PROTOCOLS = {
    "1": Protocol(partial(_rule, sessions=True), {"train": 1200, "dev": 900, "test": 600}),
    "2": Protocol(partial(_rule, files=True), {"train": 1080, "dev": 810, "test": 1080}),
    **_fold(_rule, "3", 1500, 1125, 300),
    **_fold(partial(_rule, sessions=True, files=True), "4", 600, 450, 60),
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
        Grammar(
            re.compile(r"(?:^|/)(?P<place>Train|Dev|Test)_files$"),
            re.compile(
                r"(?P<phone>[1-6])_(?P<session>[1-3])_"
                r"(?P<user>0[1-9]|[1-4]\d|5[0-5])_(?P<file>[1-5])\.avi"
            ),
        ),
    ),
    describe=_describe,
    protocols=_PROTOCOLS,
    counts={
        (split, label): 6 * 3 * len(users) * files
        for split, users in _USERS.items()
        for label, files in ((BONA_FIDE, 1), (ATTACK, 4))
    },
    subjects={split: len(users) for split, users in _USERS.items()},
    expected=_every_name,
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
