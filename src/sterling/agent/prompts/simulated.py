"""A world of prompts whose truth is known: bit strings, a hidden mask, and a noisy judge."""

from collections.abc import Sequence

import numpy as np
from scipy import special

from sterling.agent.prompts.comparison import Asked
from sterling.lm import Call, CallLedger


class SimulatedTask:
    """Prompts as strings of 0 and 1, whose quality counts the places that agree with a hidden mask.

    The judge decides by Bradley-Terry-Luce: logit P(first is better) = sharpness · (difference of
    quality) + position bias, in one call however many questions it covers. A refinement flips one
    place, so as often as not it makes a prompt worse.

    Attributes:
        ledger: Ledger, in which every judgement and every refinement is one call.

    Args:
        bits: Length of a prompt.
        seed: Seed of the mask and of the judge's decisions.
        sharpness: Sharpness of the judge; 0 is a coin.
        position_bias: Logits that the judge gives to whatever is shown first.
        ledger: Ledger with the budget.
    """

    def __init__(
        self, bits: int, seed: int, *, sharpness: float, position_bias: float, ledger: CallLedger
    ) -> None:
        self._draw = np.random.default_rng(seed)
        self.mask = self._draw.integers(2, size=bits)
        self.sharpness, self.position_bias = sharpness, position_bias
        self.ledger = ledger

    @property
    def questions(self) -> int:
        """A large number: every judgement is independent."""
        return 1000

    def start(self) -> str:
        """Draw a random prompt."""
        return "".join(map(str, self._draw.integers(2, size=len(self.mask))))

    def quality(self, prompt: str) -> int:
        """Return the number of places that agree with the mask."""
        return int((np.array(list(prompt), dtype=int) == self.mask).sum())

    def prefer(self, asked: Sequence[Asked]) -> list[float]:
        """Return 1 where the first won, 0 where the second did."""
        self._spend("judge", len(asked))
        better = np.array([self.quality(one.first) - self.quality(one.second) for one in asked])
        chance = special.expit(self.sharpness * better + self.position_bias)
        return [float(won) for won in self._draw.random(len(asked)) < chance]

    def refine(self, prompt: str, lost: Sequence[int], count: int, seed: int) -> list[str]:  # noqa: ARG002 - of the protocol
        """Return versions with one place flipped, each another."""
        self._spend("refine", count)
        draw = np.random.default_rng((seed, *map(int, prompt)))
        places = draw.permutation(len(prompt))[:count]
        return [f"{prompt[:at]}{1 - int(prompt[at])}{prompt[at + 1 :]}" for at in places]

    def _spend(self, purpose: str, calls: int) -> None:
        self.ledger.require(calls)
        self.ledger.add(Call(purpose, "simulated", 0, 0, 0.0) for _ in range(calls))
