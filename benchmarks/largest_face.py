"""Agreement of the fast search for the largest face with the search for every face.

`FaceDetector.largest` is compared with the largest box of `FaceDetector.detect` on recorded
pictures: how often it finds the face, how often it takes the short way, how much the boxes
overlap, and how much the score of the shipped detector changes. The last column is the change of
the score when the camera moves by 3 and 2 pixels and every face is searched both times.

    python -m benchmarks.largest_face --data DIR
"""

import argparse
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.face.data import Face, FaceDetector, crop_face, read_image
from sterling.face.data.detect import _shared
from sterling.face.pad import DetectorBase, shipped_detector

SETS = {
    "NUAA, webcam": ("fas/nuaa", "live/*/*.jpg"),
    "VisageTrack, webcam and television": ("fas/visagetrack", "*/*.jpg"),
    "Yale": ("faces/yale", "*/*.gif"),
    "photographs of famous people": ("faces/detect_samples/knn_examples", "**/*.jp*g"),
    "group photographs of dlib": ("faces/detect_samples/dlib", "**/*.jpg"),
}
PASTED = ("LFW pasted into frames of 640×480 at random sizes", "faces/lfw_grey", "*/*_0001.jpg")
EVERY = 6  # of the larger sets: every sixth picture
MOVED = (3, 2)  # pixels to the right and down


@dataclass(frozen=True)
class Compared:
    """One picture on which both searches found a face.

    Attributes:
        short: Whether the fast search answered without the search for every face.
        overlap: Intersection over union of the two boxes.
        change: Difference of the scores of the two crops.
        moved: Difference of the scores when the camera moves.
    """

    short: bool
    overlap: float
    change: float
    moved: float


def pasted(root: Path, pattern: str) -> Iterator[Tensor]:
    """Portraits at random sizes and places in frames of noise without detail."""
    rng = np.random.default_rng(0)
    for path in sorted(root.glob(pattern))[::EVERY]:
        portrait = read_image(path).permute(1, 2, 0).numpy()
        side = int(np.exp(rng.uniform(np.log(100), np.log(470))))
        coarse = rng.integers(0, 256, (4, 6, 3), dtype=np.uint8)
        frame = cv2.resize(coarse, (640, 480), interpolation=cv2.INTER_CUBIC)
        left, top = rng.integers(0, 640 - side), rng.integers(0, 480 - side)
        small = cv2.resize(portrait, (side, side), interpolation=cv2.INTER_AREA)
        frame[top : top + side, left : left + side] = small
        yield torch.from_numpy(np.ascontiguousarray(frame.transpose(2, 0, 1)))


def scored(detector: DetectorBase, picture: Tensor, face: Face) -> float:
    """Score of one face."""
    crop = crop_face(picture, face, detector.preprocessing.crop_spec())
    return float(detector.score(crop[None])[0])


def compare(picture: Tensor, finder: FaceDetector, detector: DetectorBase) -> Compared | None:
    """Compare the searches on one picture; None where neither finds a face.

    Raises:
        InputError: Only one of them finds a face.
    """
    every, fast = next(iter(finder.detect(picture)), None), finder.largest(picture)
    if every is None or fast is None:
        if every is fast:
            return None
        raise InputError("one search finds a face, the other does not")
    reference = scored(detector, picture, every)
    x, y = MOVED
    shifted = torch.roll(picture, (y, x), (1, 2))
    again = next(iter(finder.detect(shifted)), every)
    return Compared(
        finder._coarse_to_fine(picture) is not None,
        _shared(every.box, fast.box),
        abs(scored(detector, picture, fast) - reference),
        abs(scored(detector, shifted, again) - reference),
    )


def report(name: str, pictures: Iterator[Tensor]) -> None:
    """Print one row."""
    finder, detector = FaceDetector(), shipped_detector()
    rows, apart, count = [], 0, 0
    for picture in pictures:
        count += 1
        try:
            found = compare(picture, finder, detector)
        except InputError:
            apart += 1
            continue
        if found is not None and found.short:
            rows.append(found)
    if not rows:
        print(f"| {name} | {count} | {apart} | none | | | |")
        return
    overlap = np.array([row.overlap for row in rows])
    pairs = [np.array([(row.change, row.moved) for row in rows])[:, k] for k in (0, 1)]
    changes = " | ".join(f"{one.mean():.3f}, {np.quantile(one, 0.95):.3f}" for one in pairs)
    median, low = np.quantile(overlap, [0.5, 0.05])
    others = int((overlap < 0.3).sum())
    print(
        f"| {name} | {count} | {apart} | {len(rows)} | {median:.3f}, {low:.3f} "
        f"({others} another face) | {changes} |",
        flush=True,
    )


def main() -> None:
    """Print one row per set."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of recorded data")
    data = parser.parse_args().data
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    print("| | pictures | found by one alone | short way | IoU | change | moved |")
    for name, (folder, pattern) in SETS.items():
        paths = sorted((data / folder).glob(pattern))
        report(name, (read_image(path) for path in paths[:: EVERY if len(paths) > 200 else 1]))
    name, folder, pattern = PASTED
    report(name, pasted(data / folder, pattern))


if __name__ == "__main__":
    main()
