"""Does a run agree with recorded evidence of the same study?"""

from dataclasses import dataclass

from sterling.study.evidence import Claim, Evidence


@dataclass(frozen=True)
class Agreement:
    """A claim in recorded evidence and in a new run.

    Attributes:
        recorded: The recorded claim.
        again: The claim of the new run; None where it makes none of that id.
    """

    recorded: Claim
    again: Claim | None

    @property
    def agrees(self) -> bool:
        """Whether both intervals share a value; without intervals, whether verdicts are equal."""
        if self.again is None:
            return False
        ends = (self.recorded.low, self.recorded.high, self.again.low, self.again.high)
        known = [end for end in ends if end is not None]
        if len(known) < len(ends):
            return self.recorded.verdict == self.again.verdict
        return known[0] <= known[3] and known[2] <= known[1]


def agreements(recorded: Evidence, again: Evidence) -> list[Agreement]:
    """Pair the recorded claims with those of a new run.

    Two 95 % intervals of the same quantity almost always overlap: that they do not is evidence that
    machine, versions or code give other results. That they do says less the wider they are.
    """
    found = {claim.id: claim for claim in again.claims}
    return [Agreement(claim, found.get(claim.id)) for claim in recorded.claims]
