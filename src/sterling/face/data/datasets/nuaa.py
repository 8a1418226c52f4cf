"""NUAA (Tan et al., ECCV 2010): prints before a webcam, in three sessions.

Give the folder of ClientRaw and ImposterRaw, or of live and spoof_print as in copies. The pictures
are frames of one recording per subject, glasses, pose and session, and no independent
presentations, so each recording counts as one. There are no splits and no protocols;
`split_by_subject` makes splits.
"""

import re
from collections.abc import Mapping, Sequence

from sterling.face.data.datasets.spec import (
    Dataset,
    Grammar,
    Listed,
    ListFile,
    Presentation,
    listed_picture,
)
from sterling.face.data.manifest import ATTACK, BONA_FIDE

_SPECIES = {
    **{"live": BONA_FIDE, "ClientRaw": BONA_FIDE},
    **{"spoof_print": "print", "ImposterRaw": "print"},
}


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


_GRAMMARS = (
    Grammar.of(
        r"(?P<kind>live|spoof_print|ClientRaw|ImposterRaw)/(?P<folder>\d{4})",
        r"(?P<subject>\d{4})_(?P<glasses>0[01])_(?P<pose>0[0-8])_(?P<session>0[123])_"
        r"(?P<frame>\d+)\.jpg",
    ),
)


def _listed(lines: Sequence[str], _groups: Mapping[str, str]) -> list[Listed]:
    """A header, then ``file,spoof,subject,glasses,pose_or_light,session``."""
    labels = {"0": BONA_FIDE, "1": ATTACK}
    return [
        listed_picture(_GRAMMARS, _describe, path, split="", label=labels[spoof])
        for path, spoof, *_ in (line.split(",") for line in lines[1:])
    ]


NUAA = Dataset(
    key="nuaa",
    title="NUAA",
    layout="{ClientRaw,ImposterRaw}/{NNNN}/{NNNN}_{glasses}_{pose}_{session}_{picture}.jpg",
    grammars=_GRAMMARS,
    describe=_describe,
    pictures={("", BONA_FIDE): 5105, ("", ATTACK): 7509},
    lists=(ListFile(re.compile(r"/labels\.csv$"), _listed),),
    companions=re.compile(r"/(?:client|imposter)_(?:train|test)_raw\.txt$"),
    unknown=(
        "whether the published index files, which are not read, keep people apart",
        "the pose 00; its readme describes two poses 08 and none 06",
    ),
)
