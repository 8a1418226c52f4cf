"""Laws of delay against their means and quantiles."""

import numpy as np
import pytest

from sterling.scale.delays import Exponential, HeavyTail, Spikes, Straggler
from sterling.scale.workers import Delay

N = 4000


def draws(law: Delay, worker: int = 1) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([law(worker, step) for step in range(N)])


@pytest.mark.parametrize("law", [Spikes, Straggler, HeavyTail, Exponential])
def test_a_draw_depends_on_seed_worker_and_step_alone(law: type[Spikes]) -> None:
    assert law(3)(1, 7) == law(3)(1, 7)
    assert len({law(3)(1, 7), law(4)(1, 7), law(3)(2, 7), law(3)(1, 8)}) == 4


def test_laws_have_their_figures() -> None:
    spikes = draws(Spikes(0))
    late = np.mean(spikes > 0.1)
    assert abs(late - 0.1) < 5 * (0.09 / N) ** 0.5
    assert spikes.min() >= 0.01
    assert spikes[spikes < 0.1].max() <= 0.011
    assert draws(Straggler(0), worker=0).min() >= 0.16
    assert draws(Straggler(0)).max() <= 0.011
    tail = draws(HeavyTail(0))
    # P(delay > t) = (least / t) ** shape.
    assert abs(np.mean(tail > 0.04) - 0.125) < 5 * (0.125 * 0.875 / N) ** 0.5
    assert abs(draws(Exponential(0, 2.0)).mean() - 2) < 5 * 2 / N**0.5
