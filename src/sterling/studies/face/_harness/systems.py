"""Systems that a face study compares: trained networks, fusions and scorers, in settings."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sterling.face.data import Faces, LabelKind, Modality
from sterling.face.pad import Detector, Network, Objective, score_thumbnails
from sterling.runs import Cell, Row

BASELINE = "thumbnails"
ALL_MODALITIES: tuple[Modality, ...] = ("rgb", "depth", "ir")

Scorer = Callable[[Faces, Faces], NDArray[np.float64]]
"""Fits on training faces and scores others; higher means bona fide."""

Finish = Callable[[Detector, Faces, Mapping[str, Any]], Iterable[Row]]
"""Measures a trained detector further: from it, its faces and its scores to rows."""

Scoring = Callable[[Detector, Faces], NDArray[np.float64]]
"""Scores faces with a trained detector in another way than its own."""


@dataclass(frozen=True)
class System:
    """A network of a comparison, trained once per repetition.

    Attributes:
        network: Makes the network from the seed of its weights and, where there is one, from what
            `prepare` returned.
        label: Label maps that it is taught.
        changes: Fields of `TrainConfig` that differ from the comparison's.
        scenarios: Further tests of the same trained network, by name: the modalities that are
            present. The results are of the system "<system>, <scenario>".
        scorings: Further tests likewise: other ways to score than `Detector.score`.
        finish: Measures the trained detector further.
        sees: Part of the captures that the system is given, where it is not all of them.
        objective: Loss of its training, from the training captures; None for that of label maps.
        prepare: Derives a JSON value that the network needs, such as its structure, from the
            captures and the repetition.
        refines: An earlier system whose trained network this one starts from.
        gallery: Whether the first repetition keeps the detector, and pictures of what it finds
            hard.
    """

    network: Callable[..., Network]
    label: LabelKind = "depth"
    changes: Mapping[str, Any] = field(default_factory=dict)
    scenarios: Mapping[str, Sequence[Modality]] = field(default_factory=dict)
    scorings: Mapping[str, Scoring] = field(default_factory=dict)
    finish: Finish | None = None
    sees: Callable[[Faces], Faces] | None = None
    objective: Callable[[Faces], Objective] | None = None
    prepare: Callable[[Faces, Cell], Any] | None = None
    refines: str | None = None
    gallery: bool = False


@dataclass(frozen=True)
class Fusion:
    """The mean of other systems' scores, each standardised on its development scores.

    Attributes:
        systems: Their names.
    """

    systems: tuple[str, ...]


Systems = Mapping[str, System | Fusion | Scorer]
"""Trained networks, fusions, and hand-crafted scorers that see colour alone, by name."""


@dataclass(frozen=True)
class Setting:
    """Split of the captures into training, threshold selection and test.

    Attributes:
        name: Short, for tables and claims; "" for the only setting of a study.
        captures: Protocol of the simulated captures; None for that of the configuration. A setting
            with captures of its own does not run on recorded data.
        changed: Change to the captures before training; None for none.
        species: Attacks whose AUC decides; None for all.
    """

    name: str = ""
    captures: str | None = None
    changed: Callable[[Faces], Faces] | None = None
    species: tuple[str, ...] | None = None

    @property
    def key(self) -> str:
        """The name as part of a claim's id."""
        return self.name.replace(", ", "_").replace(" ", "_")


Settings = Mapping[Setting, Systems]


def on_images(
    score: Callable[[Tensor, NDArray[np.bool_], Tensor], NDArray[np.float64]],
) -> Scorer:
    """Make a scorer from a function of training images, their labels, and images to score."""
    return lambda training, tested: score(
        training.images, training.manifest.bona_fide, tested.images
    )


THUMBNAILS: Scorer = on_images(score_thumbnails)
"""The trivial baseline: logistic regression on 8×8 colours."""


def leave_out(species: str, faces: Faces) -> Faces:
    """Training and development without one attack species, the test with that one alone."""
    manifest = faces.manifest
    of_species = manifest.matches(species=species)
    test = manifest.matches(split="test")
    return faces.select(np.where(test, of_species | manifest.bona_fide, ~of_species))
