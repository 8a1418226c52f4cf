"""Plan a protocol's presentations, each with random numbers of its own."""

import re
import zlib
from dataclasses import dataclass

import numpy as np

from sterling.face.capture.protocols import Protocol, Scale


@dataclass(frozen=True)
class Presentation:
    """One presentation to be simulated; the fields are the manifest's columns.

    Attributes:
        view: Index of the captured pose of the subject. Poses are shared between presentations,
            so that their geometry is cast once.
    """

    item: str
    split: str
    species: str
    subject: str
    session: str
    sensor: str
    illumination: str
    distance: str
    view: int

    @property
    def bona_fide(self) -> bool:
        """Whether this is no attack."""
        return self.species == "bona_fide"


VIEWS = 5  # poses of one subject at one distance


def stream(seed: int, *key: str | int) -> np.random.Generator:
    """Random numbers that depend on the seed and on what they are for, and on nothing else."""
    text = "/".join(str(part) for part in key)
    return np.random.default_rng([seed, zlib.crc32(text.encode()), len(text)])


def plan(protocol: Protocol, scale: Scale, seed: int) -> list[Presentation]:
    """The presentations of a protocol, half of each split bona fide, in a fixed order.

    Subjects are numbered through the splits, so none is in two of them.
    """
    name = re.sub(r"[^a-z0-9_]+", "-", protocol.name)
    found, first = [], 1
    for (split, rule), people, captures in zip(
        protocol.splits.items(), scale.subjects, scale.captures, strict=True
    ):
        for i in range(captures):
            item = f"sim-{seed}-{name}-{split}-{i:05d}"
            rng = stream(seed, name, split, i)
            attack = i % 2 == 1
            found.append(
                Presentation(
                    item=item,
                    split=split,
                    # Attacks take turns, and so do the subjects, at lengths without common cycle.
                    species=rule.species[i // 2 % len(rule.species)] if attack else "bona_fide",
                    subject=f"s{first + (i // 2 + i // 2 // people) % people:03d}",
                    session=str(rng.choice(rule.sessions)),
                    sensor=str(rng.choice(rule.sensors)),
                    illumination=str(rng.choice(rule.illuminations)),
                    distance=str(rng.choice(rule.distances)),
                    view=int(rng.integers(VIEWS)),
                )
            )
        first += people
    return found
