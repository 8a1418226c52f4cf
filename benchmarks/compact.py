"""Time of the shipped detector from a file or a camera frame to a score, stage by stage.

Each photograph or frame is decoded, its face found, cut out and scored; medians and 95th
percentiles, and frames per second from the median of the sums. Frames are 640×480 JPEGs in which
the face of ``examples/photographs/astronaut.jpg`` moves about. With one thread and with two, every
frame goes four ways in turn, so that other load on the machine meets all of them alike. With one
thread the processor time of that thread is counted, not the time that other programs have it:

- formerly: every face searched with the longest side at 640 pixels, by OpenCV;
- every face, by ONNX Runtime (`FaceDetector.detect`);
- the largest face, coarse to fine (`FaceDetector.largest`), as a liveness detector needs it;
- followed from frame to frame (`FaceDetector.follow`), searched anew every tenth time.

How many times as fast as the former way each is, and how much it changes the scores, is printed.
Int8 is compared with the same network in floating point, and with a CDCN as published (width 64,
256×256) run by PyTorch.

    python -m benchmarks.compact [--frames 60]
"""

import argparse
import io
import os
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest import mock

import cv2
import numpy as np
import onnxruntime
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sterling.face.data import Face, FaceDetector, crop_face, detect, read_image
from sterling.face.pad import (
    CDCN,
    Detector,
    DetectorBase,
    OnnxDetector,
    Preprocessing,
    Provenance,
    build_network,
    shipped_detector,
)

PHOTOGRAPH = Path(__file__).resolve().parents[1] / "examples" / "photographs" / "astronaut.jpg"
SEARCH_EVERY = 10  # frames
STAGES = ("decode", "detect", "crop", "score")
WAYS = ("formerly", "every", "largest", "followed")
Find = Callable[[int, Tensor], Face]
Clock = Callable[[], float]  # seconds


def camera_frames(count: int) -> list[bytes]:
    """JPEGs of 640×480 pixels in which the photograph moves along a curve."""
    with Image.open(PHOTOGRAPH) as opened:
        face = opened.convert("RGB").resize((480, 480))
    frames = []
    for number in range(count):
        turn = 2 * np.pi * number / count
        frame = Image.new("RGB", (640, 480), (96, 96, 96))
        frame.paste(face, (80 + round(60 * np.sin(turn)), round(20 * np.sin(2 * turn))))
        content = io.BytesIO()
        frame.save(content, "JPEG", quality=90)
        frames.append(content.getvalue())
    return frames


def decode_frame(content: bytes) -> Tensor:
    """A JPEG's pixels, uint8 (3, H, W)."""
    pixels = cv2.imdecode(np.frombuffer(content, dtype=np.uint8), cv2.IMREAD_COLOR)
    if pixels is None:
        raise AssertionError
    return torch.from_numpy(np.ascontiguousarray(pixels[..., ::-1].transpose(2, 0, 1)))


class OpenCv:
    """CenterFace run by OpenCV, in place of the ONNX Runtime session."""

    def __init__(self) -> None:
        self.network = cv2.dnn.readNetFromONNX(str(detect.MODEL))

    def run(self, outputs: Sequence[str], given: Mapping[str, NDArray[Any]]) -> Any:
        """The network's maps."""
        (pixels,) = given.values()
        self.network.setInput(pixels)
        return [np.asarray(one) for one in self.network.forward(outputs)]


def ways(threads: int) -> dict[str, Find]:
    """Return the functions that find the face of a frame, given its number and pixels, by name."""
    finder, opencv = FaceDetector(threads=threads), OpenCv()
    before: list[Face] = []

    def formerly(_number: int, picture: Tensor) -> Face:
        with mock.patch.object(detect, "_network", return_value=opencv):
            return finder.detect(picture)[0]

    def every(_number: int, picture: Tensor) -> Face:
        return finder.detect(picture)[0]

    def largest(_number: int, picture: Tensor) -> Face:
        face = finder.largest(picture)
        assert face is not None
        return face

    def followed(number: int, picture: Tensor) -> Face:
        near = finder.follow(picture, before[-1]) if number % SEARCH_EVERY and before else None
        before.append(near or largest(number, picture))
        return before[-1]

    return {"formerly": formerly, "every": every, "largest": largest, "followed": followed}


