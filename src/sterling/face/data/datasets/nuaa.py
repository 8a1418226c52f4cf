"""NUAA (Tan et al., ECCV 2010): prints before a webcam, in three sessions."""

import os
import re
from collections.abc import Mapping, Sequence

from sterling.face.data.datasets.read import read_dataset
from sterling.face.data.datasets.spec import Dataset, Grammar, Listed, ListFile, Presentation
from sterling.face.data.manifest import ATTACK, BONA_FIDE, Manifest

_SPECIES = {
    **{"live": BONA_FIDE, "ClientRaw": BONA_FIDE},
    **{"spoof_print": "print", "ImposterRaw": "print"},
}


def read_nuaa(folder: str | os.PathLike[str], *, frames: int | None = None) -> Manifest:
    """Read NUAA: its pictures are frames of one recording per subject, glasses, pose and session.

    They are no independent presentations, so each recording counts as one. There are no splits;
    `split_by_subject` makes some.

    Args:
        folder: The folder of ClientRaw and ImposterRaw, or of live and spoof_print as in copies.
        frames: How many pictures of each recording; None: all.

    Raises:
        InputError: As `read_dataset`.
    """
    return read_dataset(NUAA, folder, frames=frames)


def _describe(groups: Mapping[str, str]) -> Presentation | None:
    if groups["folder"] != groups["subject"]:
        return None
    species = _SPECIES[groups["kind"]]
    fields = [groups[name] for name in ("subject", "glasses", "pose", "session")]
    return Presentation(
        name=f"{species}/{'_'.join(fields)}",
        species=species,
        subject=groups["subject"],
        session=groups["session"],
        sensor="webcam",
        illumination=groups["pose"],
        traits={"glasses": groups["glasses"]},
    )


def _listed(lines: Sequence[str], _groups: Mapping[str, str]) -> list[Listed]:
    """A header, then ``file,spoof,subject,glasses,pose_or_light,session``."""
    entries = []
    for line in lines[1:]:
        path, spoof, *_ = line.split(",")
        folder, _, file = path.rpartition("/")
        match, picture = _FOLDER.search(folder), _FILE.fullmatch(file)
        if match is None or picture is None:
            raise ValueError(f"{path} is no path of the set")
        known = _describe({**match.groupdict(), **picture.groupdict()})
        if known is None:
            raise ValueError(f"{path} lies in the folder of another subject")
        told = {"0": BONA_FIDE, "1": ATTACK}[spoof]
        entries.append(Listed(known.name, "", told, int(picture["frame"])))
    return entries


_FOLDER = re.compile(r"(?:^|/)(?P<kind>live|spoof_print|ClientRaw|ImposterRaw)/(?P<folder>\d{4})$")
_FILE = re.compile(
    r"(?P<subject>\d{4})_(?P<glasses>0[01])_(?P<pose>0[0-8])_(?P<session>0[123])_(?P<frame>\d+)\.jpg"
)

NUAA = Dataset(
    key="nuaa",
    title="NUAA",
    layout="{ClientRaw,ImposterRaw}/{NNNN}/{NNNN}_{glasses}_{pose}_{session}_{picture}.jpg",
    grammars=(Grammar(_FOLDER, _FILE),),
    describe=_describe,
    pictures={("", BONA_FIDE): 5105, ("", ATTACK): 7509},
    lists=(ListFile(re.compile(r"/labels\.csv$"), _listed),),
    companions=re.compile(r"/(?:client|imposter)_(?:train|test)_raw\.txt$"),
    unknown=(
        "whether the published index files, which are not read, keep people apart",
        "the pose 00; its readme describes two poses 08 and none 06",
    ),
)
