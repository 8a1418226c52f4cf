"""Names of CASIA-MFSD as released and as re-distributed."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.face.data.trees import listing

from sterling.face.data import CASIA_MFSD
from sterling.face.data.datasets.scan import scan

CLIPS = {
    **{clip: ("bona_fide", q) for clip, q in (("1", "low"), ("2", "normal"), ("HR_1", "high"))},
    **{clip: ("print_warped", q) for clip, q in (("3", "low"), ("4", "normal"), ("HR_2", "high"))},
    **{clip: ("print_cut", q) for clip, q in (("5", "low"), ("6", "normal"), ("HR_3", "high"))},
    **{clip: ("replay", q) for clip, q in (("7", "low"), ("8", "normal"), ("HR_4", "high"))},
}
PERSONS = st.one_of(
    st.tuples(st.just("train"), st.integers(1, 20)), st.tuples(st.just("test"), st.integers(1, 30))
)


@given(PERSONS, st.sampled_from([*CLIPS]), st.sampled_from(["_release/", "/id"]))
def test_names_there_and_back(person: tuple[str, int], clip: str, written: str) -> None:
    place, number = person
    path = f"{place}{written}{number}/{clip}.avi"
    (found,) = scan(CASIA_MFSD, listing("/set", [path])).found.values()
    known = found.presentation
    assert known.name == f"{place}/{number}/{clip}"
    assert (known.species, known.sensor) == CLIPS[clip]
    assert (known.split, known.subject) == (place, f"{place}_{number}")


@pytest.mark.parametrize("path", ["train_release/21/1.avi", "test_release/31/1.avi"])
def test_people_that_the_set_does_not_have(path: str) -> None:
    assert scan(CASIA_MFSD, listing("/set", [path])).misnamed == (f"/set/{path}",)
