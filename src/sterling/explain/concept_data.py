"""Pictures with known concepts, and their readers.

A concept is a property that is present or not; the concepts determine the label. Embedded are
rendered shapes and scikit-learn's digits; MNIST and CUB's class attributes are read from a folder.
"""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.tables import read_table

SHAPES = ("circle", "square", "triangle", "cross")
COLOURS = ("red", "green", "blue", "yellow")
HUES = (0.0, 1 / 3, 2 / 3, 1 / 6)
SHAPE_CONCEPTS = (*SHAPES, *COLOURS, "large", "hollow")

# Strokes and loops that a digit is written with, our own table; every digit has a code of its own.
DIGIT_CONCEPTS = {
    "loop": "0689",
    "loop above": "89",
    "loop below": "68",
    "bar": "2457",
    "stem": "14",
    "diagonal": "27",
    "bow above": "23",
    "bow below": "35",
}


@dataclass(frozen=True, eq=False)
class ConceptData:
    """Items with their true concepts and labels.

    Attributes:
        inputs: float32 (N, channels, height, width) in [0, 1], or features (N, d).
        concepts: bool (N, m).
        labels: Class numbers (N,), 0 to C - 1.
        names: Names of the m concepts.
        n_classes: Number of classes, C.
        source: Origin of the items.
    """

    inputs: NDArray[np.float32]
    concepts: NDArray[np.bool_]
    labels: NDArray[np.intp]
    names: tuple[str, ...]
    n_classes: int
    source: str

    def __len__(self) -> int:
        return len(self.labels)

    def select(self, rows: NDArray[np.intp]) -> "ConceptData":
        """Return the items at some positions."""
        return ConceptData(
            self.inputs[rows],
            self.concepts[rows],
            self.labels[rows],
            self.names,
            self.n_classes,
            self.source,
        )


def draw_shapes(
    n: int, rng: np.random.Generator, *, side: int = 20, noise: float = 0.1
) -> ConceptData:
    """Render coloured shapes on a noisy ground; the label is the shape and whether it is large.

    Colour and hollowness are concepts that the label does not depend on.

    Args:
        n: Number of pictures.
        rng: Source of everything random.
        side: Side of the pictures in pixels.
        noise: Standard deviation of the noise on each channel, of a range of 1.

    Returns:
        Pictures (n, 3, side, side), ten concepts, eight classes.
    """
    shape, colour = rng.integers(0, 4, size=(2, n))
    large, hollow = rng.random((2, n)) < 0.5
    # Sizes of small and large shapes nearly touch, and hues of neighbours come close.
    radius = np.where(large, rng.uniform(0.50, 0.72, n), rng.uniform(0.34, 0.48, n))
    centre = rng.uniform(-0.22, 0.22, size=(2, n))
    grid = (np.arange(side) + 0.5) / side * 2 - 1
    x = (grid[None, None, :] - centre[0][:, None, None]) / radius[:, None, None]
    y = (grid[None, :, None] - centre[1][:, None, None]) / radius[:, None, None]
    distance = np.choose(
        shape[:, None, None],
        [
            np.hypot(x, y),
            np.maximum(abs(x), abs(y)) / 0.85,
            np.maximum(y / 0.75, (2 * abs(x) - y) / 1.0),
            np.minimum(np.maximum(abs(x), 3 * abs(y)), np.maximum(3 * abs(x), abs(y))),
        ],
    )
    inside = (distance <= 1) & ~(hollow[:, None, None] & (distance < 0.55))
    hue = np.asarray(HUES)[colour] + rng.normal(scale=0.025, size=n)
    strength = rng.uniform(0.55, 1.0, n)
    tint = strength[:, None] * _rgb(hue)
    ground = rng.uniform(0.1, 0.45, size=n)
    pictures = np.where(
        inside[:, None], tint[:, :, None, None], ground[:, None, None, None]
    ) + rng.normal(scale=noise, size=(n, 3, side, side))
    concepts = np.column_stack(
        [shape[:, None] == np.arange(4), colour[:, None] == np.arange(4), large, hollow]
    )
    return ConceptData(
        inputs=np.clip(pictures, 0, 1).astype(np.float32),
        concepts=concepts,
        labels=(2 * shape + large).astype(np.intp),
        names=SHAPE_CONCEPTS,
        n_classes=8,
        source="rendered shapes",
    )


