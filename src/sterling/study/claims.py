"""Claims about a measured quantity and a bar, with three verdicts.

A claim holds when the whole interval lies on the right side of the bar, does not hold when the
whole interval lies on the wrong side, and cannot be told (None) when the interval straddles the bar
or there is none.
"""

import math
from collections.abc import Mapping, Sequence

from scipy import stats

from sterling.errors import InputError
from sterling.measure import Estimate, Interval, Rate, mean_interval
from sterling.study.grammar import Claim

Measured = Sequence[float] | Rate | Estimate
"""Values of independent units (their mean is judged), counts, or an estimate with its interval."""


def bounded_above(
    claim_id: str,
    claim: str,
    measured: Measured | Mapping[str, Measured],
    bar: float,
    *,
    paper: str | None = None,
    over: str = "seeds",
) -> Claim:
    """A claim that a quantity is at most ``bar``.

    Args:
        claim_id: Short stable name.
        claim: The sentence.
        measured: Values per seed (95 % Student-t interval of their mean; one value has none), a
            rate (exact 95 % interval), or an estimate with its own interval. A mapping asks the
            same of several parts at once: the claim holds if it holds of each, does not if it
            does not of one, and shows the worst. A part without values is named and left out.
        bar: The largest value allowed.
        paper: The paper's own figure, None where it gives none.
        over: What the values are taken over, in plural.
    """
    return within(claim_id, claim, measured, -math.inf, bar, paper=paper, over=over)


def bounded_below(
    claim_id: str,
    claim: str,
    measured: Measured | Mapping[str, Measured],
    bar: float,
    *,
    paper: str | None = None,
    over: str = "seeds",
) -> Claim:
    """A claim that a quantity is at least ``bar``; arguments as in :func:`bounded_above`."""
    return within(claim_id, claim, measured, bar, math.inf, paper=paper, over=over)


def within(
    claim_id: str,
    claim: str,
    measured: Measured | Mapping[str, Measured],
    low: float,
    high: float,
    *,
    paper: str | None = None,
    over: str = "seeds",
) -> Claim:
    """A claim that a quantity lies between ``low`` and ``high``, both included.

    Arguments as in :func:`bounded_above`.

    Raises:
        InputError: ``low`` is not below ``high``.
    """
    if not low < high:
        raise InputError(f"bar from {low} to {high}: low must lie below high")
    if isinstance(measured, Mapping):
        return _worst(claim_id, claim, measured, low, high, paper=paper, over=over)
    value, interval, how = _read(measured, over)
    if math.isinf(low):
        rule = f"ends at or below {high:.4g}; does not if it starts above"
    elif math.isinf(high):
        rule = f"starts at or above {low:.4g}; does not if it ends below"
    else:
        rule = f"lies within [{low:.4g}, {high:.4g}]; does not if it lies outside"
    return Claim(
        id=claim_id,
        claim=claim,
        paper=paper,
        measured=value,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        holds=verdict(interval, low, high),
        test=f"{how}; holds if it {rule}; else it cannot be told",
    )


def positive(
    claim_id: str,
    claim: str,
    differences: Sequence[float],
    *,
    paper: str | None = None,
    over: str = "seeds",
) -> Claim:
    """A claim that a paired difference is positive, from its value in each of several seeds.

    It holds when the whole interval lies above zero and does not when none of it does; no
    difference at all is not a positive one. Arguments as in :func:`bounded_above`.
    """
    value, interval, how = _read(differences, over)
    holds: bool | None = None
    if interval and interval.low > 0:
        holds = True
    elif interval and interval.high <= 0:
        holds = False
    return Claim(
        id=claim_id,
        claim=claim,
        paper=paper,
        measured=value,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        holds=holds,
        test=f"paired difference, {how}; holds if it lies above 0; does not if none of it does; "
        "else it cannot be told",
    )


def more_often(
    claim_id: str,
    claim: str,
    share: Rate,
    *,
    level: float,
    paper: str | None = None,
    over: str = "seeds",
) -> Claim:
    """A claim that something happens more often than not, by the one-sided exact sign test.

    It holds when the test says so at ``level``, does not when the test of the opposite does; so
    few trials that no test could say it cannot tell.

    Args:
        claim_id: Short stable name.
        claim: The sentence.
        share: How often it happened.
        level: Error level of the test, in (0, 1/2).
        paper: The paper's own figure, None where it gives none.
        over: What the trials are, in plural.
    """
    more, fewer = (
        float(stats.binomtest(share.errors, share.trials, alternative=side).pvalue)
        for side in ("greater", "less")
    )
    interval = share.interval()
    return Claim(
        id=claim_id,
        claim=claim,
        paper=paper,
        measured=share.value,
        low=interval.low,
        high=interval.high,
        holds=True if more < level else False if fewer < level else None,
        test=f"share of {share.trials} {over}, exact 95 % interval; holds if the one-sided sign "
        f"test says more than half, p = {more:.2g}, at level {level:g}; does not if it says less "
        "than half; else it cannot be told",
    )


def verdict(interval: Interval | None, low: float, high: float) -> bool | None:
    """Whether what lies in ``interval`` lies from ``low`` to ``high``; None: cannot be told."""
    if interval is None:
        return None
    if low <= interval.low and interval.high <= high:
        return True
    if interval.high < low or high < interval.low:
        return False
    return None


def _read(measured: Measured, over: str) -> tuple[float | None, Interval | None, str]:
    if isinstance(measured, Rate):
        how = f"{measured.errors} of {measured.trials}, exact 95 % interval"
        return measured.value, measured.interval(), how
    if isinstance(measured, Estimate):
        how = f"{measured.method}, {100 * measured.level:g} % interval"
        return measured.value, measured.interval, how
    n = len(measured)
    interval = mean_interval(measured) if n > 1 else None
    value = float(sum(measured) / n) if n else None
    return value, interval, f"mean over {n} {over}, 95 % Student-t interval"


def _worst(
    claim_id: str,
    claim: str,
    measured: Mapping[str, Measured],
    low: float,
    high: float,
    *,
    paper: str | None,
    over: str,
) -> Claim:
    parts = {
        name: within(claim_id, claim, one, low, high, paper=paper, over=over)
        for name, one in measured.items()
    }
    without = [name for name, part in parts.items() if part.measured is None]
    unmeasured = f"; nothing to judge for {', '.join(without)}" if without else ""
    judged = {name: part for name, part in parts.items() if name not in without}
    if not judged:
        test = f"worst of {len(parts)}{unmeasured}"
        return Claim(id=claim_id, claim=claim, paper=paper, measured=None, holds=None, test=test)

    def badness(name: str) -> tuple[int, float]:
        part = judged[name]
        # Without an interval the value itself tells how near the bar is.
        bottom = part.measured if part.low is None else part.low
        top = part.measured if part.high is None else part.high
        assert bottom is not None
        assert top is not None
        return (True, None, False).index(part.holds), max(low - bottom, top - high)

    worst = max(judged, key=badness)
    test = f"worst of {len(judged)}: {worst}, {judged[worst].test}; all must hold{unmeasured}"
    return judged[worst].model_copy(update={"test": test})
