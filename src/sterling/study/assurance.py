"""The parts of a system side by side: what can be trusted, what cannot, and what it would take."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Literal

from sterling.study.evidence import Claim, Evidence
from sterling.study.planning import growth

Standing = Literal["holds", "does not hold", "undecided", "no claim", "not measured"]
ORDER: tuple[Standing, ...] = ("does not hold", "not measured", "undecided", "no claim", "holds")
"""Standings, the most urgent first."""


@dataclass(frozen=True)
class Part:
    """A part of a system, assessed.

    Attributes:
        name: Its name in the system.
        verb: Command that assessed it.
        folder: Its run folder.
        evidence: Evidence of that run; None where nothing could be measured.
        reason: Why nothing could be measured, "" otherwise.
    """

    name: str
    verb: str
    folder: Path
    evidence: Evidence | None
    reason: str = ""

    @property
    def standing(self) -> Standing:
        """The worst verdict of its claims."""
        if self.evidence is None:
            return "not measured"
        verdicts: list[Standing] = [claim.verdict for claim in self.evidence.claims]
        return min(verdicts, key=ORDER.index, default="no claim")

    @property
    def finding(self) -> str:
        """The claim that its standing follows from, with what was measured, for people."""
        if self.evidence is None:
            return self.reason
        deciding = [one for one in self.evidence.claims if one.verdict == self.standing]
        if deciding:
            held = len([one for one in self.evidence.claims if one.verdict == "holds"])
            count = f" ({held} of {len(self.evidence.claims)} claims hold)"
            return f"{deciding[0].claim} {_measured(deciding[0])}{count}"
        metric = next((one for one in self.evidence.metrics if one.value is not None), None)
        if metric is None:
            return "nothing was claimed"
        spread = (
            f"of {metric.n}" if metric.low is None else f"({metric.low:.4g} … {metric.high:.4g})"
        )
        return f"{metric.name}: {metric.value:.4g} {spread}"

    @property
    def would_take(self) -> str:
        """Data that would decide what is undecided, for people; "" where nothing is."""
        if self.evidence is None or self.standing != "undecided":
            return ""
        needs = [growth(one) for one in self.evidence.claims if one.verdict == "undecided"]
        known = [times for times in needs if times is not None]
        if len(known) < len(needs):
            return "no amount of such data is known to decide every claim"
        return f"about {ceil(10 * max(known)) / 10:g} times as much data, if figures stay"


def _measured(claim: Claim) -> str:
    if claim.measured is None:
        return "Not measured."
    interval = "" if claim.low is None else f" ({claim.low:.4g} … {claim.high:.4g})"
    return f"Measured: {claim.measured:.4g}{interval}; bar {claim.bar}."


@dataclass(frozen=True)
class Assurance:
    """A system and its parts, assessed.

    Attributes:
        system: Name of the system.
        parts: Its parts, in the order of their file.
    """

    system: str
    parts: Sequence[Part]

    @property
    def urgent_first(self) -> list[Part]:
        """Parts by standing, the most urgent first."""
        return sorted(self.parts, key=lambda part: ORDER.index(part.standing))

    @property
    def measured(self) -> dict[Path, str]:
        """Names of the parts that could be measured, by their run folders."""
        return {part.folder: part.name for part in self.parts if part.evidence is not None}

    @property
    def outcome(self) -> str:
        """One line for people: "2 of 4 parts hold; does not hold: liveness"."""
        held = sum(part.standing == "holds" for part in self.parts)
        text = f"{held} of {len(self.parts)} parts hold"
        for standing in ORDER[:-1]:
            names = [part.name for part in self.parts if part.standing == standing]
            text += f"; {standing}: {', '.join(names)}" if names else ""
        return text
