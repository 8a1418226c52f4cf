"""What the shipped detector costs from a file or a camera frame to a score, stage by stage.

Each photograph or frame is decoded, its face found, cut out and scored; medians and 95th
percentiles, and frames per second from the median of the sums. Frames are 640×480 JPEGs in which
the face of ``examples/photographs/astronaut.jpg`` moves about. Faces are searched with the longest
side at 640 pixels, the default, and at 320; or followed from frame to frame, the whole frame being
searched every tenth time. How much that changes the scores is printed. Int8 stands beside the same
network in floating point, and beside a CDCN as published (width 64, 256×256) run by PyTorch.

    python -m benchmarks.compact [--frames 60]
"""

import argparse
import io
import statistics
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from sterling.face.data import Face, FaceDetector, crop_face, read_image
from sterling.face.pad import (
    CDCN,
    Detector,
    DetectorBase,
    Preprocessing,
    Provenance,
    build_network,
    shipped_detector,
)

PHOTOGRAPH = Path(__file__).resolve().parents[1] / "examples" / "photographs" / "astronaut.jpg"
SEARCH_EVERY = 10  # frames
STAGES = ("decode", "detect", "crop", "score")


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


def stage_times(
    decode: Callable[[], Tensor],
    finder: FaceDetector,
    detector: DetectorBase,
    before: Face | None = None,
) -> tuple[list[float], Face, float]:
    """Milliseconds of each stage, the largest face or the one that was `before`, and its score."""
    times = [time.perf_counter()]
    picture = decode()
    times.append(time.perf_counter())
    face = (before and finder.follow(picture, before)) or finder.detect(picture)[0]
    times.append(time.perf_counter())
    crop = crop_face(picture, face, detector.preprocessing.crop_spec())
    times.append(time.perf_counter())
    score = float(detector.score(crop[None])[0])
    times.append(time.perf_counter())
    return (1e3 * np.diff(times)).tolist(), face, score


def report(name: str, rows: list[list[float]]) -> float:
    """Print one line, and return the median milliseconds of a frame."""
    table: NDArray[np.float64] = np.array(rows)
    total = table.sum(axis=1)
    stages = "  ".join(
        f"{stage} {np.median(column):7.2f}" for stage, column in zip(STAGES, table.T, strict=True)
    )
    median = float(np.median(total))
    print(
        f"{name:34}{stages}  all {median:7.2f} (p95 {np.percentile(total, 95):7.2f}) ms"
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
    print(f"{count} frames, {torch.get_num_threads()} threads; int8 {len(compact.content)} bytes")

    medians, scores = {}, {}
    for side in (640, 320):
        finder = FaceDetector(longest_side=side)
        stage_times(partial(decode_frame, frames[0]), finder, compact)
        found = [stage_times(partial(decode_frame, frame), finder, compact) for frame in frames]
        medians[side] = report(f"frame, faces at {side}, int8", [row for row, _, _ in found])
        scores[side] = np.array([score for _, _, score in found])
    finder, rows, followed = FaceDetector(), [], []
    face: Face | None = None
    for number, frame in enumerate(frames):
        before = face if number % SEARCH_EVERY else None
        row, face, score = stage_times(partial(decode_frame, frame), finder, compact, before)
        rows.append(row)
        followed.append(score)
    report("frame, faces followed, int8", rows)
    print(f"  a frame on average {np.sum(rows) / count:.2f} ms: {1e3 * count / np.sum(rows):.1f}/s")
    for name, changed in (("at 320", scores[320]), ("followed", np.array(followed))):
        change = np.abs(changed - scores[640])
        print(f"  score {name} against 640: mean {change.mean():.4f}, largest {change.max():.4f}")

    rows = [stage_times(partial(read_image, PHOTOGRAPH), finder, compact)[0] for _ in range(20)]
    report("photograph of 512×512, int8", rows)
    few = frames[: max(3, count // 10)]
    slow = [stage_times(partial(decode_frame, frame), finder, published)[0] for frame in few]
    reference = report("frame, faces at 640, CDCN float", slow)
    for side, median in medians.items():
        print(f"faces at {side}: {reference / median:.1f} times as fast as with CDCN")

    crop = torch.randint(0, 256, (1, *own_shape(compact)), dtype=torch.uint8)
    for name, detector in (("int8, ONNX Runtime", compact), ("float, PyTorch", exact)):
        times = []
        for _ in range(50):
            start = time.perf_counter()
            detector.score(crop)
            times.append(1e3 * (time.perf_counter() - start))
        print(f"score alone, {name}: {statistics.median(times[5:]):.2f} ms")


def own_shape(detector: DetectorBase) -> tuple[int, ...]:
    """Shape of one crop."""
    return detector.model.shape(detector.preprocessing.size)


if __name__ == "__main__":
    main()
