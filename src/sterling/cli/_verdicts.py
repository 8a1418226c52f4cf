"""Verdicts on the command line: the exit status, and how many items would decide."""

import math
from typing import TYPE_CHECKING

import typer

from sterling.shown import shown

if TYPE_CHECKING:
    from sterling.study import Evidence
    from sterling.study.planning import Projection

UNDECIDED = 4  # exit status


def claims_status(*evidences: "Evidence") -> int:
    """Return the exit status: 1 if a claim does not hold, else 4 if one is undecided, else 0."""
    verdicts = {claim.verdict for evidence in evidences for claim in evidence.claims}
    return 1 if "does not hold" in verdicts else UNDECIDED if "undecided" in verdicts else 0


def show_undecided(evidence: "Evidence") -> None:
    """Write how many repetitions or items would decide each undecided claim, one a line."""
    from sterling.study import planning

    repetitions = _repetitions(evidence)
    projected = {one.claim: one for one in planning.plan(evidence, repetitions or 1)}
    for claim in evidence.claims:
        if claim.verdict == "undecided":
            needed = _needed(projected[claim.id], planning.growth(claim), repetitions)
            typer.echo(shown(f"undecided: {claim.id}: {needed}"))


def nothing_declared(kind: str, calibration: int, together: int, for_one: int) -> str:
    """Say what an empty list means, and how many calibration items would decide.

    Args:
        kind: Name of the items, in plural.
        calibration: Number of calibration items.
        together: Number of items that have to exceed all of them together.
        for_one: Number of calibration items with which a single one is declared.
    """
    return (
        f"0 declared is undecided, no acquittal: with {calibration} calibration {kind} {together} "
        f"of those tested have to exceed all of them together; with {for_one} one alone is declared"
    )


def _needed(found: "Projection", times: float | None, repetitions: int | None) -> str:
    if found.fixed and repetitions:
        if found.fixed[-1] is None:
            return "no number of repetitions that could be run would decide it"
        return f"about {found.fixed[-1]} repetitions would decide it (now {repetitions})"
    if times is not None:
        return f"about {_figures(times)} times as many items would decide it"
    return found.note or "how many items would decide it cannot be projected"


def _repetitions(evidence: "Evidence") -> int | None:
    """Return the number of repetitions of a study's run; None where it has no such number."""
    from sterling.studies import ENTRIES, STUDIES

    if evidence.repetitions is not None:
        return evidence.repetitions
    field = STUDIES[evidence.study].repetitions if evidence.study in ENTRIES else None
    return None if field is None else int(evidence.config[field])


def _figures(times: float) -> str:
    """Round a factor up to two figures."""
    unit = 10.0 ** (math.floor(math.log10(times)) - 1)
    return f"{math.ceil(times / unit) * unit:,.4g}"
