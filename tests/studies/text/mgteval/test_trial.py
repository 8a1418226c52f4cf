"""What a trial repeats: lists that keep their rate, and lists that a foreign calibration breaks."""

import numpy as np
import pytest
from scipy import stats

from sterling.errors import InputError
from sterling.lm import train_small
from sterling.studies.text.mgteval._trial import TrialPlan, _in_turn, declared_share, run_trial
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


def test_one_domain_has_nothing_to_carry_over_to(tmp_path: object) -> None:
    text = "The old bridge by the river was closed for a year. " * 4
    model = train_small([text * 4], steps=1, width=16, layers=1)
    plan = TrialPlan((), 0.5, 64, (), 1, 2, "likelihood", tmp_path)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="two or more"):
        run_trial([TextRecord("a", text, 0, "a", domain="news")], model, plan, 0)
