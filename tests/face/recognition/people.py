"""People as vectors: each a place, and pictures near it."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sterling.face.recognition import Embedding, Gallery, write_embeddings


def vectors_of(
    people: int, pictures: int, *, spread: float = 0.02, seed: int = 0
) -> tuple[NDArray[np.float32], list[str]]:
    """Vectors (people × pictures, 128), people about 0.8 apart, and their names."""
    draw = np.random.default_rng(seed)
    places = np.repeat(draw.normal(0, 0.05, (people, 128)), pictures, axis=0)
    vectors = places + draw.normal(0, spread, places.shape)
    names = [f"p{number:03}" for number in range(people) for _ in range(pictures)]
    return vectors.astype(np.float32), names


def gallery_of(people: int, pictures: int, *, spread: float = 0.02, seed: int = 0) -> Gallery:
    vectors, names = vectors_of(people, pictures, spread=spread, seed=seed)
    return Gallery.of(vectors, names, [f"{name}/{row}.jpg" for row, name in enumerate(names)])


def write_people(path: Path, people: int, pictures: int, *, spread: float = 0.02) -> Path:
    """Write the file that `sterling face embed` would write."""
    vectors, names = vectors_of(people, pictures, spread=spread)
    found = [
        Embedding(f"{name}/{row}.jpg", vector)
        for row, (name, vector) in enumerate(zip(names, vectors, strict=True))
    ]
    write_embeddings(path, names, found)
    return path
