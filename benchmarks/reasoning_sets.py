"""Risk of every setting of a grid: all at once, beside a loop over the settings, in one run.

Run ``python -m benchmarks.reasoning_sets [--quick]``. 1,500 questions with 16 solutions each, 25
limits of each of three kinds. The loop applies the rule to one question and one solution at a time,
for one setting after the other, as implementations of conformal language modelling do; it is timed
on settings drawn at random and scaled to all of them. A ratio above 1: ours is faster.
"""

import argparse
import time

import numpy as np

from sterling.reasoning import Signals, evaluate_grid
from sterling.reasoning.limits import Grid, Setting

POINTS = 25


def drawn(questions: int, solutions: int) -> Signals:
    """Solutions of a simulated sampler."""
    rng = np.random.default_rng(0)
    correct = rng.random((questions, solutions)) < rng.beta(2, 1.2, (questions, 1))
    similarity = rng.beta(2, 4, (questions, solutions, solutions))
    return Signals(
        rng.normal(size=correct.shape) + correct,
        (similarity + similarity.swapaxes(1, 2)) / 2,
        np.where(correct, 0, rng.integers(1, 5, correct.shape)),
        correct,
        rng.random(correct.shape) < 0.8,
        True,
    )


def loop(signals: Signals, setting: Setting) -> float:
    """Risk of one setting, solution by solution."""
    quality, similarity = signals.quality.tolist(), signals.similarity.tolist()
    right = (signals.correct & signals.valid).tolist()
    wrong = 0
    for row, values in enumerate(quality):
        kept: list[int] = []
        best = -np.inf
        for k, value in enumerate(values):
            if value < setting.quality:
                continue
            if any(similarity[row][k][j] > setting.diversity for j in kept):
                continue
            kept.append(k)
            best = max(best, value)
            if best >= setting.stop:
                break
        wrong += not any(right[row][k] for k in kept)
    return wrong / len(signals)


def main() -> None:
    """Time both, and check that they agree."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="fewer questions")
    quick = parser.parse_args().quick
    signals = drawn(300 if quick else 1500, 16)
    shares = np.linspace(0, 1, POINTS)
    grid = Grid(
        np.quantile(signals.quality, shares),
        np.quantile(signals.similarity, shares),
        np.quantile(signals.quality, shares),
    )
    settings = grid.settings()
    start = time.perf_counter()
    outcome = evaluate_grid(signals, grid, confidence="max").risk.ravel()
    ours = time.perf_counter() - start
    some = np.random.default_rng(1).choice(len(settings), 10, replace=False).tolist()
    start = time.perf_counter()
    looped = [loop(signals, settings[index]) for index in some]
    theirs = (time.perf_counter() - start) * len(settings) / len(some)
    assert np.allclose(outcome[some], looped)
    print(f"{len(settings):,} settings, {len(signals):,} questions, 16 solutions each")
    print(f"ours {ours:.2f} s   loop {theirs / ours:.0f}× ({len(some)} settings timed)")


if __name__ == "__main__":
    main()
