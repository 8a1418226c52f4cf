"""The public data sets that can be read, and which of them a folder holds."""

import os
from collections.abc import Mapping

from sterling.face.data.casia_mfsd import CASIA_MFSD
from sterling.face.data.dataset import (
    Dataset,
    Listing,
    list_folder,
    number_matching,
    number_of_media,
    read_tree,
    scan,
)
from sterling.face.data.manifest import Manifest
from sterling.face.data.msu_mfsd import MSU_MFSD
from sterling.face.data.oulu_npu import OULU_NPU
from sterling.face.data.replay_attack import REPLAY_ATTACK

__all__ = ["DATASETS", "TITLES", "matching_files", "read_public", "recognise"]

DATASETS: Mapping[str, Dataset] = {
    dataset.key: dataset
    for dataset in (
        OULU_NPU,
        REPLAY_ATTACK,
        CASIA_MFSD,
        MSU_MFSD,
    )
}

TITLES = tuple(dataset.title for dataset in DATASETS.values())


def matching_files(listing: Listing) -> list[tuple[Dataset, int]]:
    """The data sets as which files are named, with how many; most first, those with none not."""
    numbers = [(dataset, number_matching(dataset, listing)) for dataset in DATASETS.values()]
    return sorted((pair for pair in numbers if pair[1]), key=lambda pair: -pair[1])


def recognise(listing: Listing) -> Dataset | None:
    """The data set as which most of the pictures and videos of a folder are named, if there is one.

    More than half are: a folder of one's own may hold a few such names by chance.
    """
    matching = matching_files(listing)
    return matching[0][0] if matching and 2 * matching[0][1] > number_of_media(listing) else None


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
    listing = list_folder(folder)
    dataset = recognise(listing)
    return None if dataset is None else read_tree(scan(dataset, listing), protocol, frames=frames)
