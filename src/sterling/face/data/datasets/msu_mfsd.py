"""MSU-MFSD (Wen et al., TIFS 2015): a phone and a laptop, prints and two displays.

Give the folder of scene01. The 35 clients that are public are read; ``sensor`` is android or
laptop. There is no development split: hold out clients of train for the threshold (`hold_out_dev`).
Protocol ``"overall"``: all cameras and attacks.
"""

import itertools
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from sterling.face.data.datasets.spec import (
    Dataset,
    Grammar,
    Listed,
    ListFile,
    Presentation,
    Protocol,
    own_split,
    videos_of_each,
)
from sterling.face.data.manifest import BONA_FIDE

_CLIENTS = {
    "train": (2, 3, 5, 6, 7, 8, 9, 11, 12, 21, 22, 34, 53, 54, 55),
    "test": (1, 13, 14, 23, 24, 26, 28, 29, 30, 32, 33, 35, 36, 37, 39, 42, 48, 49, 50, 51),
}
_SUBJECTS = {split: len(clients) for split, clients in _CLIENTS.items()}
_SPLIT = {f"{client:03}": split for split, clients in _CLIENTS.items() for client in clients}
_SPECIES = {
    "": BONA_FIDE,
    "printed_photo": "print",
    "ipad_video": "replay_ipad",
    "iphone_video": "replay_iphone",
}
_SENSORS = {"android": "mp4", "laptop": "mov"}
_SENSOR = r"_(?P<sensor>android|laptop)_SD_"
_SUFFIX = r"scene01\.(?P<suffix>mp4|mov)"


def _describe(groups: Mapping[str, str]) -> Presentation | None:
    client, sensor, instrument = groups["client"], groups["sensor"], groups.get("instrument", "")
    if client not in _SPLIT or groups["suffix"] != _SENSORS[sensor]:
        return None
    return Presentation(
        name=_name(client, sensor, instrument),
        species=_SPECIES[instrument],
        subject=client,
        split=_SPLIT[client],
        session="scene01",
        sensor=sensor,
        traits={"instrument": instrument},
    )


def _name(client: str, sensor: str, instrument: str) -> str:
    if instrument:
        return f"attack_client{client}_{sensor}_SD_{instrument}_scene01"
    return f"real_client{client}_{sensor}_SD_scene01"


def _names(clients: Iterable[str]) -> Iterator[str]:
    return itertools.starmap(_name, itertools.product(clients, _SENSORS, _SPECIES))


def _listed(lines: Sequence[str], groups: Mapping[str, str]) -> list[Listed]:
    """Lines are numbers of clients; each stands for all that the client has."""
    clients = [f"{int(line):03}" for line in lines]
    for client in clients:
        if client not in _SPLIT:
            raise ValueError(f"client {client} is not public")
    return [Listed(name, groups["split"]) for name in _names(clients)]


MSU_MFSD = Dataset(
    key="msu_mfsd",
    title="MSU-MFSD",
    layout=(
        "scene01/real/real_client{NNN}_{android,laptop}_SD_scene01.{mp4,mov} and scene01/attack/"
        "attack_client{NNN}_{android,laptop}_SD_{ipad_video,iphone_video,printed_photo}_scene01."
        "{mp4,mov}"
    ),
    grammars=(
        Grammar.of("scene01/real", rf"real_client(?P<client>\d{{3}}){_SENSOR}{_SUFFIX}"),
        Grammar.of(
            "scene01/attack",
            rf"attack_client(?P<client>\d{{3}}){_SENSOR}"
            rf"(?P<instrument>ipad_video|iphone_video|printed_photo)_{_SUFFIX}",
        ),
    ),
    describe=_describe,
    protocols={"overall": Protocol(own_split, {"train": 120, "test": 160})},
    counts=videos_of_each(_SUBJECTS, 2, 6),
    subjects=_SUBJECTS,
    expected=lambda _: _names(_SPLIT),
    lists=(ListFile(re.compile(r"/(?P<split>train|test)_sub_list\.txt$"), _listed),),
    companions=re.compile(r"\.face$"),
)
