"""Trees of tiny files in the published grammars: paths below the root, written out anew here."""

import itertools
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from sterling.face.data import DATASETS
from sterling.face.data.datasets.scan import Listing, Tree, scan


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


def siw() -> Iterator[str]:
    for place, people in (("Train", range(1, 91)), ("Test", range(91, 166))):
        for person, sensor in itertools.product(people, (1, 2)):
            start = f"{place}/{{}}/{person:03d}/{person:03d}-{sensor}"
            for variant in range(1, 5):
                yield f"{start.format('live')}-1-{variant}-1.mov"
            for quality in (1, 2):
                yield f"{start.format('spoof')}-2-{quality}-1.mov"
            for medium, session in itertools.product(range(1, 5), (1, 2)):
                yield f"{start.format('spoof')}-3-{medium}-{session}.mov"


SIW_M_FOLDERS = (
    "Makeup/Cosmetic",
    "Makeup/Impersonation",
    "Makeup/Obfuscation",
    "Mask/HalfMask",
    "Mask/MannequinHead",
    "Mask/PaperMask",
    "Mask/SiliconeMask",
    "Mask/TransparentMask",
    "Paper",
    "Partial/FunnyeyeGlasses",
    "Partial/PaperCut",
    "Partial/PaperGlasses",
    "Replay",
)


def siw_m() -> Iterator[str]:
    for number in range(660):
        yield f"Live/{('Train', 'Test')[number % 2]}/video {number}.mov"
    for number in range(968):
        yield f"{SIW_M_FOLDERS[number % 13]}/video {number}.mov"


def casia_surf(pictures: Iterable[str] = ("001",)) -> Iterator[str]:
    cut = ["01_e_s", "02_e_b", "03_en_s", "04_en_b", "05_enm_s", "06_enm_b"]
    splits = (("Training", 300, cut[3:]), ("Val", 100, cut[:3]), ("Testing", 600, cut[:3]))
    videos = [
        f"{place}/{part}/CLKJ_{place[:2].upper()}{person:04d}/{video}.rssdk"
        for place, people, attacks in splits
        for person in range(people)
        for part, video in (("real_part", "real"), *(("fake_part", code) for code in attacks))
        if not (place == "Testing" and person < 9 and video == cut[2])  # nine were left out
    ]
    for video, camera, number in itertools.product(videos, ("color", "depth", "ir"), pictures):
        yield f"{video}/{camera}/{number}.jpg"


def cefa() -> Iterator[str]:
    videos = [
        f"{race}/{race}-{person:03d}/{code}_{person:03d}_{kind}"
        for code, race in enumerate(("AF", "CA", "EA"), 1)
        for person in range(500)
        for kind in ("1_1_1", "3_1_2", "3_2_2", "3_1_4")
    ]
    videos += [f"Mask/3D-Mask/{m:03d}/1_{m:03d}_{k}_0_1_1_5" for m in range(2, 101) for k in (1, 2)]
    videos += [f"Mask/Silicone-Mask/{m:03d}/2_{m:03d}_1_0_1_1_6" for m in range(1, 9)]
    for video, camera in itertools.product(videos, ("profile", "depth", "ir")):
        yield f"{video}/{camera}/0001.jpg"


WMCA_GROUPS = {"train": (range(1, 25), 124, 441), "dev": (range(25, 49), 108, 449)} | {
    "eval": (range(49, 73), 115, 442)
}
WMCA_ATTACKS = (
    *("1_01", "1_02", "1_08", "2_01", "2_08", "2_12", "2_18", "3_01", "3_05", "4_01"),
    *("1_00", "1_16", "1_14", "2_00", "2_99", "3_15", "4_00"),
)


def wmca_names() -> Iterator[tuple[str, str]]:
    """Each recording and its group."""
    for group, (clients, live, attacks) in WMCA_GROUPS.items():
        for number in range(live):
            session, place = divmod(number, len(clients))
            yield f"{clients[place]:03d}_{session + 1:02d}_000_0_00", group
        for number in range(attacks):
            rest, place = divmod(number, len(clients))
            session, kind = divmod(rest, len(WMCA_ATTACKS))
            yield f"{clients[place]:03d}_{session + 1:02d}_000_{WMCA_ATTACKS[kind]}", group


def wmca() -> Iterator[str]:
    return (f"WMCA/face-station/24.01.18/{name}.hdf5" for name, _ in wmca_names())


def wmca_lists() -> dict[str, str]:
    lines = [
        f"{k},{name[:3]},face-station/24.01.18/{name},{group},"
        f"{'bonafide' if name.endswith('_0_00') else 'attack'}"
        for k, (name, group) in enumerate(wmca_names())
    ]
    return {"PROTOCOL-grandtest.csv": "\n".join(["index,client_id,path,group,label", *lines])}


