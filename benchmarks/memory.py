"""Peak memory of a study: all its processes together, shared pages counted once.

    python -m benchmarks.memory [--study cdcn] [--preset quick]

Samples the proportional set size of the whole process tree five times a second. Compare it with
the machine's memory: a newcomer's laptop must not swap.
"""

import argparse
import subprocess
import sys
import tempfile
import time

import psutil


def tree_bytes(process: psutil.Process) -> int:
    """Proportional set size of a process and everything it started, in bytes."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        try:
            total += one.memory_full_info().pss
        except psutil.NoSuchProcess:
            continue  # it ended between listing and asking
    return total


def main() -> None:
    """Run the study and print its peak."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--study", default="cdcn")
    parser.add_argument("--preset", default="quick")
    chosen = parser.parse_args()
    peak = 0
    with tempfile.TemporaryDirectory() as folder:
        command = (sys.executable, "-c", "from sterling.cli import main; main()", "run")
        arguments = (chosen.study, "--preset", chosen.preset, "--out", f"{folder}/run")
        started = time.perf_counter()
        with subprocess.Popen((*command, *arguments), stdout=subprocess.DEVNULL) as run:
            process = psutil.Process(run.pid)
            while run.poll() is None:
                try:
                    peak = max(peak, tree_bytes(process))
                except psutil.NoSuchProcess:
                    break
                time.sleep(0.2)
        elapsed = time.perf_counter() - started
    if run.returncode not in (0, 1):
        raise SystemExit(f"the study ended with status {run.returncode}")
    print(f"{chosen.study} {chosen.preset}: peak {peak / 2**30:.2f} GiB in {elapsed:.0f} s")


if __name__ == "__main__":
    main()
