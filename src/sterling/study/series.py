"""One metric by repetition, for several systems, and the claims that compare them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sterling.runs import Coordinate
from sterling.study import claims as rules
from sterling.study.evidence import Claim


@dataclass(frozen=True)
class Series:
    """Values of one metric by repetition, for each of several systems.

    Attributes:
        metric: Name of the metric.
        by_system: For every system its value by repetition.

    Examples:
        >>> acer = Series("acer", {"cdcn": {0: 0.1, 1: 0.2}, "vanilla": {0: 0.3, 1: 0.3}})
        >>> acer.lower("id", "CDCN errs less.", "cdcn", than="vanilla").verdict
        'undecided'
    """

    metric: str
    by_system: Mapping[Any, Mapping[int, float]]

    def __getitem__(self, system: Coordinate) -> list[float]:
        """Values of a system by repetition; empty when it was not measured."""
        return list(self.by_system.get(system, {}).values())

    def gain(self, system: Coordinate, than: Coordinate) -> list[float]:
        """Return the differences between a system and another, paired by repetition."""
        own, other = self.by_system.get(system, {}), self.by_system.get(than, {})
        return [own[repetition] - other[repetition] for repetition in own if repetition in other]

    def higher(
        self,
        claim_id: str,
        claim: str,
        system: Coordinate,
        *,
        than: Coordinate,
        paper: str | None = None,
    ) -> Claim:
        """Claim that a system's value is higher than another's, paired by repetition."""
        return rules.positive(claim_id, claim, self.gain(system, than), paper=paper)

    def lower(
        self,
        claim_id: str,
        claim: str,
        system: Coordinate,
        *,
        than: Coordinate,
        paper: str | None = None,
    ) -> Claim:
        """Claim that a system's value is lower than another's, paired by repetition."""
        return rules.positive(claim_id, claim, self.gain(than, system), paper=paper)

    def at_most(
        self, claim_id: str, claim: str, system: Coordinate, bar: float, *, paper: str | None = None
    ) -> Claim:
        """Claim that the mean of a system is at most a bar."""
        return rules.at_most(claim_id, claim, self[system], bar, paper=paper)

    def at_least(
        self, claim_id: str, claim: str, system: Coordinate, bar: float, *, paper: str | None = None
    ) -> Claim:
        """Claim that the mean of a system is at least a bar."""
        return rules.at_least(claim_id, claim, self[system], bar, paper=paper)
