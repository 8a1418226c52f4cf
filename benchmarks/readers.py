"""A tree of 50,000 files: to a manifest, beside only listing it with os.walk and pathlib's rglob.

Run ``python benchmarks/readers.py``. Two shapes: 50,000 videos as in SiW, and 5,000 videos cut up
into 10 pictures each as in HiFiMask; the files are empty, so that only names are read. Each time is
the median of several repetitions taken in turn, on a tree that the system has just seen.
"""

import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sterling.face.data import check_dataset, read_hifimask, read_public, read_siw

REPETITIONS = 5


def _videos() -> Iterator[str]:
    fields = itertools.product(range(1, 1001), (1, 2), (2, 3), (1, 2), range(6))
    live = itertools.product(range(1000), (1, 2), (1,))
    for subject, sensor, kind, medium, session in fields:
        name = f"{subject - 1:03d}-{sensor}-{kind}-{medium}-{session}"
        yield f"Train/spoof/{subject - 1:03d}/{name}.mov"
    for subject, sensor, medium in live:
        yield f"Train/live/{subject:03d}/{subject:03d}-{sensor}-1-{medium}-1.mov"


def _pictures() -> Iterator[str]:
    people = ("1_06", "1_07", "2_54", "2_55", "3_26", "3_31", "1_05")
    conditions = itertools.product(people, range(4), range(1, 7), range(6), (1, 2, 3, 4, 5))
    for fields in itertools.islice(conditions, 5000):
        video = "_".join(map(str, fields))
        yield from (f"{video}/{number:04d}.png" for number in range(10))


def _walk(folder: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(folder))


def _rglob(folder: Path) -> int:
    return sum(1 for _ in folder.rglob("*"))


SHAPES: dict[str, tuple[Callable[[], Iterator[str]], Callable[[Path], object]]] = {
    "videos": (_videos, read_siw),
    "pictures": (_pictures, read_hifimask),
}


def _seconds(function: Callable[[Path], object], folder: Path) -> float:
    start = time.perf_counter()
    function(folder)
    return time.perf_counter() - start


def main() -> None:
    """Print one line per shape and way."""
    for shape, (paths, read) in SHAPES.items():
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for path in paths():
                (folder / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / path).touch()
            files = _walk(folder)
            ways: dict[str, Callable[[Path], object]] = {
                "os.walk": _walk,
                "rglob": _rglob,
                "read": read,
                "read, set not named": read_public,
                "check": check_dataset,
            }
            times: dict[str, list[float]] = {way: [] for way in ways}
            for _, (way, function) in itertools.product(range(REPETITIONS), ways.items()):
                times[way].append(_seconds(function, folder))
        median = {way: statistics.median(taken) for way, taken in times.items()}
        print(f"{files:,} {shape}, median of {REPETITIONS} repetitions")
        for way, seconds in median.items():
            print(
                f"  {way:20} {seconds:.3f} s  {files / seconds:>10,.0f} files/s  "
                f"ratio to os.walk {seconds / median['os.walk']:.1f}"
            )


if __name__ == "__main__":
    main()
