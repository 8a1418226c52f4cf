"""Names of SiW there and back, and which attacks each protocol sees."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.face.data.trees import listing, whole

from sterling.face.data import SIW
from sterling.face.data.datasets.scan import scan


@given(
    st.integers(0, 999), st.integers(1, 2), st.integers(1, 3), st.integers(1, 4), st.integers(0, 99)
)
def test_names_there_and_back(
    subject: int, sensor: int, kind: int, medium: int, session: int
) -> None:
    name = f"{subject:03d}-{sensor}-{kind}-{medium}-{session}"
    path = f"Train/{'live' if kind == 1 else 'spoof'}/{subject:03d}/{name}.mov"
    (found,) = scan(SIW, listing("/set", [path])).found.values()
    known = found.presentation
    assert (known.name, int(known.subject), known.split) == (name, subject, "train")
    assert known.species == ("bona_fide", "print", "replay")[kind - 1]
    assert (known.sensor, known.session) == (str(sensor), str(session))


@pytest.mark.parametrize(
    "path",
    [
        "Train/live/001/002-1-1-1-1.mov",
        "Train/live/001/001-1-2-1-1.mov",
        "Train/spoof/001/001-1-1-1-1.mov",
        "Train/live/001/001-3-1-1-1.mov",
    ],
)
def test_names_that_contradict_their_folder(path: str) -> None:
    assert scan(SIW, listing("/set", [path])).misnamed == (f"/set/{path}",)


# Of attacks, species and media in training and in the test.
SEEN = {
    "2.3": ({("replay", "1"), ("replay", "2"), ("replay", "4")}, {("replay", "3")}),
    "3.1": ({("print", "1"), ("print", "2")}, {("replay", m) for m in "1234"}),
    "3.2": ({("replay", m) for m in "1234"}, {("print", "1"), ("print", "2")}),
}


@pytest.mark.parametrize("protocol", SEEN)
def test_what_is_unseen_in_training(protocol: str) -> None:
    rule = SIW.protocols[protocol].rule
    for split, expected in zip(("train", "test"), SEEN[protocol], strict=True):
        chosen = [one for one in whole("siw").presentations if rule(one) == split]
        live = sum(one.species == "bona_fide" for one in chosen)
        assert live == {"train": 90, "test": 75}[split] * 8
        attacks = {(o.species, o.traits["medium"]) for o in chosen if o.species != "bona_fide"}
        assert attacks == expected
