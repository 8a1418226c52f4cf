"""Names of Replay-Attack, and what belongs to the set without being a presentation."""

from hypothesis import given
from hypothesis import strategies as st
from tests.face.data.trees import listing, replay_attack

from sterling.face.data import REPLAY_ATTACK
from sterling.face.data.datasets.scan import scan

KINDS = {
    ("print", "highdef_photo"): "print",
    ("mobile", "mobile_photo"): "replay_mobile",
    ("mobile", "mobile_video"): "replay_mobile",
    ("highdef", "highdef_photo"): "replay_highdef",
    ("highdef", "highdef_video"): "replay_highdef",
}
CLIENTS = st.integers(1, 999)
LIGHTS = st.sampled_from(["adverse", "controlled"])
PLACES = st.sampled_from([("train", "train"), ("devel", "dev"), ("test", "test")])


@given(PLACES, CLIENTS, LIGHTS, st.sampled_from([*KINDS]), st.sampled_from(["fixed", "hand"]))
def test_attacks_there_and_back(
    place: tuple[str, str], client: int, light: str, kind: tuple[str, str], support: str
) -> None:
    file = f"attack_{kind[0]}_client{client:03d}_session01_{kind[1]}_{light}"
    path = f"{place[0]}/attack/{support}/{file}.mov"
    (found,) = scan(REPLAY_ATTACK, listing("/set", [path])).found.values()
    known = found.presentation
    assert known.name == f"{place[0]}/{support}/{file}"
    assert (known.species, known.split, known.illumination) == (KINDS[kind], place[1], light)
    assert int(known.subject) == client


@given(PLACES, CLIENTS, LIGHTS, st.sampled_from("12"))
def test_bona_fide_there_and_back(
    place: tuple[str, str], client: int, light: str, take: str
) -> None:
    file = f"client{client:03d}_session01_webcam_authenticate_{light}_{take}"
    path = f"{place[0]}/real/{file}.mov"
    (found,) = scan(REPLAY_ATTACK, listing("/set", [path])).found.values()
    known = found.presentation
    assert (known.name, known.species) == (f"{place[0]}/{file}", "bona_fide")
    assert (known.split, known.illumination) == (place[1], light)


def test_a_print_of_a_video_is_no_name_of_the_set() -> None:
    path = "test/attack/hand/attack_print_client001_session01_mobile_video_adverse.mov"
    assert scan(REPLAY_ATTACK, listing("/set", [path])).misnamed == (f"/set/{path}",)


def test_each_client_has_24_videos_and_enrolment_is_left_out() -> None:
    paths = [*replay_attack(), "enroll/test/client031_session01_webcam_enroll_adverse_1.mov"]
    tree = scan(REPLAY_ATTACK, listing("/set", [*paths, "face-locations/train/real/a.face"]))
    assert len(tree.found) == 50 * 24
    assert (tree.companions, tree.misnamed, tree.elsewhere) == (2, (), ())
