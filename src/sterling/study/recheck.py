"""Verdicts derived anew: from the frame of a run, or else from the values that claims record."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from sterling.errors import InputError
from sterling.measure import Rate
from sterling.study.claims import Measured, more_often, positive, use_design, within
from sterling.study.evidence import Claim, Evidence, Verdict
from sterling.study.results import Results
from sterling.tables import read_parquet

if TYPE_CHECKING:
    from sterling.study.grammar import Study

RESULTS = "results.parquet"
FRAME, SAMPLE = RESULTS, "recorded values"
TOLERANCE = 1e-9  # of an end of an interval, relative; other versions of libraries round otherwise


@dataclass(frozen=True)
class ClaimCheck:
    """A claim whose verdict was derived anew.

    Attributes:
        id: Short name of the claim.
        recorded: Verdict in the evidence.
        derived: Verdict derived anew; None where the run keeps nothing that it follows from.
        source: Source of the derived verdict: "results.parquet", "recorded values", or "".
        agrees: Whether verdict, value and interval are the recorded ones; None where there is no
            derived one.
    """

    id: str
    recorded: Verdict
    derived: Verdict | None
    source: str
    agrees: bool | None


def recheck(folder: Path, evidence: Evidence, study: "Study[Any] | None") -> list[ClaimCheck]:
    """Derive every claim of a finished run anew.

    Args:
        folder: Run folder. With ``results.parquet`` and the study, claims follow from the frame.
        evidence: Its evidence. Else a claim follows from the values or counts that it records;
            claims about estimates, such as bootstrap ones, record none.
        study: The run's study, None if it is not installed or the run is none of a study.
    """
    anew: dict[str, Claim] = {}
    source = SAMPLE
    with use_design(evidence.design):
        if study is not None and (folder / RESULTS).is_file():
            source = FRAME
            anew = {claim.id: claim for claim in _from_frame(folder, evidence, study)}
        else:
            found = {claim.id: _from_sample(claim) for claim in evidence.claims}
            anew = {name: claim for name, claim in found.items() if claim is not None}
    return [_compared(claim, anew.get(claim.id), source) for claim in evidence.claims]


def _compared(recorded: Claim, derived: Claim | None, source: str) -> ClaimCheck:
    if derived is None:
        missing = False if source == FRAME else None  # a frame gives every claim of its study
        return ClaimCheck(recorded.id, recorded.verdict, None, "", missing)
    numbers = ("measured", "low", "high")
    agrees = recorded.verdict == derived.verdict and all(
        _equal(getattr(recorded, name), getattr(derived, name)) for name in numbers
    )
    return ClaimCheck(recorded.id, recorded.verdict, derived.verdict, source, agrees)


def _equal(first: float | None, second: float | None) -> bool:
    if first is None or second is None:
        return first is second
    return math.isclose(first, second, rel_tol=TOLERANCE, abs_tol=TOLERANCE)


def recorded_config(evidence: Evidence, study: "Study[Any]") -> Any:
    """Configuration of a finished run of a study.

    Raises:
        InputError: The study of this version has another configuration.
    """
    try:
        return type(study.presets["smoke"]).model_validate(evidence.config)
    except ValidationError as error:
        field = ".".join(str(part) for part in error.errors()[0]["loc"])
        raise InputError(
            f"the recorded configuration does not fit study {study.name!r} of this version at "
            f"{field!r}; install the version that ran it"
        ) from error


def _from_frame(folder: Path, evidence: Evidence, study: "Study[Any]") -> Sequence[Claim]:
    results = Results(read_parquet(folder / RESULTS), evidence.not_scored)
    return study.claims(results, recorded_config(evidence, study))


def _from_sample(claim: Claim) -> Claim | None:
    """The claim, derived from the values and counts it records; None where it records none."""
    parts: dict[str, Measured] = {}
    for one in claim.sample:
        if one.errors is not None and one.trials is not None:
            parts[one.part or ""] = Rate(one.errors, one.trials)
        elif one.values is not None:
            parts[one.part or ""] = one.values
        else:
            return None
    if not parts:
        return None
    low = -math.inf if claim.bar_low is None else claim.bar_low
    high = math.inf if claim.bar_high is None else claim.bar_high
    only = parts.get("") if len(parts) == 1 else None
    if isinstance(only, Rate) and claim.one_sided:
        return more_often(claim.id, claim.claim, only, level=claim.error)
    if claim.bar == "> 0" and only is not None and not isinstance(only, Rate):
        return positive(claim.id, claim.claim, only)  # type: ignore[arg-type]
    return within(claim.id, claim.claim, parts if only is None else only, low, high)
