"""CASIA-MFSD, also CASIA-FASD (Zhang et al., ICB 2012): three qualities, three attacks.

Give the folder of train_release and test_release; copies that call them train and test, and people
id1, are read as well. ``sensor`` is the quality of the camera: low, normal or high. Both splits
number their people from 1; here they are ``train_1`` and ``test_1``. There is no development split:
hold out subjects of train for the threshold (`hold_out_dev`). Protocol ``"overall"``: all qualities
and attacks.
"""

from collections.abc import Mapping

from sterling.face.data.datasets.spec import (
    Dataset,
    Grammar,
    Presentation,
    Protocol,
    own_split,
    videos_of_each,
)
from sterling.face.data.manifest import BONA_FIDE

_SUBJECTS = {"train": 20, "test": 30}
_SPECIES = {
    BONA_FIDE: ("1", "2", "HR_1"),
    "print_warped": ("3", "4", "HR_2"),
    "print_cut": ("5", "6", "HR_3"),
    "replay": ("7", "8", "HR_4"),
}
_OF_CLIP = {
    clip: (species, quality)
    for species, clips in _SPECIES.items()
    for clip, quality in zip(clips, ("low", "normal", "high"), strict=True)
}


def _describe(groups: Mapping[str, str]) -> Presentation | None:
    place, person, clip = groups["place"], int(groups["person"]), groups["clip"]
    if not 1 <= person <= _SUBJECTS[place]:
        return None
    species, quality = _OF_CLIP[clip]
    return Presentation(
        name=f"{place}/{person}/{clip}",
        species=species,
        subject=f"{place}_{person}",
        split=place,
        sensor=quality,
        traits={"clip": clip},
    )


CASIA_MFSD = Dataset(
    key="casia_mfsd",
    title="CASIA-MFSD",
    layout="{train,test}_release/{person}/{1,…,8,HR_1,…,HR_4}.avi",
    grammars=(
        Grammar.of(
            r"(?P<place>train|test)(?:_release/|/id)(?P<person>[1-9]\d?)",
            r"(?P<clip>[1-8]|HR_[1-4])\.avi",
        ),
    ),
    describe=_describe,
    protocols={"overall": Protocol(own_split, {"train": 240, "test": 360})},
    counts=videos_of_each(_SUBJECTS, 3, 9),
    subjects=_SUBJECTS,
    expected=lambda _: (
        f"{place}/{person}/{clip}"
        for place, subjects in _SUBJECTS.items()
        for person in range(1, subjects + 1)
        for clip in _OF_CLIP
    ),
)
