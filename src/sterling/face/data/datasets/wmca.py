"""WMCA (George et al., TIFS 2019): 72 people, from glasses to silicone masks.

Give the folder of face-station or WMCA-Image, and of the list. Recordings (``.hdf5``) are listed
but not decoded: the names of the streams in them could not be established, so that `load_faces`
counts them as unreadable; pictures that were made of them are read. Only the protocol's own list, a
file whose name holds ``grandtest`` and ends in ``.csv``, knows the splits.

Protocols: ``"grandtest"``, and ``"leave_one_species_out:<species>"`` for seven species: it is taken
from train and dev, and the test has it alone.
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
    own_split,
    unseen,
)
from sterling.face.data.manifest import ATTACK, BONA_FIDE

# Species by type and instrument; the seven that protocols leave out, and wigs.
_INSTRUMENTS: dict[str, dict[str, range | tuple[int, ...]]] = {
    "1": {  # facial disguise
        "glasses": (1, 4, 5, 6, 7, 15, 16),
        "rigid_mask": (2, 13, 14),
        "wig": range(8, 13),
    },
    "2": {  # fake face
        "fake_head": range(1, 8),
        "paper_mask": range(8, 12),
        "rigid_mask": range(12, 18),
        "flexible_mask": (18, *range(75, 100)),
    },
}
_SPECIES = {
    (kind, instrument): species
    for kind, by_species in _INSTRUMENTS.items()
    for species, instruments in by_species.items()
    for instrument in instruments
}
_OTHERWISE = {"1": "facial_disguise_other", "2": "fake_face_other", "5": "makeup"}
_ON_SCREEN = (5, 10, 15)
_LEFT_OUT = (
    "fake_head",
    "flexible_mask",
    "glasses",
    "paper_mask",
    "print",
    "replay",
    "rigid_mask",
)
_GROUPS = {"train": "train", "dev": "dev", "eval": "test"}
_NAME = r"(?P<client>\d{3})_(?P<session>\d{2})_(?P<presenter>\d{3})_(?P<type>[0-5])_(?P<pai>\d{2})"


def _species(kind: str, instrument: int) -> str:
    if kind == "0":
        return BONA_FIDE
    if kind in "34":
        return "replay" if kind == "4" or instrument in _ON_SCREEN else "print"
    return _SPECIES.get((kind, instrument), _OTHERWISE[kind])


def _describe(groups: Mapping[str, str]) -> Presentation:
    fields = [groups[name] for name in ("client", "session", "presenter", "type", "pai")]
    return Presentation(
        name="_".join(fields),
        species=_species(groups["type"], int(groups["pai"])),
        subject=groups["client"],
        session=groups["session"],
        traits={"presenter": groups["presenter"], "pai": groups["pai"]},
    )


def _listed(lines: Sequence[str], _groups: Mapping[str, str]) -> list[Listed]:
    """A header, then ``index, client_id, filepath, group, label``; attacks have that word."""
    entries = []
    for line in lines[1:]:
        _index, _client, path, group, label = (field.strip() for field in line.split(","))
        match = re.search(rf"{_NAME}(?:\.hdf5)?$", path)
        if match is None:
            raise ValueError(f"{path} is no name of the set")
        told = ATTACK if label == "attack" else BONA_FIDE
        entries.append(Listed(match[0].removesuffix(".hdf5"), _GROUPS[group], told))
    return entries


WMCA = Dataset(
    key="wmca",
    title="WMCA",
    layout=(
        "face-station/DD.MM.YY/{client}_{session}_{presenter}_{type}_{pai}.hdf5, or "
        "R_CDIT/{client}_{session}_{presenter}_{type}_{pai}/{color,depth,ir}/NNNN.jpg"
    ),
    grammars=(
        Grammar.of(r"face-station/\d\d\.\d\d\.\d\d", rf"{_NAME}\.hdf5"),
        Grammar.of(rf"R_CDIT/{_NAME}/(?P<camera>color|depth|ir)", r"(?P<frame>\d+)\.jpg"),
    ),
    describe=_describe,
    protocols={
        "grandtest": Protocol(
            own_split,
            {"train": 565, "dev": 557, "test": 557},
            note="the threshold is that of a BPCER of 1 % on dev, as recalled",
        ),
        **{f"leave_one_species_out:{species}": unseen(species) for species in _LEFT_OUT},
    },
    counts={
        ("train", BONA_FIDE): 124,
        ("train", ATTACK): 441,
        ("dev", BONA_FIDE): 108,
        ("dev", ATTACK): 449,
        ("test", BONA_FIDE): 115,
        ("test", ATTACK): 442,
    },
    subjects={"": 72},
    lists=(ListFile(re.compile(r"grandtest[^/]*\.csv$"), _listed),),
    splits_from_lists=True,
    unknown=(
        "the names of the streams in the .hdf5 recordings, which are not decoded",
        "what instruments outside the published table are (here …_other), and of number 0",
        "whether the list keeps each client in one group: reading refuses it if it does not",
    ),
)
