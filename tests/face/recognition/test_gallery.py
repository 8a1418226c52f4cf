"""Galleries: distances by one product, the nearest people, unknown ones, and files."""

import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.face.recognition.people import gallery_of, vectors_of, write_people

from sterling.errors import InputError
from sterling.face.recognition import (
    DLIB_THRESHOLD,
    Embedding,
    Gallery,
    embed,
    identify,
    people_of,
    read_embeddings,
    write_embeddings,
)
from sterling.measure import Threshold

PHOTOGRAPH = Path(__file__).parents[3] / "examples" / "photographs" / "astronaut.jpg"


def probe(vector: np.ndarray, name: str = "probe.jpg") -> Embedding:
    return Embedding(name, np.asarray(vector, np.float32))


def test_distances_are_those_of_a_loop() -> None:
    gallery = gallery_of(7, 3)
    probes = vectors_of(4, 2, seed=1)[0]
    expected = [[np.linalg.norm(one - other) for other in gallery.vectors] for one in probes]
    np.testing.assert_allclose(gallery.distances(probes), expected, atol=1e-3)
    assert gallery.distances(gallery.vectors).diagonal().max() < 1e-3


@given(st.integers(2, 9), st.integers(1, 3), st.integers(1, 12), st.integers(0, 1000))
def test_the_nearest_people_are_those_of_a_sort(
    people: int, pictures: int, rank: int, seed: int
) -> None:
    gallery = gallery_of(people, pictures, seed=seed)
    probes = vectors_of(5, 1, seed=seed + 1)[0]
    rows, distances = gallery.nearest(probes, rank)
    every = gallery.distances(probes)
    for own, found, near in zip(every, rows, distances, strict=True):
        best = {name: own[gallery.person == name].min() for name in gallery.people}
        ordered = sorted(best, key=lambda name: best[name])[:rank]
        assert gallery.person[found].tolist() == ordered
        np.testing.assert_array_equal(near, own[found])
        np.testing.assert_array_equal(near, [best[name] for name in ordered])


def test_strangers_are_the_nearest_of_other_people() -> None:
    gallery = gallery_of(6, 4)
    rows, distances = gallery.strangers()
    every = gallery.distances(gallery.vectors)
    for row, (found, near) in enumerate(zip(rows, distances, strict=True)):
        others = np.flatnonzero(gallery.person != gallery.person[row])
        assert found == others[every[row, others].argmin()]
        assert near == pytest.approx(every[row, others].min(), abs=1e-5)


def test_known_people_are_named_and_others_are_not() -> None:
    gallery = gallery_of(20, 3)
    known = gallery.vectors[[0, 30]] + 0.001
    stranger = vectors_of(1, 1, seed=99)[0][0]
    lost = Embedding("blank.jpg", reason="no_face", note="nobody is seen")
    answers = identify([*map(probe, known), lost, probe(stranger)], gallery, rank=2)
    assert [one.person for one in answers] == ["p000", "p010", None, None]
    assert [one.reason for one in answers] == ["", "", "no_face", "unknown"]
    assert [len(one.candidates) for one in answers] == [2, 2, 0, 2]
    assert answers[0].line().startswith("probe.jpg: p000 (p000 0.0")
    assert answers[2].line() == "blank.jpg: no face (nobody is seen)"
    assert answers[3].line().startswith("probe.jpg: unknown (p")


def test_the_threshold_itself_is_within_and_beyond_is_not() -> None:
    gallery = gallery_of(2, 1)
    near = float(gallery.distances(gallery.vectors[:1] + 0.01)[0, 0])
    for value, named in ((near, True), (np.nextafter(np.float32(near), np.float32(0)), False)):
        limit = Threshold(float(value), "down")
        (answer,) = identify([probe(gallery.vectors[0] + 0.01)], gallery, threshold=limit)
        assert (answer.person is not None) == named


def test_one_person_under_two_names_is_reported() -> None:
    gallery = gallery_of(10, 2)
    names = gallery.person.tolist()
    names[1] = "someone_else"  # a picture of p000
    both = Gallery.of(gallery.vectors, names, gallery.source.tolist())
    ((first, second, distance),) = both.doubles()
    assert (first, second) == ("p000", "someone_else")
    assert distance < 0.4
    assert gallery.doubles() == []
    assert gallery_of(1, 3).doubles() == []


