"""Wall time with stragglers against full synchronisation, on Ray, beside the virtual clock.

Workers sleep for their delays, so that few cores do; all rules run on the same actors, one after
the other. Figures are ratios within one run. Besides: what a step costs in which nobody sleeps.

    python -m benchmarks.partial_sgd [--quick]
"""

import argparse

import numpy as np

from sterling.scale import (
    RayWorkers,
    SimulatedWorkers,
    Waiting,
    Workers,
    local_cluster,
    partial_sgd,
)
from sterling.scale.least_squares import draw_shards, gradient
from sterling.studies.scale.partial_sgd._training import LAWS

WORKERS = 8
RULES = {
    "wait for all": Waiting(),
    "drop 1/8": Waiting(0.125),
    "drop 1/4": Waiting(0.25),
    "drop 1/8, fairness 5": Waiting(0.125, fairness=5),
}


def seconds(workers: Workers, rule: Waiting, steps: int) -> float:
    """Return the seconds of a run, without the start of its workers."""
    start = np.zeros(WORKERS)
    partial_sgd(workers, start, steps=1, rate=0.0)
    return partial_sgd(workers, start, steps=steps, rate=0.05, waiting=rule).seconds[-1]


def main() -> None:
    """Print a line for each law, and one for the overhead."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="few steps")
    steps = 10 if parser.parse_args().quick else 60
    shards = draw_shards(WORKERS, "alike", 0)
    with local_cluster():
        for law, delay in LAWS.items():
            real = RayWorkers(gradient, shards, delay=delay(0))
            times = {name: seconds(real, rule, steps) for name, rule in RULES.items()}
            real.close()
            foretold = {
                name: seconds(SimulatedWorkers(gradient, shards, delay(0)), rule, steps)
                for name, rule in RULES.items()
            }
            whole = times["wait for all"]
            text = ", ".join(
                f"{name} {time:.2f} s ({whole / time:.1f} times as fast; virtual clock "
                f"{foretold[name]:.2f} s)"
                for name, time in times.items()
            )
            print(f"{law}, {WORKERS} workers, {steps} steps: {text}", flush=True)
        real = RayWorkers(gradient, shards)
        print(f"a step without delay: {1e3 * seconds(real, Waiting(), steps) / steps:.1f} ms")
        real.close()


if __name__ == "__main__":
    main()
