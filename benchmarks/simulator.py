"""Speed of the capture simulator, and its bottleneck.

    python benchmarks/simulator.py [--captures 200] [--size 128]

Prints captures a second with three channels (colour, depth, infrared): geometry cast anew for
every capture, geometry and paint shared as `simulate` shares them, and geometry held from before.
The ratio compares sharing with casting anew, on one core, in the same run.
"""

import argparse
import os
import time
from collections.abc import Callable

import torch
from rich.console import Console
from rich.table import Table

from sterling.face.capture.plan import Presentation, stream
from sterling.face.capture.record import store
from sterling.face.capture.sensor import SENSORS
from sterling.face.capture.shading import ILLUMINATIONS
from sterling.face.capture.simulate import render
from sterling.face.capture.skin import Moment, canvas, paint
from sterling.face.capture.studio import (
    CROP,
    Person,
    Scene,
    Studio,
    cast_person,
    light_up,
    scene_light,
    sit,
)


def presentations(captures: int, views: int) -> list[Presentation]:
    """Bona fide captures of ``captures / views`` sittings each lit anew."""
    sensors, lights = list(SENSORS), list(ILLUMINATIONS)
    return [
        Presentation(
            f"bench-{i}",
            "",
            "bona_fide",
            f"s{i // views:03d}",
            "1",
            sensors[i % 5],
            lights[i % len(lights)],
            "near",
            0,
        )
        for i in range(captures)
    ]


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def stages(size: int, repeats: int = 12) -> dict[str, float]:
    """Seconds a capture on one core, by stage."""
    studio = Studio(0, size)
    p = presentations(1, 1)[0]
    person = Person(p.subject, "bona_fide", studio.view(p.subject, "near", 0), CROP, 0.0)
    subject = studio.subject(p.subject)
    light = scene_light(ILLUMINATIONS["office"], stream(0, "light"))
    sitting = sit(studio, person, size)
    moment = Moment(person.view.gaze, 0.0, person.view.cloth)
    scene: Scene = light_up(sitting, person, light, stream(0, "worn"))
    work: dict[str, Callable[[], object]] = {
        "cast geometry": lambda: cast_person(subject, person, size),
        "paint surfaces": lambda: paint(
            canvas(sitting.points, sitting.buffer.hit, [subject]), [subject], [moment]
        ),
        "light": lambda: light_up(sitting, person, light, stream(0, "worn")),
        "sensors and labels": lambda: store(p, [scene], light, size, stream(0, "sensor")),
    }
    return {name: min(seconds(stage) for _ in range(repeats)) for name, stage in work.items()}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--captures", type=int, default=200, help="captures in each measurement")
    parser.add_argument("--size", type=int, default=128, help="side of the pictures in pixels")
    chosen = parser.parse_args()
    n, size = chosen.captures, chosen.size
    console = Console()
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    render(presentations(4, 1), seed=1, size=size)  # warm up
    parts = stages(size)
    anew = sum(parts.values())
    held = parts["light"] + parts["sensors and labels"]
    one_by_one = seconds(lambda: [render([p], seed=0, size=size) for p in presentations(n, 20)])
    shared = seconds(lambda: render(presentations(n, 20), seed=0, size=size))
    torch.set_num_threads(before)

    table = Table(title=f"{size}×{size}, colour + depth + infrared, {os.cpu_count()} cores")
    for heading in ("stage, one core", "ms a capture", "share"):
        table.add_column(heading, justify="left" if heading.startswith("stage") else "right")
    for name, value in parts.items():
        table.add_row(name, f"{1e3 * value:.1f}", f"{value / anew:.0%}")
    console.print(table)
    rates = Table(title="captures a second")
    rates.add_column("how")
    rates.add_column("captures/s", justify="right")
    rates.add_row("one core, everything cast anew", f"{1 / anew:.0f}")
    rates.add_row("one core, geometry and paint held", f"{1 / held:.0f}")
    rates.add_row("all cores, one render call each capture (reference)", f"{n / one_by_one:.0f}")
    rates.add_row("all cores, 20 captures a sitting in one call", f"{n / shared:.0f}")
    console.print(rates)
    console.print(f"sharing and threads against the reference: {one_by_one / shared:.1f} times")
    console.print(f"limited by: {max(parts, key=lambda name: parts[name])}")


if __name__ == "__main__":
    main()