def test_a_folder_is_read_by_person(tmp_path: Path) -> None:
    (tmp_path / "staff" / "eileen" / "old").mkdir(parents=True)
    shutil.copy(PHOTOGRAPH, tmp_path / "staff" / "eileen" / "a.jpg")
    shutil.copy(PHOTOGRAPH, tmp_path / "staff" / "eileen" / "old" / "b.jpg")
    shutil.copy(PHOTOGRAPH, tmp_path / "staff" / "collins.jpg")
    (tmp_path / "staff" / "notes.txt").write_text("not a picture")
    (tmp_path / "staff" / "text.jpg").write_text("nor this")
    gallery = Gallery.read(tmp_path / "staff")
    assert gallery.person.tolist() == ["collins", "eileen", "eileen"]
    assert [one.reason for one in gallery.refused] == ["unreadable"]
    ((*names, distance),) = gallery.doubles()
    assert names == ["collins", "eileen"]
    assert distance < 2e-3
    assert abs(gallery.turn).max() < 0.2


def test_a_file_of_embeddings_says_the_same(tmp_path: Path) -> None:
    found = [*embed(PHOTOGRAPH), *embed(np.zeros((3, 99, 99), np.uint8))]
    write_embeddings(tmp_path / "a.parquet", ["eileen", "nobody"], found)
    person, again = read_embeddings(tmp_path / "a.parquet")
    assert person == ["eileen", "nobody"]
    np.testing.assert_array_equal(again[0].require(), found[0].require())
    assert again[0].quality == found[0].quality
    assert (again[1].vector, again[1].quality, again[1].reason) == (None, None, "no_face")
    frame = pl.read_parquet(tmp_path / "a.parquet")
    assert frame["side"].is_null().to_list() == [False, True]
    assert frame["left"][0] == pytest.approx(found[0].to_dict()["box"][0], abs=0.1)


def test_bad_galleries_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file or folder"):
        Gallery.read(tmp_path / "none")
    with pytest.raises(InputError, match="holds no picture"):
        Gallery.read(tmp_path)
    (tmp_path / "text.jpg").write_text("no picture")
    with pytest.raises(InputError, match="none of 1 pictures has a face that is taken"):
        Gallery.read(tmp_path)
    with pytest.raises(InputError, match="no such file"):
        Gallery.read(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"no parquet")
    with pytest.raises(InputError, match="not a whole Parquet file"):
        Gallery.read(tmp_path / "bad.parquet")
    pl.DataFrame({"a": [1]}).write_parquet(tmp_path / "bad.parquet")
    with pytest.raises(InputError, match="not written by sterling face embed"):
        Gallery.read(tmp_path / "bad.parquet")
    with pytest.raises(InputError, match="sorted by person"):
        Gallery(
            np.zeros((2, 128), np.float32), np.array(["b", "a"]), np.array(["1", "2"]), np.zeros(2)
        )
    with pytest.raises(InputError, match=r"vectors \(2, 64\)"):
        Gallery.of(np.zeros((2, 64), np.float32), ["a", "b"], ["1", "2"])
    with pytest.raises(InputError, match="is alone"):
        gallery_of(1, 2).strangers()
    with pytest.raises(InputError, match="rank of 1"):
        identify([], gallery_of(2, 1), rank=0)
    with pytest.raises(InputError, match="direction 'down'"):
        identify([], gallery_of(2, 1), threshold=Threshold(0.6, "up"))
    assert people_of([PHOTOGRAPH]) == (["astronaut"], [str(PHOTOGRAPH)])
    assert DLIB_THRESHOLD.value == 0.6


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"model": pl.lit("another")}, "vectors of another network"),
        ({"person": pl.lit(None, pl.String)}, "empty names"),
        ({"vector": pl.lit([1.0, 2.0])}, "not written by"),
        ({"vector": pl.col("vector").list.eval(pl.element() / 0.0)}, "not finite"),
    ],
)
def test_files_with_other_content_are_refused(
    tmp_path: Path, change: dict[str, pl.Expr], words: str
) -> None:
    path = write_people(tmp_path / "a.parquet", 2, 1)
    frame = pl.read_parquet(path).with_columns(pl.col("vector").arr.to_list())
    frame.with_columns(**change).write_parquet(path)
    with pytest.raises(InputError, match=words):
        Gallery.read(path)
