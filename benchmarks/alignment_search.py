"""Speed of a search over alignment templates: one canvas against aligning anew for each.

    python benchmarks/alignment_search.py [--faces 40] [--side 1024]

Prints milliseconds a face and template for a grid of 45 templates, in one run on one core. With a
canvas a photograph is read, its face found and aligned once, and each template is cut from that.
Without one each template takes the photograph again. The three ratios leave out nothing, leave out
finding the face (its landmarks are stored), and leave out reading as well (it is in memory).
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from sterling.face.data import FaceDetector
from sterling.face.recognition import AlignmentCanvas, render_heads, template_grid
from sterling.pictures import read_pixels

GRID = template_grid(range(96, 177, 10), range(-16, 17, 8))
Photograph = NDArray[np.uint8]


def photographs(faces: int, side: int, folder: Path) -> list[Path]:
    """Write photographs of rendered people, enlarged to a camera's size."""
    heads = render_heads(np.zeros((faces, 1)), size=256, crop=2.4)
    paths = []
    for number, head in enumerate(heads.images):
        picture = cv2.resize(head.numpy()[::-1].transpose(1, 2, 0), (side, side))
        paths.append(folder / f"{number}.jpg")
        cv2.imwrite(str(paths[-1]), picture)
    return paths


def seconds(work: Callable[[], object]) -> float:
    """Wall time of one call."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def measure(faces: int, side: int) -> dict[str, tuple[float, float]]:
    """Milliseconds a face and template, with one canvas and anew, by what is left out."""
    detector = FaceDetector(longest_side=320)
    canvas = AlignmentCanvas.holding(GRID)
    with tempfile.TemporaryDirectory() as name:
        paths = photographs(faces, side, Path(name))

        def read(path: Path) -> Photograph:
            return np.ascontiguousarray(read_pixels(path).transpose(1, 2, 0))

        def found(photograph: Photograph) -> NDArray[np.float64]:
            face = detector.largest(np.ascontiguousarray(photograph.transpose(2, 0, 1)))
            if face is None:
                raise RuntimeError("a rendered face was not found")
            return np.asarray(face.landmarks, dtype=float)

        held = [read(path) for path in paths]
        five = [found(one) for one in held]

        def cut(photograph: Photograph, points: NDArray[np.float64]) -> None:
            canvases = canvas.align([photograph], points[None])
            for template in GRID:
                canvas.cut(canvases, template)

        def with_canvas(photograph: Callable[[int], Photograph], *, find: bool) -> None:
            for number in range(faces):
                one = photograph(number)
                cut(one, found(one) if find else five[number])

        def anew(photograph: Callable[[int], Photograph], *, find: bool) -> None:
            for template in GRID:
                for number in range(faces):
                    one = photograph(number)
                    template.align(one, found(one) if find else five[number])

        def from_file(number: int) -> Photograph:
            return read(paths[number])

        ways: dict[str, tuple[Callable[[int], Photograph], bool]] = {
            "reading, finding, aligning": (from_file, True),
            "reading, aligning": (from_file, False),
            "aligning": (held.__getitem__, False),
        }
        scale = 1e3 / faces / len(GRID)
        return {
            name: (
                seconds(partial(with_canvas, source, find=find)) * scale,
                seconds(partial(anew, source, find=find)) * scale,
            )
            for name, (source, find) in ways.items()
        }


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=int, default=40)
    parser.add_argument("--side", type=int, default=1024)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    table = Table("what a template costs", "one canvas, ms", "anew, ms", "ratio")
    for name, (once, anew) in measure(arguments.faces, arguments.side).items():
        table.add_row(name, f"{once:.3f}", f"{anew:.3f}", f"{anew / once:.1f}")
    Console().print(table)


if __name__ == "__main__":
    main()
