"""Thresholds on a gallery: the bound, what is refused, and error rates that count pairs."""

import json
from pathlib import Path

import numpy as np
import pytest
from tests.face.recognition.people import gallery_of, vectors_of

from sterling.errors import InputError, NothingMeasuredError
from sterling.face.recognition import (
    DLIB,
    DLIB_THRESHOLD,
    Gallery,
    MatchThreshold,
    choose_threshold,
    group_rates,
    held_out_fmr,
    measure_rates,
    read_threshold,
    turn_groups,
    write_threshold,
)
from sterling.measure import Threshold


def test_no_more_pairs_match_than_allowed_and_no_larger_threshold_does_it() -> None:
    gallery = gallery_of(40, 3, spread=0.04)
    every = gallery.distances(gallery.vectors)
    others = every[gallery.person[:, None] != gallery.person]
    same = every[(gallery.person[:, None] == gallery.person) & ~np.eye(120, dtype=bool)]
    for fmr in (0.01, 0.1, 0.3):
        chosen = choose_threshold(gallery, fmr=fmr)
        assert (others <= chosen.value + 1e-6).mean() <= fmr
        beyond = min(others[others > chosen.value + 1e-6].min(), 9)
        wider = (others <= beyond).mean()
        assert wider > fmr or not (same[(same > chosen.value + 1e-6) & (same < beyond)]).size


def test_an_fpir_bounds_the_pictures_taken_for_somebody_else() -> None:
    gallery = gallery_of(60, 3, spread=0.04)
    _, strangers = gallery.strangers()
    chosen = choose_threshold(gallery, fpir=0.1)
    assert 0.05 < (strangers <= chosen.value).mean() <= 0.1
    # The whole gallery has more chances than one pair: the same rate takes a lower threshold.
    assert chosen.value < choose_threshold(gallery, fmr=0.1).value


def test_rates_are_those_of_loops() -> None:
    gallery = gallery_of(12, 3, spread=0.06)
    limit = Threshold(1.15, "down")
    rates = measure_rates(gallery, limit)
    wrong = missed = pairs = own = 0
    named = found = 0
    for one in range(36):
        near = [float(np.linalg.norm(gallery.vectors[one] - v)) for v in gallery.vectors]
        near[one] = np.inf
        mate = gallery.person == gallery.person[one]
        own += int(mate.sum()) - 1
        pairs += int((~mate).sum())
        missed += sum(near[j] > 1.15 for j in np.flatnonzero(mate) if j != one)
        wrong += sum(near[j] <= 1.15 for j in np.flatnonzero(~mate))
        named += min(near[j] for j in np.flatnonzero(~mate)) <= 1.15
        nearest = int(np.argmin(near))
        found += bool(mate[nearest]) and near[nearest] <= 1.15
    assert rates.fnmr is not None
    assert rates.tpir is not None
    assert rates.fmr.value == pytest.approx(wrong / pairs)
    assert rates.fnmr.value == pytest.approx(missed / own)
    assert rates.fpir.value == pytest.approx(named / 36)
    assert rates.tpir.value == pytest.approx(found / 36)
    assert 0 < wrong < pairs
    assert rates.fmr_limit.high >= rates.fmr.interval.high


def test_what_the_gallery_cannot_show_is_refused_with_what_would_do() -> None:
    gallery = gallery_of(10, 2)  # 180 pairs of two people
    with pytest.raises(InputError, match=r"20 pictures of 10 people make 180; about 72 people"):
        choose_threshold(gallery, fmr=0.001)
    with pytest.raises(InputError, match=r"these show rates from 0\.056"):
        choose_threshold(gallery, fmr=0.05)
    assert choose_threshold(gallery, fmr=0.056).n == 180
    assert choose_threshold(gallery_of(72, 2), fmr=0.001).n == 10_224  # and it does
    with pytest.raises(InputError, match=r"takes 100 pictures, and there are 20"):
        choose_threshold(gallery, fpir=0.1)
    for fmr, fpir in ((None, None), (0.0, None), (1.0, None), (0.1, 0.1)):
        with pytest.raises(InputError, match="give one of them"):
            choose_threshold(gallery, fmr=fmr, fpir=fpir)
    with pytest.raises(InputError, match=r"fmr 0\.5: takes 20 pairs of two people"):
        choose_threshold(gallery_of(1, 2), fmr=0.5)


