"""CASIA-MFSD, also CASIA-FASD (Zhang et al., ICB 2012): three qualities, three attacks."""

import os
import re
from collections.abc import Iterable, Iterator, Mapping

from sterling.face.data.datasets.read import read_dataset
from sterling.face.data.datasets.spec import Dataset, Grammar, Presentation, Protocol, own_split
from sterling.face.data.manifest import ATTACK, BONA_FIDE, Manifest

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


def read_casia_mfsd(
    folder: str | os.PathLike[str], protocol: str | None = None, *, frames: int | None = None
) -> Manifest:
    """Read CASIA-MFSD; ``sensor`` is the quality of the camera: low, normal or high.

    Both splits number their people from 1; here they are ``train_1`` and ``test_1``. There is no
    development split: hold subjects of train out for the threshold (`split_by_subject`).

    Args:
        folder: The folder of train_release and test_release; copies that call them train and test,
            and people id1, are read as well.
        protocol: ``"overall"``: all qualities and attacks.
        frames: As `read_dataset`.

    Raises:
        InputError: As `read_dataset`.
    """
    return read_dataset(CASIA_MFSD, folder, protocol, frames=frames)


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


def _every_name(_found: Iterable[Presentation]) -> Iterator[str]:
    for place, subjects in _SUBJECTS.items():
        for person in range(1, subjects + 1):
            yield from (f"{place}/{person}/{clip}" for clip in _OF_CLIP)


CASIA_MFSD = Dataset(
    key="casia_mfsd",
    title="CASIA-MFSD",
    layout="{train,test}_release/{person}/{1,…,8,HR_1,…,HR_4}.avi",
    grammars=(
        Grammar(
            re.compile(r"(?:^|/)(?P<place>train|test)(?:_release/|/id)(?P<person>[1-9]\d?)$"),
            re.compile(r"(?P<clip>[1-8]|HR_[1-4])\.avi"),
        ),
    ),
    describe=_describe,
    protocols={"overall": Protocol(own_split, {"train": 240, "test": 360})},
    counts={
        (split, label): subjects * clips
        for split, subjects in _SUBJECTS.items()
        for label, clips in ((BONA_FIDE, 3), (ATTACK, 9))
    },
    subjects=_SUBJECTS,
    expected=_every_name,
)