def _rgb(hue: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return saturated colours (N, 3) of hues (N,), by the hexagon formula of HSV."""
    phase = (hue[:, None] * 6 + np.array([0.0, 4.0, 2.0])) % 6
    return np.asarray(np.clip(np.abs(phase - 3) - 1, 0, 1))


def _digits(pictures: NDArray[np.float32], labels: NDArray[np.intp], source: str) -> ConceptData:
    written = np.array([[str(d) in held for held in DIGIT_CONCEPTS.values()] for d in range(10)])
    return ConceptData(pictures, written[labels], labels, tuple(DIGIT_CONCEPTS), 10, source)


def sklearn_digits() -> ConceptData:
    """Return 1,797 handwritten digits (N, 1, 8, 8) with eight concepts, ten classes."""
    from sklearn.datasets import load_digits

    values, labels = load_digits(return_X_y=True)
    pictures = (values / 16).reshape(-1, 1, 8, 8).astype(np.float32)
    return _digits(pictures, labels.astype(np.intp), "scikit-learn digits")


def read_concept_data(folder: Path, rng: np.random.Generator, n: int) -> ConceptData:
    """Read items of a data set in a folder, up to n of them.

    Reads MNIST (``*images-idx3-ubyte.gz`` and ``*labels-idx1-ubyte.gz``, every second pixel), or
    CUB-200-2011's class attributes (``class_attribute_labels_continuous.csv``).

    Raises:
        InputError: The folder holds neither.
    """
    readers: dict[str, Callable[[Path, np.random.Generator, int], ConceptData]] = {
        "*images-idx3-ubyte.gz": _read_mnist,
        "class_attribute_labels_continuous.csv": _simulate_cub,
    }
    for pattern, reader in readers.items():
        found = sorted(folder.glob(pattern))
        if found:
            return reader(found[0], rng, n)
    raise InputError(f"{folder} holds none of {', '.join(readers)}; give a folder with one of them")


def _read_mnist(path: Path, rng: np.random.Generator, n: int) -> ConceptData:
    beside = path.with_name(path.name.replace("images-idx3", "labels-idx1"))
    try:
        pixels = np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=16)
        labels = np.frombuffer(gzip.decompress(beside.read_bytes()), np.uint8, offset=8)
        pictures = pixels.reshape(len(labels), 28, 28)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(f"{path} and {beside.name} are no MNIST files: {error}") from error
    rows = rng.permutation(len(labels))[:n]
    halves = pictures[rows].reshape(-1, 1, 14, 2, 14, 2).mean(axis=(3, 5), dtype=np.float32) / 255
    return _digits(halves, labels[rows].astype(np.intp), f"MNIST at {path.parent}")


def _simulate_cub(path: Path, rng: np.random.Generator, n: int) -> ConceptData:
    """Draw birds from CUB's published class attributes; the photographs are not needed.

    The attribute rates per class are real. An item's concepts are drawn at the rates of its
    class, and its features are the concepts in normal noise: SIMULATED items.
    """
    table = read_table(path)
    named = [name for name in table.columns if name not in ("class_id", "class_name")]
    rates = np.column_stack([table.numbers(name) for name in named]) / 100
    classes, m, spread = 20, 12, 0.35
    if rates.shape[0] < classes or rates.shape[1] < m or not (rates >= 0).all():
        raise InputError(f"{path}: expected percentages of {m} attributes for {classes} classes")
    rates = rates[:classes].clip(0, 1)
    chosen = np.sort(np.argsort(-rates.var(axis=0), kind="stable")[:m])
    labels = rng.integers(0, classes, size=n)
    concepts = rng.random((n, m)) < rates[labels][:, chosen]
    features = concepts + rng.normal(scale=spread, size=(n, m))
    names = tuple(f"attribute {column + 1}" for column in chosen.tolist())
    return ConceptData(
        features.astype(np.float32),
        concepts,
        labels.astype(np.intp),
        names,
        classes,
        f"SIMULATED items from CUB's class attributes at {path.parent}",
    )
