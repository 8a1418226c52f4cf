"""Error rates as counts, with their exact intervals."""

from dataclasses import dataclass
from operator import index

from scipy import stats

from sterling.display import line, number, span
from sterling.errors import InputError, NothingMeasuredError
from sterling.measure.interval import Interval, check_level


def clopper_pearson(errors: float, trials: float, level: float = 0.95) -> Interval:
    """Return Clopper and Pearson's two-sided interval of a binomial proportion (1934).

    Whole counts give the exact interval. Counts between whole numbers, which arise on a curve
    drawn through tied scores, give the monotone continuation of the same beta quantiles.
    """
    tail = (1 - check_level(level)) / 2
    low = float(stats.beta.ppf(tail, errors, trials - errors + 1)) if errors > 0 else 0.0
    high = float(stats.beta.isf(tail, errors + 1, trials - errors)) if errors < trials else 1.0
    return Interval(low, high)


@dataclass(frozen=True)
class Rate:
    """Number of errors among independent trials; lower is better for an error rate.

    The intervals hold for independent trials. Several items of one subject are not independent:
    report ``clustered_interval`` next to them.

    Args:
        errors: Number of trials that showed the counted event, 0 to ``trials``.
        trials: Number of all trials, 1 or more.

    Raises:
        NothingMeasuredError: Without a trial there is no rate.
        InputError: On counts that are negative, not whole, or more errors than trials.
    """

    errors: int
    trials: int

    def __post_init__(self) -> None:
        try:
            object.__setattr__(self, "errors", index(self.errors))
            object.__setattr__(self, "trials", index(self.trials))
        except TypeError as error:
            raise InputError(
                f"rate of {self.errors!r} errors in {self.trials!r} trials: give whole counts"
            ) from error
        if self.errors == self.trials == 0:
            raise NothingMeasuredError("0 trials: a rate needs at least one")
        if not 0 <= self.errors <= self.trials:
            raise InputError(
                f"rate of {self.errors} errors in {self.trials} trials: "
                "errors must lie between 0 and the number of trials"
            )

    def __repr__(self) -> str:
        limits = self.interval()
        counted = f"{self.errors} of {self.trials} = {number(self.value)}"
        return line(self, counted, span(limits.low, limits.high))

    @property
    def value(self) -> float:
        """``errors / trials``, in [0, 1]."""
        return self.errors / self.trials

    def interval(self, level: float = 0.95) -> Interval:
        """Return the exact two-sided Clopper–Pearson interval of the true rate."""
        return clopper_pearson(self.errors, self.trials, level)

    def upper_limit(self, level: float = 0.95) -> float:
        """Return the exact limit that the true rate does not exceed with confidence ``level``.

        To claim less than 1 % at 95 % takes 299 trials without an error.
        """
        check_level(level)
        if self.errors == self.trials:
            return 1.0
        return float(stats.beta.ppf(level, self.errors + 1, self.trials - self.errors))
