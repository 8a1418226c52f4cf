"""Claims about a measured quantity and a bar, with three verdicts.

A claim holds when the whole interval lies on the right side of the bar, does not hold when the
whole interval lies on the wrong side, and is undecided when the interval contains the bar or when
there is no interval. `sterling.study.Series` makes most claims; these functions make the others.

Intervals are Student-t and exact ones, for a number of repetitions chosen beforehand. Claims made
under ``use_design("sequential")`` use confidence sequences instead, so that they may decide when a
run stops.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar

from scipy import stats

from sterling.errors import InputError
from sterling.measure import (
    Estimate,
    Interval,
    Rate,
    mean_interval,
    mean_sequence,
    rate_sequence,
)
from sterling.study.evidence import Claim, Design, Sample, Verdict

Measured = Sequence[float] | Rate | Estimate
"""Values of independent repetitions (their mean is tested), counts, or an estimate."""

# Studies combine claims by their verdicts, so the design has to be known where a claim is made; a
# parameter would pass through every study, which must not depend on it.
_DESIGN: ContextVar[Design] = ContextVar("design", default="fixed")


@contextmanager
def use_design(design: Design) -> Iterator[None]:
    """Test the claims that are made meanwhile under a design.

    Examples:
        >>> with use_design("sequential"):
        ...     claim = positive("id", "A gain.", [1.0, 1.1, 0.9, 1.0, 1.2])
        >>> claim.estimand
        'paired difference, mean over 5 repetitions, 95 % confidence sequence'
    """
    token = _DESIGN.set(design)
    try:
        yield
    finally:
        _DESIGN.reset(token)


def at_most(
    claim_id: str,
    claim: str,
    measured: Measured | Mapping[str, Measured],
    bar: float,
    *,
    paper: str | None = None,
    over: str = "repetitions",
) -> Claim:
    """Claim that a quantity is at most ``bar``; arguments as in `within`."""
    return within(claim_id, claim, measured, -math.inf, bar, paper=paper, over=over)


def at_least(
    claim_id: str,
    claim: str,
    measured: Measured | Mapping[str, Measured],
    bar: float,
    *,
    paper: str | None = None,
    over: str = "repetitions",
) -> Claim:
    """Claim that a quantity is at least ``bar``; arguments as in `within`."""
    return within(claim_id, claim, measured, bar, math.inf, paper=paper, over=over)


def within(
    claim_id: str,
    claim: str,
    measured: Measured | Mapping[str, Measured],
    low: float,
    high: float,
    *,
    paper: str | None = None,
    over: str = "repetitions",
) -> Claim:
    """Claim that a quantity lies between ``low`` and ``high``, both included.

    Args:
        claim_id: Short stable name.
        claim: The sentence.
        measured: Values per repetition (95 % Student-t interval of their mean; one value has none),
            a rate (exact 95 % interval), or an estimate with its own interval. A mapping asks the
            same of several parts at once: the claim holds if it holds for every part, does not if
            it does not for one, and shows the worst part. A part without values is named and left
            out.
        low: Smallest value allowed.
        high: Largest value allowed.
        paper: The paper's own figure, None where it gives none.
        over: Unit of the values, in plural ("repetitions").

    Raises:
        InputError: ``low`` is not below ``high``.
    """
    if not low < high:
        raise InputError(f"bar from {low} to {high}: low must lie below high")
    if math.isinf(low):
        bar = f"<= {high:.4g}"
    elif math.isinf(high):
        bar = f">= {low:.4g}"
    else:
        bar = f"within {low:.4g} and {high:.4g}"
    if isinstance(measured, Mapping):
        return _worst(claim_id, claim, measured, low, high, bar, paper=paper, over=over)
    value, interval, estimand = _read(measured, over)
    found = verdict(interval, low, high)
    bars = (low, high)
    return _claim(
        claim_id, claim, paper, estimand, value, interval, bar, found, [_sample(measured)], bars
    )


def positive(
    claim_id: str,
    claim: str,
    differences: Sequence[float],
    *,
    paper: str | None = None,
    over: str = "repetitions",
) -> Claim:
    """Claim that a paired difference is positive, from its value in each repetition.

    It does not hold when the whole interval lies at or below zero: no difference is not a positive
    one. Arguments as in `within`.
    """
    value, interval, estimand = _read(differences, over)
    found: Verdict = "undecided"
    if interval and interval.low > 0:
        found = "holds"
    elif interval and interval.high <= 0:
        found = "does not hold"
    estimand, sample = f"paired difference, {estimand}", [_sample(differences)]
    bars = (0.0, math.inf)
    return _claim(claim_id, claim, paper, estimand, value, interval, "> 0", found, sample, bars)


def more_often(
    claim_id: str,
    claim: str,
    share: Rate | None,
    *,
    level: float,
    paper: str | None = None,
    over: str = "repetitions",
) -> Claim:
    """Claim that something happens more often than not, by the one-sided exact sign test.

    It holds when the test says so at ``level``, does not when the test of the opposite does, and is
    undecided otherwise, as with too few trials for any test. A sequential run compares 1/2 with the
    confidence sequence of the share at confidence ``1 - level`` instead.

    Args:
        claim_id: Short stable name.
        claim: The sentence.
        share: Number of times that it happened, of how many trials.
        level: Error level of the test, in (0, 1/2).
        paper: The paper's own figure, None where it gives none.
        over: Name of the trials, in plural.
    """
    interval: Interval | None = None
    found: Verdict = "undecided"
    sequential = _DESIGN.get() == "sequential"
    bar = "> 0.5" if sequential else f"> 0.5 by the one-sided sign test at level {level:g}"
    if share is None:
        estimand = f"share of 0 {over}"
    elif sequential:
        interval = rate_sequence(share.errors, share.trials, 1 - level)
        if not interval.contains(0.5):
            found = "holds" if interval.low > 0.5 else "does not hold"
        estimand = f"share of {share.trials} {over}, {100 * (1 - level):g} % confidence sequence"
    else:
        interval = share.interval()
        more, fewer = (
            float(stats.binomtest(share.errors, share.trials, alternative=side).pvalue)
            for side in ("greater", "less")
        )
        found = "holds" if more < level else "does not hold" if fewer < level else "undecided"
        estimand = f"share of {share.trials} {over}, exact 95 % interval; sign test p = {more:.2g}"
    value, sample = (None, []) if share is None else (share.value, [_sample(share)])
    bars = (0.5, math.inf)
    made = _claim(claim_id, claim, paper, estimand, value, interval, bar, found, sample, bars)
    return made.model_copy(update={"error": level, "one_sided": True})


def verdict(interval: Interval | None, low: float, high: float) -> Verdict:
    """Whether the quantity estimated by ``interval`` lies from ``low`` to ``high``."""
    if interval is None:
        return "undecided"
    if low <= interval.low and interval.high <= high:
        return "holds"
    if interval.high < low or high < interval.low:
        return "does not hold"
    return "undecided"


def _claim(
    claim_id: str,
    claim: str,
    paper: str | None,
    estimand: str,
    measured: float | None,
    interval: Interval | None,
    bar: str,
    found: Verdict,
    sample: list[Sample],
    bars: tuple[float, float],
) -> Claim:
    return Claim(
        id=claim_id,
        claim=claim,
        paper=paper,
        estimand=estimand,
        measured=measured,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        bar=bar,
        verdict=found,
        sample=sample,
        bar_low=None if math.isinf(bars[0]) else bars[0],
        bar_high=None if math.isinf(bars[1]) else bars[1],
    )


def _sample(measured: Measured) -> Sample:
    if isinstance(measured, Rate):
        return Sample(errors=measured.errors, trials=measured.trials)
    if isinstance(measured, Estimate):
        return Sample()
    return Sample(values=[float(value) for value in measured])


def _read(measured: Measured, over: str) -> tuple[float | None, Interval | None, str]:
    """Value, interval and estimand of a sample under the design."""
    sequential = _DESIGN.get() == "sequential"
    if isinstance(measured, Rate):
        counts = f"{measured.errors} of {measured.trials}"
        if sequential:
            interval = rate_sequence(measured.errors, measured.trials)
            return measured.value, interval, f"{counts}, 95 % confidence sequence"
        return measured.value, measured.interval(), f"{counts}, exact 95 % interval"
    if isinstance(measured, Estimate):
        ends = measured.interval
        if sequential:
            estimand = (
                f"{measured.method}: no confidence sequence exists for it, so a run that stops by "
                f"its claims leaves it undecided; {100 * measured.level:g} % interval for a fixed "
                f"number of repetitions: {ends.low:.4g} to {ends.high:.4g}"
            )
            return measured.value, None, estimand
        return measured.value, ends, f"{measured.method}, {100 * measured.level:g} % interval"
    n = len(measured)
    value = float(sum(measured) / n) if n else None
    estimand = f"mean over {n} {over}, 95 % "
    if not sequential:
        return value, mean_interval(measured) if n > 1 else None, f"{estimand}Student-t interval"
    sequence = mean_sequence(measured) if n > 1 else None
    if sequence is None or math.isinf(sequence.high):
        return value, None, f"{estimand}confidence sequence, not yet bounded"
    return value, sequence, f"{estimand}confidence sequence"


def _worst(
    claim_id: str,
    claim: str,
    measured: Mapping[str, Measured],
    low: float,
    high: float,
    bar: str,
    *,
    paper: str | None,
    over: str,
) -> Claim:
    parts = {
        name: within(claim_id, claim, one, low, high, paper=paper, over=over)
        for name, one in measured.items()
    }
    without = [name for name, part in parts.items() if part.measured is None]
    unmeasured = f"; nothing measured for {', '.join(without)}" if without else ""
    tested = {name: part for name, part in parts.items() if name not in without}
    sample = [
        one.model_copy(update={"part": str(name)})
        for name, part in parts.items()
        for one in part.sample
    ]
    if not tested:
        estimand = f"worst of {len(parts)}{unmeasured}"
        bars = (low, high)
        return _claim(claim_id, claim, paper, estimand, None, None, bar, "undecided", sample, bars)

    def badness(name: str) -> tuple[int, float]:
        part = tested[name]
        # Without an interval the value itself shows how near the bar is.
        bottom = part.measured if part.low is None else part.low
        top = part.measured if part.high is None else part.high
        assert bottom is not None
        assert top is not None
        order = ("holds", "undecided", "does not hold")
        return order.index(part.verdict), max(low - bottom, top - high)

    worst = max(tested, key=badness)
    estimand = f"worst of {len(tested)}: {worst}, {tested[worst].estimand}{unmeasured}"
    return tested[worst].model_copy(update={"estimand": estimand, "sample": sample})
