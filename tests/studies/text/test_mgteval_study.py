"""The study of detectors: its declared lists, and what it leaves out."""

import numpy as np
from scipy import stats

from sterling.studies.text.mgteval._cells import _in_turn, declared_share, scores_of
from sterling.studies.text.mgteval._pooled import without_empty_lists
from sterling.study import Results, row
from sterling.text.corpus.records import TextRecord


def test_lists_keep_their_rate_unless_other_peoples_texts_calibrate() -> None:
    rng = np.random.default_rng(0)
    own, foreign = [], []
    for _ in range(60):
        human, machine = rng.normal(0, 1, 90), rng.normal(3, 1, 30)
        own.append(declared_share(human, machine, fdr=0.2, repetitions=5, rng=rng))
        plainer = rng.normal(-2, 1, 90)
        foreign.append(
            declared_share(human, machine, fdr=0.2, repetitions=5, rng=rng, calibration=plainer)
        )
    rates = np.array([rate for rate, _, _ in own])
    assert rates.mean() <= 0.2 * 30 / 60 + 2.6 * stats.sem(rates)
    assert np.mean([power for _, power, _ in own]) > 0.8
    assert np.mean([declaring for _, _, declaring in own]) > 0.9
    assert np.mean([rate for rate, _, _ in foreign]) > 0.3


def test_lists_that_cannot_name_anybody_say_so() -> None:
    few = np.arange(6.0)
    assert declared_share(few, few, fdr=0.1, repetitions=3, rng=np.random.default_rng(0))[2] == 0


def test_slow_detectors_are_asked_about_all_domains_alike() -> None:
    records = [
        TextRecord(f"{domain}{label}{row}", "text", label, "g", domain=domain)
        for domain in ("law", "news", "talk")
        for label in (0, 1)
        for row in range(5)
    ]
    chosen = _in_turn(records, 4)
    assert [one.label for one in chosen] == [0] * 4 + [1] * 4
    assert [one.domain for one in chosen] == ["law", "news", "talk", "law"] * 2


def test_a_text_that_could_not_be_scored_ranks_on_the_wrong_side() -> None:
    scores = scores_of([0, 0, 1, 1], [0.1, np.nan, 0.9, np.nan])
    assert scores.values[1] > 0.9
    assert scores.values[3] < 0.1
    none = scores_of([0, 1], [np.nan, np.nan])
    assert none.values[0] > none.values[1]


def test_lists_have_no_rate_where_too_few_name_a_text() -> None:
    rows = [
        {"repetition": index, **row(metric, value, detector=detector, calibration="own")}
        for detector, naming in (("rank", 0.02), ("lrr", 0.2))
        for index in (0, 1)
        for metric, value in (("FDR of the list", 0.1), ("lists that name a text", naming))
    ]
    results = Results.of(without_empty_lists(rows))
    assert results.values("FDR of the list", detector="rank", calibration="own") == []
    assert results.values("FDR of the list", detector="lrr", calibration="own") == [0.1, 0.1]