HIFI_PEOPLE = {
    "train": "1 6 7 8 10 12 13 18 19 20 21 22 23 24 25 83 2 54 55 56 69 70 71 72 73 74 75 76 77 78 "
    "79 80 3 26 31 32 33 34 39 40 45 52 53 59 64 65 81 82",
    "dev": "1 5 17 2 51 66 3 49 63",
    "test": "1 1 2 3 4 11 14 15 16 2 27 28 30 35 36 37 41 42 3 43 46 47 48 50 57 58 61",
}
# Number of items released of the grid, by split and type (live, transparent, plaster, resin).
HIFI_RELEASED = {
    "train": (8108, 8091, 8142, 8173),
    "dev": (1084, 1083, 1089, 1091),
    "test": (4335, 4326, 4350, 4351),
}
HIFI_SKINS = {"train": (15, 15, 15), "dev": (2, 2, 2), "test": (8, 8, 8)}


def hifimask() -> Iterator[str]:
    lights = [(s, light) for s in (1, 2, 3, 6) for light in range(1, 7)] + [(4, 0), (5, 0)]
    conditions = list(itertools.product(lights, (1, 2, 3, 4, 5, 6, 8)))
    for split, text in HIFI_PEOPLE.items():
        numbers = [int(number) for number in text.split()]
        people = []
        for skin, count in enumerate(HIFI_SKINS[split], 1):
            start = (skin - 1) * (count + 1)
            people += [(skin, person) for person in numbers[start + 1 : start + 1 + count]]
        for kind, released in enumerate(HIFI_RELEASED[split]):
            grid = itertools.product(conditions, people)  # so that nobody is left out whole
            for ((scene, light), sensor), (skin, person) in itertools.islice(grid, released):
                yield f"{skin}_{person:02d}_{kind}_{scene}_{light}_{sensor}/0000.png"


def suhifimask_clips() -> Iterator[tuple[str, str]]:
    """A small part: two clips of each of the 101 people, and their split by person."""
    for person in range(101):
        split = ("train", "dev", "test")[person % 3]
        for clip, category in enumerate((0, 1 + person % 9)):
            folder = f"G05_S{person:02d}_C3_E0{clip}_T20220721105621/id_{1 + person % 5}"
            yield f"{folder}/120_{person}_{category}.jpg", split


def suhifimask() -> Iterator[str]:
    return (path for path, _ in suhifimask_clips())


def suhifimask_lists() -> dict[str, str]:
    lines: dict[str, list[str]] = {"train": [], "dev": [], "test": []}
    for path, split in suhifimask_clips():
        lines[split].append(f"{split}/{path} {int(path[-5] == '0')}")
    return {f"{split}_label.txt": "\n".join(text) for split, text in lines.items()}


def nuaa() -> Iterator[str]:
    for kind, pictures in (("ClientRaw", 5105), ("ImposterRaw", 7509)):
        for number in range(pictures):
            place, session = divmod(number, 30)
            person = f"{1 + number % 15:04d}"
            yield f"{kind}/{person}/{person}_00_0{1 + session % 8}_0{1 + session % 3}_{place}.jpg"


TREES = {
    "oulu_npu": oulu_npu,
    "replay_attack": replay_attack,
    "casia_mfsd": casia_mfsd,
    "msu_mfsd": msu_mfsd,
    "siw": siw,
    "siw_m": siw_m,
    "casia_surf": casia_surf,
    "cefa": cefa,
    "wmca": wmca,
    "hifimask": hifimask,
    "suhifimask": suhifimask,
    "nuaa": nuaa,
}
LISTS = {"wmca": wmca_lists, "suhifimask": suhifimask_lists}
"""The list files without which a set has no splits, as text by path."""


def listing(root: str, paths: Iterable[str]) -> Listing:
    """Listing that `list_folder` gives for such a tree, without a tree on disk."""
    folders: dict[str, list[str]] = {root: []}
    for path in paths:
        folder, _, name = path.rpartition("/")
        folders.setdefault(f"{root}/{folder}", []).append(name)
    return sorted((folder, sorted(names)) for folder, names in folders.items())


@cache
def whole(key: str) -> Tree:
    """A set with everything published, of which only the list files that it needs exist."""
    lists = LISTS.get(key, dict)()
    with tempfile.TemporaryDirectory() as folder:
        for path, text in lists.items():
            lay_out(Path(folder), [path], text.encode())
        return scan(DATASETS[key], listing(folder, [*TREES[key](), *lists]))


@cache
def a_few(key: str, subjects: int = 2) -> tuple[str, ...]:
    """The paths of the first subjects of each split, or of all where the set tells no splits."""
    tree = whole(key)
    people = sorted({(one.split, one.subject) for one in tree.presentations})
    chosen = {
        person
        for _, group in itertools.groupby(people, lambda pair: pair[0])
        for person in list(group)[:subjects]
    }
    return tuple(
        path.removeprefix(f"{tree.folder}/")
        for one in tree.found.values()
        if (one.presentation.split, one.presentation.subject) in chosen
        for files in one.files.values()
        for path in files.values()
    )