def test_one_picture_each_has_a_false_match_rate_and_no_other() -> None:
    rates = measure_rates(gallery_of(30, 1), DLIB_THRESHOLD)
    assert (rates.fnmr, rates.tpir) == (None, None)
    with pytest.raises(NothingMeasuredError, match="no identity has two items"):
        gallery_of(30, 1).comparisons().false_non_match(-0.6)
    with pytest.raises(NothingMeasuredError, match="2 subjects"):
        measure_rates(gallery_of(2, 2), DLIB_THRESHOLD)


def test_the_check_on_people_held_out_sees_that_a_threshold_was_chosen() -> None:
    """Over many galleries the FMR held out is the one asked for; in-sample it is never above."""
    found, inside = [], []
    for seed in range(30):
        gallery = gallery_of(60, 1, seed=seed)
        checked = held_out_fmr(gallery, 0.05, seed=seed)
        assert checked is not None
        found.append(checked.value)
        chosen = choose_threshold(gallery, fmr=0.05)
        inside.append(measure_rates(gallery, chosen).fmr.value)
    assert max(inside) <= 0.05
    assert np.mean(found) == pytest.approx(0.05, abs=0.006)
    assert max(found) > 0.05
    assert held_out_fmr(gallery_of(8, 1), 0.5) is None


def test_a_threshold_is_read_as_it_was_written(tmp_path: Path) -> None:
    gallery = gallery_of(30, 2)
    chosen = choose_threshold(gallery, fmr=0.05, source="staff")
    written = MatchThreshold(chosen, measure_rates(gallery, chosen))
    write_threshold(tmp_path / "threshold.json", written)
    assert read_threshold(tmp_path) == written
    assert read_threshold(tmp_path / "threshold.json") == written
    assert "FMR at most 0.05, staff, 30 people: FMR 5 % (" in written.line()
    assert "error rates on your faces unknown" in DLIB.line()
    write_threshold(tmp_path / "threshold.json", DLIB)
    assert read_threshold(tmp_path) == DLIB


@pytest.mark.parametrize("content", ["", "{}", "[1]", '{"threshold": {}, "rates": null}', "[" * 9])
def test_files_that_hold_no_threshold_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "threshold.json").write_text(content)
    with pytest.raises(InputError, match="no threshold; write one"):
        read_threshold(tmp_path)


def test_thresholds_of_similarities_are_refused(tmp_path: Path) -> None:
    stored = {"threshold": json.loads(Threshold(0.5, "up").to_json()), "rates": None}
    (tmp_path / "threshold.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match="direction 'up'"):
        read_threshold(tmp_path)
    with pytest.raises(InputError, match="no such threshold"):
        read_threshold(tmp_path / "none.json")


def test_groups_are_measured_at_one_threshold() -> None:
    gallery = gallery_of(20, 2, spread=0.06)
    groups = np.where(np.arange(40) < 24, "a", "b")
    groups[38:] = ""
    limit = Threshold(1.15, "down")
    found = {one.group: one for one in group_rates(gallery, limit, groups)}
    assert {name: (one.people, one.pictures) for name, one in found.items()} == {
        "a": (12, 24),
        "b": (7, 14),
    }
    own = gallery_of(20, 2, spread=0.06)
    alone = Gallery.of(own.vectors[:24], own.person[:24].tolist(), own.source[:24].tolist())
    rates = measure_rates(alone, limit)
    assert (found["a"].fmr, found["a"].fnmr) == (rates.fmr, rates.fnmr)
    (small,) = group_rates(gallery, limit, np.array(["one"] * 2 + [""] * 38))
    assert (small.fmr, small.fnmr) == (None, None)


def test_turns_of_heads_are_groups() -> None:
    vectors, names = vectors_of(5, 1)
    gallery = Gallery.of(vectors, names, names, turn=[0.1, -0.2, 0.5, -0.6, np.nan])
    assert turn_groups(gallery).tolist() == [
        "from the front",
        "turned by 17° and more",
        "turned by 35° and more",
        "turned by 35° and more",
        "",
    ]


def test_a_gallery_too_large_for_all_pairs_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sterling.face.recognition.gallery.MOST_COMPARED", 5)
    vectors, names = vectors_of(6, 1)
    with pytest.raises(InputError, match="all pairs are compared of at most 5"):
        Gallery.of(vectors, names, names).comparisons()
