"""CPU-seconds that commands take to start, next to Python itself and to ``import torch``.

Every command runs in a process of its own, after one run that fills the caches of the file system;
rounds are interleaved, and the median over them is printed with its ratios to ``python -c pass``
and to ``python -c "import torch"`` in the same run. CPU-seconds are those of the child, user and
system together, on one thread.

    python -m benchmarks.start [--rounds 7]
"""

import argparse
import os
import resource
import statistics
import subprocess
import sys
from pathlib import Path

PHOTOGRAPH = Path(__file__).parents[1] / "examples" / "photographs" / "astronaut.jpg"
RUN = "import sys; from sterling.cli import main; main(sys.argv[1:])"
WAYS: dict[str, list[str]] = {
    "python -c pass": ["pass"],
    'python -c "import torch"': ["import torch"],
    "sterling --help": [RUN, "--help"],
    "sterling list": [RUN, "list"],
    "sterling cite cdcn": [RUN, "cite", "cdcn"],
    "sterling face --help": [RUN, "face", "--help"],
    "sterling face predict PHOTOGRAPH": [RUN, "face", "predict", str(PHOTOGRAPH)],
}


def cpu_seconds(arguments: list[str]) -> float:
    """Run Python with ``-c`` and these arguments; user and system time of the process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [sys.executable, "-c", *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    """Print one line per command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    times: dict[str, list[float]] = {way: [] for way in WAYS}
    for number in range(rounds + 1):
        for way, arguments in WAYS.items():
            seconds = cpu_seconds(arguments)
            if number:  # the first round fills caches
                times[way].append(seconds)
    median = {way: statistics.median(taken) for way, taken in times.items()}
    bare, torch = median["python -c pass"], median['python -c "import torch"']
    print(f"median CPU-seconds of {rounds} rounds; ratios to python and to import torch")
    for way, seconds in median.items():
        print(f"{way:34} {seconds:6.2f} s {seconds / bare:7.1f}× {seconds / torch:7.2f}×")


if __name__ == "__main__":
    main()
