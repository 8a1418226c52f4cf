"""Laws of delay, each draw by seed, worker and step alone.

Every law has a seed and maps a worker and a step to seconds.
"""

from dataclasses import dataclass

import numpy as np

from sterling.runs import derive_seed


@dataclass(frozen=True)
class _Law:
    seed: int

    def draw(self, worker: int, step: int) -> np.random.Generator:
        """Return the generator of one draw."""
        return np.random.default_rng(derive_seed(self.seed, worker, step))


@dataclass(frozen=True)
class Spikes(_Law):
    """Any machine is slow now and then.

    Attributes:
        usual: Seconds of a step; up to a tenth more by chance.
        late: Seconds added to a late step.
        chance: Chance of being late.
    """

    usual: float = 0.01
    late: float = 0.3
    chance: float = 0.1

    def __call__(self, worker: int, step: int) -> float:
        """Seconds."""
        spread, lot = self.draw(worker, step).random(2).tolist()
        return float(self.usual * (1 + spread / 10) + self.late * (lot < self.chance))


@dataclass(frozen=True)
class Straggler(_Law):
    """Worker 0 is slow for good.

    Attributes:
        usual: Seconds of a step; up to a tenth more by chance.
        late: Seconds added to those of worker 0.
    """

    usual: float = 0.01
    late: float = 0.15

    def __call__(self, worker: int, step: int) -> float:
        """Seconds."""
        spread = self.draw(worker, step).random()
        return float(self.usual * (1 + spread / 10) + self.late * (worker == 0))


@dataclass(frozen=True)
class HeavyTail(_Law):
    """Pareto's law: most machines are quick, some very slow.

    Attributes:
        least: Least number of seconds.
        shape: Shape of the tail; at 1.5 the mean is three times the least, the variance infinite.
    """

    least: float = 0.01
    shape: float = 1.5

    def __call__(self, worker: int, step: int) -> float:
        """Seconds."""
        return float(self.least * (1 + self.draw(worker, step).pareto(self.shape)))


@dataclass(frozen=True)
class Exponential(_Law):
    """Delays without memory, whose order statistics have a closed form.

    Attributes:
        mean: Mean number of seconds.
    """

    mean: float = 1.0

    def __call__(self, worker: int, step: int) -> float:
        """Seconds."""
        return float(self.draw(worker, step).exponential(self.mean))
