"""What comparisons along a path of refinements say about its end.

Under Bradley-Terry-Luce the logit of "the child beats its parent" is the difference of their
strengths, so strengths add up along the path. With a Beta posterior on each edge's chance the
logit has exact moments: E = ψ(a) - ψ(b), Var = ψ′(a) + ψ′(b). (UPA aggregates over paths; prior
and moments are ours.)
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

from scipy import special


@dataclass(frozen=True)
class EdgePosterior:
    """Beta posterior of the chance that a child is better than its parent.

    Attributes:
        won: a: 1 of the prior, and the wins.
        lost: b: 1 of the prior, and the losses.
    """

    won: float = 1.0
    lost: float = 1.0

    def after(self, wins: Iterable[float]) -> "EdgePosterior":
        """With further comparisons, each won by a part in [0, 1]."""
        every = list(wins)
        return EdgePosterior(self.won + sum(every), self.lost + len(every) - sum(every))

    @cached_property
    def mean(self) -> float:
        """Of the logit."""
        return float(special.digamma(self.won) - special.digamma(self.lost))

    @cached_property
    def variance(self) -> float:
        """Of the logit."""
        return float(special.polygamma(1, self.won) + special.polygamma(1, self.lost))
