import re

import numpy as np
import pytest
from scipy import stats

from sterling.errors import InputError
from sterling.face.evaluation.bounded_threshold import Promise, bounded_threshold
from sterling.measure import Scores


def scores(rng: np.random.Generator, n: int, name: str, subjects: int = 0) -> Scores:
    label = np.arange(2 * n) < n
    who = np.arange(2 * n) % subjects if subjects else np.arange(2 * n)
    return Scores(
        rng.normal(size=2 * n) + 2 * label,
        label,
        item=[f"{name}{i}" for i in range(2 * n)],
        subject=[f"s{i}" for i in who],
    )


def test_the_bpcer_of_new_captures_exceeds_the_bound_rarely() -> None:
    rng = np.random.default_rng(0)
    exceeded = 0
    for _ in range(400):
        threshold, _ = bounded_threshold(scores(rng, 80, "d"), Promise(0.1, 0.9), source="dev")
        exceeded += int(stats.norm(2).cdf(threshold.value) > 0.1)
    assert stats.binomtest(exceeded, 400, 0.1, alternative="greater").pvalue > 1e-6
    assert exceeded > 0


def test_the_threshold_remembers_its_captures_and_turns_with_the_direction() -> None:
    dev = scores(np.random.default_rng(1), 80, "d")
    threshold, guarantee = bounded_threshold(dev, Promise(0.1, 0.9), source="dev")
    assert guarantee.n == threshold.n == 80
    assert threshold.overlap(dev) == 160
    down = Scores(-dev.values, dev.label, direction="down", item=dev.item, subject=dev.subject)
    turned, _ = bounded_threshold(down, Promise(0.1, 0.9), source="dev")
    assert turned.value == -threshold.value
    kept = turned.accept(down, in_sample=True)
    assert np.array_equal(kept, threshold.accept(dev, in_sample=True))


def test_captures_of_one_subject_are_called_dependent() -> None:
    rng = np.random.default_rng(2)
    _, few = bounded_threshold(scores(rng, 80, "d", subjects=8), Promise(0.1, 0.9), source="dev")
    assert few.assumptions[0].checked is not None
    assert "80 captures of 8 subjects: NOT MET" in few.assumptions[0].checked
    assert few.assumptions[0].met is False
    _, many = bounded_threshold(scores(rng, 80, "d"), Promise(0.1, 0.9), source="dev")
    assert many.assumptions[0].checked == "80 captures of 80 subjects"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("bpcr=0.05", "did you mean bpcer"),
        ("bpcer", "write it as bpcer=0.05"),
        ("bpcer=2", "bpcer is 2.0: a number in (0, 1)"),
        ("confidence=0.9", "name the rate to bound"),
        ("bpcer=0.1,unit=subjects", "did you mean subject"),
    ],
)
def test_what_cannot_be_promised_is_refused(text: str, words: str) -> None:
    with pytest.raises(InputError, match=re.escape(words)):
        Promise.parse(text)


def test_the_defaults_and_the_smallest_calibration() -> None:
    assert Promise.parse("bpcer=0.05") == Promise(0.05, 0.95)
    assert Promise.parse("bpcer=0.05,confidence=0.9,unit=subject") == Promise(0.05, 0.9, "subject")
    with pytest.raises(InputError, match="59 are needed"):
        bounded_threshold(
            scores(np.random.default_rng(4), 30, "d"), Promise(0.05, 0.95), source="dev"
        )


def clustered(rng: np.random.Generator, subjects: int, name: str) -> Scores:
    """Ten captures of each subject, whose scores differ by subject more than by capture."""
    who = np.repeat(np.arange(subjects), 10)
    values = rng.normal(size=subjects)[who] + 0.3 * rng.normal(size=10 * subjects)
    return Scores(
        np.append(values, -9.0),
        np.append(np.ones(10 * subjects, dtype=bool), False),
        item=[f"{name}{i}" for i in range(10 * subjects + 1)],
        subject=[*(f"s{i}" for i in who), "attacker"],
    )


def test_counting_subjects_holds_where_counting_captures_does_not() -> None:
    rng = np.random.default_rng(5)
    spread = stats.norm(0, np.sqrt(1 + 0.3**2))
    exceeded = {"capture": 0, "subject": 0}
    for seed in range(300):
        dev = clustered(rng, 50, "d")
        for unit in ("capture", "subject"):
            promise = Promise(0.1, 0.9, unit)
            threshold, guarantee = bounded_threshold(dev, promise, source="dev", seed=seed)
            exceeded[unit] += int(spread.cdf(threshold.value) > 0.1)
    assert guarantee.n == threshold.n == 50
    p = {
        unit: stats.binomtest(count, 300, 0.1, alternative="greater").pvalue
        for unit, count in exceeded.items()
    }
    assert p["subject"] > 1e-6 > p["capture"]


def test_subjects_that_are_not_known_cannot_be_counted() -> None:
    rng = np.random.default_rng(6)
    nameless = Scores(rng.normal(size=100), np.arange(100) < 90)
    with pytest.raises(InputError, match="name no subject"):
        bounded_threshold(nameless, Promise(0.1, 0.9, "subject"), source="dev")
    _, guarantee = bounded_threshold(nameless, Promise(0.1, 0.9), source="dev")
    assert "subjects not known" in str(guarantee.assumptions[0].checked)
    assert guarantee.assumptions[0].met is None
