"""Runs that add repetitions until their claims are decided."""

import json
import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sterling.errors import InputError
from sterling.runs import Run
from sterling.storage import write_atomically
from sterling.study.claims import use_design
from sterling.study.evidence import Findings, Stop
from sterling.study.results import Results

if TYPE_CHECKING:
    from sterling.study.grammar import Study

logger = logging.getLogger("sterling")

MAX_REPETITIONS = 100
SCOPE = (
    "Repetitions were added until claims were decided: intervals of claims are confidence "
    "sequences; those of metrics and tables are for a number of repetitions chosen beforehand."
)


@dataclass(frozen=True)
class UntilDecided:
    """When a run that adds repetitions until its claims are decided ends at the latest.

    Attributes:
        budget: Seconds of work, over all attempts; no repetition starts after them. None for no
            limit.
        max_repetitions: Largest number of repetitions; None for 100, or four times as many as the
            run starts with where that is more.

    Raises:
        InputError: A budget that is not positive.
    """

    budget: float | None = None
    max_repetitions: int | None = None

    def __post_init__(self) -> None:
        if self.budget is not None and not 0 < self.budget < math.inf:
            raise InputError(f"budget of {self.budget:g} seconds: give more than zero")

    def most(self, start: int) -> int:
        """Largest number of repetitions of a run that starts with some."""
        if self.max_repetitions is None:
            return max(MAX_REPETITIONS, 4 * start)
        return self.max_repetitions


def check_sequential(study: "Study[Any]", config: Any, until: UntilDecided) -> None:
    """Refuse a study without a sequential form, and fewer repetitions than it starts with."""
    if study.repetitions is None:
        raise InputError(f"--until-decided: not for study {study.name!r}: {study.not_sequential}")
    start = getattr(config, study.repetitions)
    if until.most(start) < start:
        raise InputError(
            f"--max-repetitions {until.max_repetitions}: the run starts with {start} "
            f"({study.repetitions}); give {start} or more"
        )


def add_until_decided(
    study: "Study[Any]",
    config: Any,
    run: Run,
    until: UntilDecided,
    findings_of: Callable[[Results, Any], Findings],
) -> tuple[Results, Findings, dict[str, Any]]:
    """Measure, test, and add repetitions until every claim that can be is decided.

    Args:
        study: The study, with a field that counts its repetitions.
        config: Configuration to start with.
        run: The run; it keeps the cells and the number of repetitions that were begun.
        until: When to end at the latest.
        findings_of: Findings of results under a configuration.

    Returns:
        Results, findings, and what `Evidence` records of the design.
    """
    record = run.folder / "repetitions.json"
    start = getattr(config, str(study.repetitions))
    # Fewer repetitions decided nothing in an earlier attempt.
    n = json.loads(record.read_text()) if record.exists() else start
    while True:
        write_atomically(record, json.dumps(n))
        grown = config.model_copy(update={str(study.repetitions): n})
        results = study.measure(grown, run)
        with use_design("sequential"):
            findings = findings_of(results, grown)
        waiting = [claim.id for claim in findings.claims if claim.can_be_decided]
        logger.info("%d repetitions, undecided: %s", n, ", ".join(waiting) or "none")
        stopped = _stop(waiting, n >= until.most(start), run, until.budget)
        if stopped:
            break
        n = min(until.most(start), _next_look(start, n))
    measured = set(results.frame.drop_nulls("value")["repetition"])
    silent = sum(index not in measured for index in range(n))
    update = {"scope": f"{findings.scope} {SCOPE}", "not_scored": findings.not_scored + silent}
    record_of = {"design": "sequential", "repetitions": n, "stopped": stopped}
    return results, findings.model_copy(update=update), record_of


def _next_look(start: int, n: int) -> int:
    """First number above n on the way from the start: the same after an early end as without."""
    while start <= n:
        start += max(1, start // 4)
    return start


def _stop(waiting: list[str], most: bool, run: Run, budget: float | None) -> Stop | None:
    if not waiting:
        return "decided"
    if most:
        return "max repetitions"
    return "budget" if budget is not None and run.elapsed() >= budget else None
