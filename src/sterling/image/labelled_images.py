"""Small pictures by class, split so that no class is in two parts."""

from collections.abc import Mapping
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from torch import Tensor

from sterling.errors import InputError


@dataclass(frozen=True, eq=False)
class LabelledImages:
    """Pictures of known classes.

    Attributes:
        images: Pictures, float32 (N, channels, height, width) in [0, 1].
        labels: Class numbers (N,), places in `names`.
        names: Names of the classes.
        source: Origin of the pictures, for people.
    """

    images: Tensor
    labels: NDArray[np.int64]
    names: tuple[str, ...]
    source: str

    def __len__(self) -> int:
        return len(self.labels)

    def of_classes(self, classes: NDArray[np.intp]) -> "LabelledImages":
        """Return the pictures of some classes, in their order, numbered anew from 0."""
        place = np.full(len(self.names), -1)
        place[classes] = np.arange(len(classes))
        rows = np.flatnonzero(place[self.labels] >= 0)
        return LabelledImages(
            self.images[rows],
            place[self.labels[rows]],
            tuple(self.names[one] for one in classes),
            self.source,
        )


def scan_digits(size: int = 16) -> LabelledImages:
    """Return scikit-learn's 1,797 handwritten digits of 8 × 8 pixels, enlarged.

    Args:
        size: Side of the pictures, pixels.
    """
    data = load_digits()
    grey = (data.images / 16).astype(np.float32)
    large = [cv2.resize(one, (size, size), interpolation=cv2.INTER_LINEAR) for one in grey]
    return LabelledImages(
        torch.from_numpy(np.stack(large)[:, None]),
        data.target.astype(np.int64),
        tuple("0123456789"),
        "scikit-learn's handwritten digits",
    )


def split_classes(
    images: LabelledImages, shares: Mapping[str, float], seed: int
) -> dict[str, LabelledImages]:
    """Split pictures into parts without a class in common.

    Args:
        images: Pictures to split.
        shares: Share of the classes of each part, by the part's name; they sum to 1.
        seed: Seed of the random order of classes.

    Raises:
        InputError: Shares do not sum to 1, or a part is left without a class.
    """
    if abs(sum(shares.values()) - 1) > 1e-6:
        raise InputError(f"shares {dict(shares)}: they must sum to 1")
    order = np.random.default_rng(seed).permutation(len(images.names))
    ends = np.round(np.cumsum(list(shares.values())) * len(order)).astype(int)
    parts = dict(zip(shares, np.split(order, ends[:-1]), strict=True))
    for name, classes in parts.items():
        if len(classes) == 0:
            raise InputError(
                f"share {shares[name]:g} of {len(order)} classes leaves none for {name!r}; give it "
                "more, or more classes"
            )
    return {name: images.of_classes(classes) for name, classes in parts.items()}


def with_rotations(images: LabelledImages) -> LabelledImages:
    """Add quarter turns as three more classes of every class, as is usual with Omniglot.

    Split first: turned pictures of a class must stay on its side.
    """
    turned = [torch.rot90(images.images, quarter, (2, 3)) for quarter in range(4)]
    return LabelledImages(
        torch.cat(turned),
        np.concatenate([images.labels + quarter * len(images.names) for quarter in range(4)]),
        tuple(f"{name} turned {90 * q}" if q else name for q in range(4) for name in images.names),
        images.source,
    )