def stage_times(
    decode: Callable[[], Tensor],
    find: Find,
    detector: DetectorBase,
    number: int = 0,
    clock: Clock = time.thread_time,
) -> tuple[list[float], float]:
    """Milliseconds of each stage, and the score."""
    times = [clock()]
    picture = decode()
    times.append(clock())
    face = find(number, picture)
    times.append(clock())
    crop = crop_face(picture, face, detector.preprocessing.crop_spec())
    times.append(clock())
    score = float(detector.score(crop[None])[0])
    times.append(clock())
    return (1e3 * np.diff(times)).tolist(), score


def with_threads(detector: OnnxDetector, threads: int) -> OnnxDetector:
    """The same detector, run by so many threads."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return replace(detector, session=onnxruntime.InferenceSession(detector.content, options))


def compare_ways(frames: Sequence[bytes], threads: int) -> None:
    """Print one line per way of finding the face, and what it changes."""
    torch.set_num_threads(threads)
    cv2.setNumThreads(threads)
    compact = with_threads(shipped_detector(), threads)
    rows: dict[str, list[list[float]]] = {name: [] for name in WAYS}
    scores: dict[str, list[float]] = {name: [] for name in WAYS}
    found = ways(threads)
    for find in found.values():
        stage_times(partial(decode_frame, frames[0]), find, compact)
    clock = time.thread_time if threads == 1 else time.perf_counter
    for number, frame in enumerate(frames):
        decode = partial(decode_frame, frame)
        for name, find in found.items():
            row, score = stage_times(decode, find, compact, number, clock)
            rows[name].append(row)
            scores[name].append(score)
    medians = {name: report(f"{_threads(threads)}, {name}", rows[name]) for name in WAYS}
    for name in WAYS[1:]:
        change = np.abs(np.array(scores[name]) - scores["formerly"])
        print(
            f"  {name}: {medians['formerly'] / medians[name]:.1f} times as fast as formerly; "
            f"score changed by {change.mean():.4f} on average, {change.max():.4f} at most"
        )


def report(name: str, rows: list[list[float]]) -> float:
    """Print one line, and return the median milliseconds of a frame."""
    table: NDArray[np.float64] = np.array(rows)
    total = table.sum(axis=1)
    stages = "  ".join(
        f"{stage} {np.median(column):7.2f}" for stage, column in zip(STAGES, table.T, strict=True)
    )
    median = float(np.median(total))
    print(
        f"{name:33}{stages}  all {median:7.2f} (p95 {np.percentile(total, 95):7.2f}) ms"
        f"  {1e3 / median:6.1f}/s"
    )
    return median


def main() -> None:
    """Print one line per way."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--frames", type=int, default=60)
    count = parser.parse_args().frames
    frames = camera_frames(count)
    compact = shipped_detector()
    own = compact.preprocessing
    provenance = Provenance("none: initial weights", True, "CC0-1.0", 0, 0, "")
    published = Detector(CDCN().eval(), Preprocessing(256, own.crop_scale), provenance)
    exact = Detector(build_network(compact.model.to_dict()).eval(), own, provenance)
    print(f"{count} frames, {os.cpu_count()} cores; int8 {len(compact.content)} bytes")
    for threads in (1, 2):
        compare_ways(frames, threads)

    largest = ways(1)["largest"]
    rows = [stage_times(partial(read_image, PHOTOGRAPH), largest, compact)[0] for _ in range(20)]
    report("largest, photograph of 512×512", rows)
    few = frames[: max(3, count // 10)]
    slow = [stage_times(partial(decode_frame, frame), largest, published)[0] for frame in few]
    report("largest, scored by CDCN in float", slow)

    crop = torch.randint(0, 256, (1, *own_shape(compact)), dtype=torch.uint8)
    for name, detector in (("int8, ONNX Runtime", compact), ("float, PyTorch", exact)):
        times = []
        for _ in range(50):
            start = time.thread_time()
            detector.score(crop)
            times.append(1e3 * (time.thread_time() - start))
        print(f"score alone, {name}: {statistics.median(times[5:]):.2f} ms")


def _threads(count: int) -> str:
    return f"{count} thread{'s' if count > 1 else ''}"


def own_shape(detector: DetectorBase) -> tuple[int, ...]:
    """Shape of one crop."""
    return detector.model.shape(detector.preprocessing.size)


if __name__ == "__main__":
    main()
