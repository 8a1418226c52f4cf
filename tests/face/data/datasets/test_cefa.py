"""Names of CeFA, and what its protocols see of ethnicities, species and cameras."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.face.data.trees import listing, whole

from sterling.face.data import CEFA
from sterling.face.data.datasets.scan import placed, scan

RACES = {"AF": 1, "CA": 2, "EA": 3}
KINDS = ("bona_fide", "print_cloth", "print_photo", "replay")
MASKS = {"mask_3d", "mask_silicone"}


@given(
    st.sampled_from([*RACES]), st.integers(0, 499), st.integers(1, 4), st.integers(1, 3),
    st.integers(1, 4), st.sampled_from(["", "-IdCard"]), st.sampled_from(["color", "profile"]),
)  # fmt: skip
def test_names_there_and_back(
    race: str, number: int, acquisition: int, session: int, kind: int, card: str, colour: str
) -> None:
    name = f"{RACES[race]}_{number:03d}_{acquisition}_{session}_{kind}"
    path = f"{race}/{race}-{number:03d}{card}/{name}/{colour}/0001.jpg"
    (found,) = scan(CEFA, listing("/set", [path])).found.values()
    known = found.presentation
    assert (known.name, known.subject) == (name, f"{race}-{number:03d}")
    assert known.species == KINDS[kind - 1]
    assert known.split == ("train" if number < 200 else "dev" if number < 300 else "test")
    assert known.illumination == ("indoor", "outdoor", "random")[session - 1]
    assert found.files == {"rgb": {1: f"/set/{path}"}}


@pytest.mark.parametrize(
    "video", ["AF/AF-000/2_000_1_1_1", "AF/AF-000/1_001_1_1_1", "EA/EA-500/3_500_1_1_1"]
)
def test_names_that_contradict_their_folder(video: str) -> None:
    path = f"{video}/color/0001.jpg"
    assert scan(CEFA, listing("/set", [path])).misnamed == (f"/set/{path}",)


PRINTS, SCREENS = {"print_cloth"}, {"replay"}
# Ethnicities and attacks of training, then of the test without masks.
SEEN = {
    "1.2": ({"CA"}, PRINTS | SCREENS, {"AF", "EA"}, PRINTS | SCREENS),
    "2.1": (set(RACES), PRINTS, set(RACES), SCREENS),
    "2.2": (set(RACES), SCREENS, set(RACES), PRINTS),
    "4.1": ({"AF"}, SCREENS, {"CA", "EA"}, PRINTS),
    "5": (set(RACES), PRINTS | SCREENS, set(RACES), PRINTS | SCREENS),
}


@pytest.mark.parametrize("protocol", SEEN)
def test_what_is_unseen_in_training(protocol: str) -> None:
    rows = list(placed(whole("cefa"), CEFA.protocols[protocol]))
    seen = []
    for splits in (("train", "dev"), ("test",)):
        chosen = [found.presentation for split, found in rows if split in splits]
        species = {one.species for one in chosen} - {"bona_fide"}
        assert (species >= MASKS) == (splits == ("test",))
        seen += [{one.traits["race"] for one in chosen} - {""}, species - MASKS]
    assert tuple(seen) == SEEN[protocol]


def test_across_cameras() -> None:
    rows = list(placed(whole("cefa"), CEFA.protocols["3.3"]))
    seen = {(split, found.presentation.sensor) for split, found in rows}
    assert seen == {("train", "ir"), ("dev", "ir"), ("test", "rgb"), ("test", "depth")}
    for _, found in rows:
        (files,) = found.files.values()
        camera = {"rgb": "profile"}.get(found.presentation.sensor, found.presentation.sensor)
        assert all(path.endswith(f"/{camera}/0001.jpg") for path in files.values())
