"""The public data sets that can be read, and which of them a folder holds."""

import os
import re
from collections.abc import Mapping

from sterling.errors import InputError
from sterling.face.data.datasets.casia_mfsd import CASIA_MFSD
from sterling.face.data.datasets.casia_surf import CASIA_SURF
from sterling.face.data.datasets.cefa import CEFA
from sterling.face.data.datasets.hifimask import HIFIMASK
from sterling.face.data.datasets.msu_mfsd import MSU_MFSD
from sterling.face.data.datasets.nuaa import NUAA
from sterling.face.data.datasets.oulu_npu import OULU_NPU
from sterling.face.data.datasets.read import read_tree
from sterling.face.data.datasets.replay_attack import REPLAY_ATTACK
from sterling.face.data.datasets.scan import Listing, Tree, list_folder, number_matching, scan
from sterling.face.data.datasets.siw import SIW
from sterling.face.data.datasets.siw_m import SIW_M
from sterling.face.data.datasets.spec import Dataset
from sterling.face.data.datasets.suhifimask import SUHIFIMASK
from sterling.face.data.datasets.wmca import WMCA
from sterling.face.data.manifest import Manifest
from sterling.plugins import Registry


def _check(key: str, dataset: Dataset) -> None:
    if not isinstance(dataset, Dataset):
        raise InputError(f"data set {key!r}: {dataset!r} is no sterling.face.data.Dataset")
    if dataset.key != key:
        raise InputError(f"data set {key!r}: its key is {dataset.key!r}; use one name")


_OWN: Mapping[str, Dataset] = {
    dataset.key: dataset
    for dataset in (
        OULU_NPU,
        REPLAY_ATTACK,
        CASIA_MFSD,
        MSU_MFSD,
        SIW,
        SIW_M,
        CASIA_SURF,
        CEFA,
        WMCA,
        HIFIMASK,
        SUHIFIMASK,
        NUAA,
    )
}

DATASETS = Registry("data set", "sterling.face.datasets", _OWN, _check)
"""The data sets by key. To add one, assign it; see ``docs/plugins.md``."""

WITHOUT_LAYOUT: Mapping[str, str] = {"dmad": "DMAD", "siw_mv2": "SiW-Mv2"}
"""Data sets that people may look for here, whose layout could not be established: key and title."""


def without_layout(title: str) -> InputError:
    """Build the error for such a set; it names the remedy."""
    return InputError(
        f"{title}: its layout is not known here, so there is no reader and nothing is guessed; "
        "sort the pictures into live/ and spoof/<species>/, or list them in a manifest (.csv with "
        "item, path, label, species, subject, split, and depth_path where there is depth)"
    )


def named_without_layout(folder: str) -> str | None:
    """The title of such a set that the folder is named after, if it is."""
    plain = re.sub(r"[^a-z0-9]", "", folder.rpartition("/")[2].lower())
    for key, title in WITHOUT_LAYOUT.items():
        if key.replace("_", "") in plain:
            return title
    return None


def matching_files(listing: Listing) -> list[tuple[Dataset, int]]:
    """The data sets as which files are named, with how many; most first, those with none not."""
    numbers = [(dataset, number_matching(dataset, listing)) for dataset in DATASETS.values()]
    return sorted((pair for pair in numbers if pair[1]), key=lambda pair: -pair[1])


def astray(listing: Listing) -> tuple[Dataset, str] | None:
    """The data set as which most files are named, whatever their folders are, and one of them.

    Sets whose files have only a number, or any name, are not among those told.
    """
    best: tuple[int, Dataset, str] | None = None
    for dataset in DATASETS.values():
        telling = [
            grammar.file
            for grammar in dataset.grammars
            if grammar.file.groupindex.keys() - {"file", "clip", "frame", "camera"}
        ]
        paths = [
            f"{place}/{name}"
            for place, names in listing
            for name in names
            if any(pattern.fullmatch(name) for pattern in telling)
        ]
        if paths and (best is None or len(paths) > best[0]):
            best = len(paths), dataset, paths[0]
    return None if best is None else best[1:]


def recognise(listing: Listing) -> Tree | None:
    """The folder as the data set as which most of its pictures and videos are named, if any.

    More than half of those are that are not known to go with the set, and bona fide presentations
    and attacks are among them: a folder of one's own may hold a few such names by chance.
    """
    matching = matching_files(listing)
    if not matching:
        return None
    dataset, number = matching[0]
    tree = scan(dataset, listing)
    most = number > len(tree.misnamed) + len(tree.elsewhere)
    return tree if most and len({known.label for known in tree.presentations}) == 2 else None


def read_public(
    folder: str | os.PathLike[str], protocol: str | None = None, *, frames: int | None = None
) -> Manifest | None:
    """Read a folder as the public data set that it holds; None where it holds none.

    Args:
        folder: The folder.
        protocol: As `read_dataset`.
        frames: As `read_dataset`.

    Raises:
        InputError: As `read_dataset`.
    """
    tree = recognise(list_folder(folder))
    return None if tree is None else read_tree(tree, protocol, frames=frames)
