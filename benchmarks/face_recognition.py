"""The recognition network beside PyTorch and dlib, and a search beside a loop, in one run.

Run ``python -m benchmarks.face_recognition [--quick]``. dlib is timed, and its vectors compared,
where the packages ``dlib-bin`` and ``face-recognition-models`` are installed. Everything takes one
thread and the same arrays; times are medians of repetitions taken in turn, and a ratio is the
other's time over ours: above 1, ours is faster.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from sterling.face.recognition import Gallery, ResNet29, embed, embed_chips, face_chip
from sterling.pictures import read_pixels

PHOTOGRAPH = Path(__file__).parents[1] / "examples" / "photographs" / "astronaut.jpg"
GALLERY = 100_000


def show(title: str, actions: dict[str, Callable[[], object]], repetitions: int) -> None:
    """Print one line: our time, and the ratio of each other way to it."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for repetition in range(repetitions + 1):  # the first warms up
        for name, action in actions.items():
            start = time.perf_counter()
            action()
            if repetition:
                times[name].append(time.perf_counter() - start)
    taken = {name: statistics.median(values) for name, values in times.items()}
    ours = taken.pop("ours")
    others = "".join(f"   {name} {seconds / ours:6.1f}×" for name, seconds in taken.items())
    print(f"{title:44} ours {ours * 1e3:9.2f} ms{others}", flush=True)


def chips(count: int) -> NDArray[np.uint8]:
    """Chips of one photograph, each moved a little."""
    picture = read_pixels(PHOTOGRAPH)
    face = embed(picture)[0].face
    if face is None:
        raise SystemExit(f"{PHOTOGRAPH}: no face")
    points = np.array(face.landmarks)
    return np.stack(
        [face_chip(picture, points + np.array(divmod(number, 5))) for number in range(count)]
    )


def dlib_vectors() -> Callable[[NDArray[np.uint8]], NDArray[np.float64]] | None:
    """Vectors by dlib's own network; None where it is not installed."""
    if not (find_spec("dlib") and find_spec("face_recognition_models")):
        return None
    import dlib  # type: ignore[import-not-found, unused-ignore]

    spec = find_spec("face_recognition_models")
    folder = Path(str(spec.origin)).parent / "models" if spec else Path()
    network: Any = dlib.face_recognition_model_v1(
        str(folder / "dlib_face_recognition_resnet_model_v1.dat")
    )

    def vectors(crops: NDArray[np.uint8]) -> NDArray[np.float64]:
        pictures = [np.ascontiguousarray(crop.transpose(1, 2, 0)) for crop in crops]
        return np.array([np.array(network.compute_face_descriptor(one)) for one in pictures])

    return vectors


def network(repetitions: int) -> None:
    """Vectors of one chip and of sixteen."""
    module, peer = ResNet29.pretrained(), dlib_vectors()
    crops = chips(16)
    if peer is None:
        print("dlib: not installed")
    else:
        away = np.linalg.norm(embed_chips(crops) - peer(crops), axis=1)
        print(f"distance to dlib's vectors: {away.mean():.3f} on average, {away.max():.3f} at most")

    def by_torch(some: NDArray[np.uint8]) -> object:
        with torch.inference_mode():
            return module(torch.from_numpy(some))

    for some in (crops[:1], crops):
        actions: dict[str, Callable[[], object]] = {
            "ours": lambda some=some: embed_chips(some),  # type: ignore[misc]
            "PyTorch": lambda some=some: by_torch(some),  # type: ignore[misc]
        }
        if peer is not None:
            actions["dlib"] = lambda some=some: peer(some)  # type: ignore[misc]
        show(f"vectors of {len(some)} aligned faces", actions, repetitions)
    show(
        "a photograph of 512 pixels to its vector", {"ours": lambda: embed(PHOTOGRAPH)}, repetitions
    )


def search(repetitions: int) -> None:
    """The nearest three of 100,000 people."""
    draw = np.random.default_rng(0)
    vectors = draw.normal(0, 0.1, (GALLERY, 128)).astype(np.float32)
    names = [f"{number:06}" for number in range(GALLERY)]
    gallery = Gallery.of(vectors, names, names)
    probes = draw.normal(0, 0.1, (100, 128)).astype(np.float32)

    def loop() -> list[int]:
        distances = [float(np.linalg.norm(probes[0] - one)) for one in vectors]
        return sorted(range(GALLERY), key=distances.__getitem__)[:3]

    def array() -> list[int]:
        distances = np.linalg.norm(vectors - probes[0], axis=1)
        return [int(row) for row in np.argsort(distances)[:3]]

    assert gallery.nearest(probes[:1], 3)[0][0].tolist() == loop() == array()
    actions: dict[str, Callable[[], object]] = {
        "ours": lambda: gallery.nearest(probes[:1], 3),
        "differences and a sort": array,
        "loop": loop,
    }
    show(f"1 probe among {GALLERY:,}", actions, repetitions)

    def arrays() -> None:
        for one in probes:
            np.argsort(np.linalg.norm(vectors - one, axis=1))[:3]

    many: dict[str, Callable[[], object]] = {"ours": lambda: gallery.nearest(probes, 3)}
    many["differences and a sort"] = arrays
    show(f"100 probes among {GALLERY:,}", many, max(1, repetitions // 5))


def main() -> None:
    """Print every comparison."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions")
    repetitions = 3 if parser.parse_args().quick else 15
    torch.set_num_threads(1)
    network(repetitions)
    search(repetitions)


if __name__ == "__main__":
    main()
