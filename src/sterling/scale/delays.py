"""Laws of how late machines are, each draw by seed, worker and step alone."""

from dataclasses import dataclass

import numpy as np

from sterling.runs import derive_seed


def _draw(seed: int, worker: int, step: int) -> np.random.Generator:
    return np.random.default_rng(derive_seed(seed, worker, step))


@dataclass(frozen=True)
class Spikes:
    """Now and then any machine is slow.

    Attributes:
        seed: Of the draws.
        usual: Seconds of a step; up to a tenth more by chance.
        late: Seconds added to a late one.
        chance: Of being late.
    """

    seed: int
    usual: float = 0.01
    late: float = 0.3
    chance: float = 0.1

    def __call__(self, worker: int, step: int) -> float:
        """Seconds."""
        spread, lot = _draw(self.seed, worker, step).random(2).tolist()
        return float(self.usual * (1 + spread / 10) + self.late * (lot < self.chance))


@dataclass(frozen=True)
class Straggler:
    """Worker 0 is slow for good.

    Attributes:
        seed: Of the draws.
        usual: Seconds of a step; up to a tenth more by chance.
        late: Seconds added to those of worker 0.
    """

    seed: int
    usual: float = 0.01
    late: float = 0.15

    def __call__(self, worker: int, step: int) -> float:
        """Seconds."""
        spread = _draw(self.seed, worker, step).random()
        return float(self.usual * (1 + spread / 10) + self.late * (worker == 0))


@dataclass(frozen=True)
class HeavyTail:
    """Pareto's law: most are quick, some very slow.

    Attributes:
        seed: Of the draws.
        least: Seconds.
        shape: Of the tail; at 1.5 the mean is three times the least and the variance infinite.
    """

    seed: int
    least: float = 0.01
    shape: float = 1.5

    def __call__(self, worker: int, step: int) -> float:
        """Seconds."""
        return float(self.least * (1 + _draw(self.seed, worker, step).pareto(self.shape)))


@dataclass(frozen=True)
class Exponential:
    """Without memory: what order statistics have a closed form for.

    Attributes:
        seed: Of the draws.
        mean: Seconds.
    """

    seed: int
    mean: float = 1.0

    def __call__(self, worker: int, step: int) -> float:
        """Seconds."""
        return float(_draw(self.seed, worker, step).exponential(self.mean))
