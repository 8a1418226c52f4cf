"""Names of every public data set there and back, and names that are not of the set."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.face.data.trees import MSU_TEST, MSU_TRAIN, listing, whole

from sterling.face.data import DATASETS
from sterling.face.data.datasets.scan import scan

Named = tuple[str, dict[str, Any]]
"""A path below the folder of the set, and the attributes of its presentation."""

CLIPS = {
    **{clip: ("bona_fide", q) for clip, q in (("1", "low"), ("2", "normal"), ("HR_1", "high"))},
    **{clip: ("print_warped", q) for clip, q in (("3", "low"), ("4", "normal"), ("HR_2", "high"))},
    **{clip: ("print_cut", q) for clip, q in (("5", "low"), ("6", "normal"), ("HR_3", "high"))},
    **{clip: ("replay", q) for clip, q in (("7", "low"), ("8", "normal"), ("HR_4", "high"))},
}
MSU_SPECIES = {"ipad_video": "replay_ipad", "iphone_video": "replay_iphone"} | {
    "printed_photo": "print"
}
REPLAYED = {
    ("print", "highdef_photo"): "print",
    ("mobile", "mobile_photo"): "replay_mobile",
    ("mobile", "mobile_video"): "replay_mobile",
    ("highdef", "highdef_photo"): "replay_highdef",
    ("highdef", "highdef_video"): "replay_highdef",
}
HIFI_MASKS = ("bona_fide", "mask_transparent", "mask_plaster", "mask_resin")
HIFI_PEOPLE = sorted({(one.traits["skin"], one.subject) for one in whole("hifimask").presentations})


@st.composite
def oulu_npu(draw: st.DrawFn) -> Named:
    phone, session, user, file = (draw(st.integers(1, most)) for most in (6, 3, 55, 5))
    split = "train" if user <= 20 else "dev" if user <= 35 else "test"
    name = f"{phone}_{session}_{user:02d}_{file}"
    return f"{split.title()}_files/{name}.avi", {
        "name": name,
        "species": ("bona_fide", "print", "print", "replay", "replay")[file - 1],
        "subject": f"{user:02d}",
        "split": split,
        "place": split,
        "session": str(session),
        "sensor": f"phone_{phone}",
    }


@st.composite
def casia_mfsd(draw: st.DrawFn) -> Named:
    place = draw(st.sampled_from(["train", "test"]))
    number = draw(st.integers(1, {"train": 20, "test": 30}[place]))
    clip = draw(st.sampled_from([*CLIPS]))
    species, quality = CLIPS[clip]
    return f"{place}{draw(st.sampled_from(['_release/', '/id']))}{number}/{clip}.avi", {
        "name": f"{place}/{number}/{clip}",
        "species": species,
        "sensor": quality,
        "split": place,
        "subject": f"{place}_{number}",
    }


@st.composite
def cefa(draw: st.DrawFn) -> Named:
    race, code = draw(st.sampled_from([("AF", 1), ("CA", 2), ("EA", 3)]))
    number = draw(st.integers(0, 499))
    acquisition, session, kind = (draw(st.integers(1, most)) for most in (4, 3, 4))
    name = f"{code}_{number:03d}_{acquisition}_{session}_{kind}"
    card = draw(st.sampled_from(["", "-IdCard"]))
    colour = draw(st.sampled_from(["color", "profile"]))
    return f"{race}/{race}-{number:03d}{card}/{name}/{colour}/0001.jpg", {
        "name": name,
        "species": ("bona_fide", "print_cloth", "print_photo", "replay")[kind - 1],
        "subject": f"{race}-{number:03d}",
        "split": "train" if number < 200 else "dev" if number < 300 else "test",
        "illumination": ("indoor", "outdoor", "random")[session - 1],
        "frame": 1,
    }


@st.composite
def hifimask(draw: st.DrawFn) -> Named:
    skin, subject = draw(st.sampled_from(HIFI_PEOPLE))
    kind, scene, light = draw(st.integers(0, 3)), draw(st.integers(1, 6)), draw(st.integers(0, 6))
    rest = f"{kind}_{scene}_{light}_{draw(st.sampled_from('1234568'))}"
    written = str(int(subject)) if draw(st.booleans()) else subject
    frame = draw(st.integers(0, 9))
    return f"train/{skin}_{written}_{rest}/{frame:04d}.png", {
        "name": f"{skin}_{subject}_{rest}",
        "species": HIFI_MASKS[kind],
        "subject": subject,
        "frame": frame,
    }


@st.composite
def msu_mfsd(draw: st.DrawFn) -> Named:
    client = draw(st.sampled_from(MSU_TRAIN + MSU_TEST))
    camera, suffix = draw(st.sampled_from([("android", "mp4"), ("laptop", "mov")]))
    instrument = draw(st.sampled_from(["", *MSU_SPECIES]))
    who = f"client{client:03d}_{camera}_SD"
    name = f"attack_{who}_{instrument}_scene01" if instrument else f"real_{who}_scene01"
    return f"scene01/{'attack' if instrument else 'real'}/{name}.{suffix}", {
        "name": name,
        "species": MSU_SPECIES.get(instrument, "bona_fide"),
        "sensor": camera,
        "subject": f"{client:03d}",
        "split": "train" if client in MSU_TRAIN else "test",
    }


@st.composite
def replay_attack(draw: st.DrawFn) -> Named:
    place = draw(st.sampled_from(["train", "devel", "test"]))
    client, light = draw(st.integers(1, 999)), draw(st.sampled_from(["adverse", "controlled"]))
    who = f"client{client:03d}_session01"
    known = {
        "subject": f"{client:03d}",
        "split": place.removesuffix("el"),
        "illumination": light,
    }
    if draw(st.booleans()):
        name = f"{who}_webcam_authenticate_{light}_{draw(st.sampled_from('12'))}"
        return f"{place}/real/{name}.mov", {
            **known,
            "name": f"{place}/{name}",
            "species": "bona_fide",
        }
    kind, support = draw(st.sampled_from([*REPLAYED])), draw(st.sampled_from(["fixed", "hand"]))
    name = f"{support}/attack_{kind[0]}_{who}_{kind[1]}_{light}"
    return f"{place}/attack/{name}.mov", {
        **known,
        "name": f"{place}/{name}",
        "species": REPLAYED[kind],
    }


@st.composite
def siw(draw: st.DrawFn) -> Named:
    subject, session = draw(st.integers(0, 999)), draw(st.integers(0, 99))
    sensor, kind, medium = (draw(st.integers(1, most)) for most in (2, 3, 4))
    name = f"{subject:03d}-{sensor}-{kind}-{medium}-{session}"
    return f"Train/{'live' if kind == 1 else 'spoof'}/{subject:03d}/{name}.mov", {
        "name": name,
        "species": ("bona_fide", "print", "replay")[kind - 1],
        "subject": f"{subject:03d}",
        "split": "train",
        "sensor": str(sensor),
        "session": str(session),
    }


@st.composite
def suhifimask(draw: st.DrawFn) -> Named:
    group, scene, camera, epoch = (draw(st.integers(1, 99)) for _ in range(4))
    person, frame, subject = (draw(st.integers(0, 999)) for _ in range(3))
    kind = draw(st.integers(0, 9))
    folder = f"G{group:02d}_S{scene:02d}_C{camera}_E{epoch:02d}_T2022/id_{person}"
    return f"{folder}/{frame}_{subject}_{kind}.jpg", {
        "name": folder,
        "species": f"category_{kind}" if kind else "bona_fide",
        "subject": str(subject),
        "sensor": f"C{camera}",
        "frame": frame,
    }


@st.composite
def nuaa(draw: st.DrawFn) -> Named:
    kind = draw(st.sampled_from(["live", "spoof_print", "ClientRaw", "ImposterRaw"]))
    person, session = draw(st.integers(1, 16)), draw(st.integers(1, 3))
    frame, glasses, pose = (draw(st.integers(0, most)) for most in (999, 1, 8))
    recording = f"{person:04d}_{glasses:02d}_{pose:02d}_{session:02d}"
    species = "bona_fide" if kind in ("live", "ClientRaw") else "print"
    return f"{kind}/{person:04d}/{recording}_{frame}.jpg", {
        "name": f"{species}/{recording}",
        "species": species,
        "subject": f"{person:04d}",
        "session": f"{session:02d}",
        "frame": frame,
    }


NAMES = {
    strategy.__name__: strategy
    for strategy in (
        *(oulu_npu, casia_mfsd, cefa, hifimask, msu_mfsd, replay_attack, siw, suhifimask, nuaa),
    )
}


@pytest.mark.parametrize("key", NAMES)
@given(st.data())
def test_names_there_and_back(key: str, data: st.DataObject) -> None:
    path, expected = data.draw(NAMES[key]())
    (found,) = scan(DATASETS[key], listing("/set", [path])).found.values()
    assert found.files == {"rgb": {expected.pop("frame", 0): f"/set/{path}"}}
    assert {name: getattr(found.presentation, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("key", "path"),
    [
        *(
            ("oulu_npu", f"Train_files/{name}.avi")
            for name in ("7_1_01_1", "0_1_01_1", "1_4_01_1", "1_1_00_1")
        ),
        *(("oulu_npu", f"Train_files/{name}.avi") for name in ("1_1_56_1", "1_1_1_1", "1_1_01_6")),
        ("casia_mfsd", "train_release/21/1.avi"),
        ("casia_mfsd", "test_release/31/1.avi"),
        ("cefa", "AF/AF-000/2_000_1_1_1/color/0001.jpg"),
        ("cefa", "AF/AF-000/1_001_1_1_1/color/0001.jpg"),
        ("cefa", "EA/EA-500/3_500_1_1_1/color/0001.jpg"),
        *(
            ("hifimask", f"{name}/0000.png")
            for name in ("1_54_0_1_1_1", "2_06_0_1_1_1", "1_09_0_1_1_1")
        ),
        ("msu_mfsd", "scene01/real/real_client004_android_SD_scene01.mp4"),
        ("msu_mfsd", "scene01/attack/attack_client001_laptop_SD_printed_photo_scene01.mp4"),
        (
            "replay_attack",
            "test/attack/hand/attack_print_client001_session01_mobile_video_adverse.mov",
        ),
        ("siw", "Train/live/001/002-1-1-1-1.mov"),
        ("siw", "Train/live/001/001-1-2-1-1.mov"),
        ("siw", "Train/spoof/001/001-1-1-1-1.mov"),
        ("siw", "Train/live/001/001-3-1-1-1.mov"),
    ],
)
def test_names_that_are_not_of_the_set(key: str, path: str) -> None:
    tree = scan(DATASETS[key], listing("/set", [path]))
    assert tree.misnamed == (f"/set/{path}",)
    assert not tree.found
