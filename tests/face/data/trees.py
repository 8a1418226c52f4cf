"""Trees of tiny files in the published grammars: paths below the root, written out anew here."""

import itertools
from collections.abc import Iterable, Iterator
from pathlib import Path

from sterling.face.data import DATASETS
from sterling.face.data.dataset import Listing, scan


def lay_out(root: Path, paths: Iterable[str], content: bytes = b"x") -> Path:
    """Write a tiny file at each path below the root."""
    for folder, files in itertools.groupby(sorted(paths), lambda path: path.rpartition("/")[0]):
        place = root / folder
        place.mkdir(parents=True, exist_ok=True)
        for file in files:
            with open(f"{root}/{file}", "wb") as stream:  # noqa: PTH123 - thousands of files
                stream.write(content)
    return root


def oulu_npu() -> Iterator[str]:
    users = {"Train": range(1, 21), "Dev": range(21, 36), "Test": range(36, 56)}
    for place, people in users.items():
        for phone, session, user, file in itertools.product(
            range(1, 7), range(1, 4), people, range(1, 6)
        ):
            yield f"{place}_files/{phone}_{session}_{user:02d}_{file}.avi"


def replay_attack() -> Iterator[str]:
    clients = {"train": range(1, 16), "devel": range(16, 31), "test": range(31, 51)}
    kinds = (
        "print highdef_photo",
        "mobile mobile_photo",
        "mobile mobile_video",
        "highdef highdef_photo",
        "highdef highdef_video",
    )
    for place, people in clients.items():
        for client, light in itertools.product(people, ("adverse", "controlled")):
            who = f"client{client:03d}_session01"
            for take in (1, 2):
                yield f"{place}/real/{who}_webcam_authenticate_{light}_{take}.mov"
            for support, kind in itertools.product(("fixed", "hand"), kinds):
                instrument, source = kind.split()
                yield f"{place}/attack/{support}/attack_{instrument}_{who}_{source}_{light}.mov"


def casia_mfsd() -> Iterator[str]:
    clips = [*map(str, range(1, 9)), *(f"HR_{k}" for k in range(1, 5))]
    for place, people in (("train_release", 20), ("test_release", 30)):
        for person, clip in itertools.product(range(1, people + 1), clips):
            yield f"{place}/{person}/{clip}.avi"


MSU_TRAIN = (2, 3, 5, 6, 7, 8, 9, 11, 12, 21, 22, 34, 53, 54, 55)
MSU_TEST = (1, 13, 14, 23, 24, 26, 28, 29, 30, 32, 33, 35, 36, 37, 39, 42, 48, 49, 50, 51)


def msu_mfsd() -> Iterator[str]:
    cameras = ("android", "mp4"), ("laptop", "mov")
    for client, (camera, suffix) in itertools.product(MSU_TRAIN + MSU_TEST, cameras):
        who = f"client{client:03d}_{camera}_SD"
        yield f"scene01/real/real_{who}_scene01.{suffix}"
        for instrument in ("ipad_video", "iphone_video", "printed_photo"):
            yield f"scene01/attack/attack_{who}_{instrument}_scene01.{suffix}"


TREES = {
    "oulu_npu": oulu_npu,
    "replay_attack": replay_attack,
    "casia_mfsd": casia_mfsd,
    "msu_mfsd": msu_mfsd,
}


def listing(root: str, paths: Iterable[str]) -> Listing:
    """What `list_folder` says of such a tree, without one."""
    folders: dict[str, list[str]] = {root: []}
    for path in paths:
        folder, _, name = path.rpartition("/")
        folders.setdefault(f"{root}/{folder}", []).append(name)
    return sorted((folder, sorted(names)) for folder, names in folders.items())


def a_few(key: str, subjects: int = 2) -> list[str]:
    """The paths of the first subjects of each split."""
    tree = scan(DATASETS[key], listing("/set", TREES[key]()))
    people = sorted({(one.split, one.subject) for one in tree.presentations})
    chosen = {
        person
        for _, group in itertools.groupby(people, lambda pair: pair[0])
        for person in list(group)[:subjects]
    }
    return [
        path.removeprefix("/set/")
        for one in tree.found.values()
        if (one.presentation.split, one.presentation.subject) in chosen
        for files in one.files.values()
        for path in files.values()
    ]
