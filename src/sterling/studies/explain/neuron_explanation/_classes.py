"""Class units of EfficientNet-Lite0, whose right names are known, named by the captions encoder.

The encoder never saw a class name or a logit of that network. The control gives every unit the
name, and so the pictures, of another unit: a vocabulary of broad words would be right there, too.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sterling.errors import InputError
from sterling.explain import NeuronExplanation
from sterling.explain.neurons.activations import Activations, record_activations
from sterling.explain.neurons.caption_encoder import CaptionEncoder
from sterling.explain.neurons.class_name_encoder import class_synsets
from sterling.explain.neurons.explanation import explain_activations
from sterling.explain.neurons.packaged import classifier_inputs, packaged_classifier
from sterling.explain.neurons.picture_folder import read_pictures
from sterling.measure import Rate
from sterling.runs import Cell, Row
from sterling.studies.explain.neuron_explanation._settings import NeuronExplanationConfig
from sterling.studies.explain.neuron_explanation._wordnet import (
    accepted_names,
    read_nouns,
    vocabulary,
)
from sterling.study import row

SIDE = 128  # pixels of the probing pictures
FIRST = 5  # a picture excites a class that is among its five likeliest
LEAST_UNITS = 5
CLASS_UNITS = "class units of EfficientNet-Lite0"
OWN, ANOTHER = "its own", "another unit's"


class ClassUnits(nn.Module):
    """EfficientNet-Lite0 from pictures to logits, which are its units."""

    def __init__(self) -> None:
        super().__init__()
        self.classifier = packaged_classifier()
        self.units = nn.Identity()

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Logits (N, 1000) of pictures (N, 3, H, W) in [0, 1]."""
        found: torch.Tensor = self.units(self.classifier(classifier_inputs(pictures)))
        return found


def explain_classes(config: NeuronExplanationConfig, folder: Path, cell: Cell) -> list[Row]:
    """Name the classes that pictures of a folder excite, and score the names by WordNet.

    Raises:
        InputError: The pictures excite too few classes, or a package or WordNet is missing.
    """
    encoder, nouns, synsets = CaptionEncoder(), read_nouns(), class_synsets()
    pictures, _, _ = read_pictures(folder, SIDE)
    if len(pictures) < config.class_pictures:
        raise InputError(
            f"{folder}: {len(pictures)} pictures; give {config.class_pictures} or more"
        )
    seen = record_activations(ClassUnits(), "units", pictures, top=config.class_pictures)
    chosen = excited(seen.values, config.class_pictures)
    if len(chosen) < LEAST_UNITS:
        raise InputError(
            f"{folder}: {len(chosen)} classes are among the {FIRST} likeliest of "
            f"{config.class_pictures} pictures; give more pictures of things"
        )
    found = explain_activations(
        Activations(
            seen.layer, chosen, seen.values[:, chosen], seen.top[chosen], seen.boxes[chosen]
        ),
        pictures,
        vocabulary(synsets, nouns),
        encoder,
        alpha=config.alpha,
        draws=config.draws,
        seed=cell.seed,
    )
    return score_names(found, accepted_names([synsets[unit] for unit in chosen], nouns), cell.seed)


def excited(logits: NDArray[np.float32], least: int) -> NDArray[np.intp]:
    """Classes that are among the `FIRST` likeliest of `least` pictures or more, ascending.

    Args:
        logits: Logits of pictures (N, C).
        least: Number of pictures.
    """
    likeliest = np.argpartition(-logits, FIRST - 1, axis=1)[:, :FIRST]
    counted = np.bincount(likeliest.ravel(), minlength=logits.shape[1])
    return np.flatnonzero(counted >= least)


def score_names(
    found: Sequence[NeuronExplanation],
    accepted: Sequence[frozenset[str]],
    seed: int,
    draws: int = 10_000,
) -> list[Row]:
    """Shares of right names, of the units themselves and with names moved to other units.

    Args:
        found: Explanation of each unit; its best phrase counts, significant or not.
        accepted: Right names of each unit.
        seed: Seed of the random orders.
        draws: Random orders of the units; a unit may keep its name in one.
    """
    best = [one.best[0][0] for one in found]
    fits = np.array([[name in right for right in accepted] for name in best])
    units = len(fits)
    named = [one.name is not None for one in found]
    right = fits.diagonal()
    rng = np.random.default_rng(seed)
    moved = np.array([fits[np.arange(units), rng.permutation(units)].sum() for _ in range(draws)])
    elsewhere = int(fits.sum() - right.sum())
    return [
        row("right name", Rate(int(right.sum()), units), units=CLASS_UNITS, name=OWN),
        row("right name", elsewhere / (units * (units - 1)), units=CLASS_UNITS, name=ANOTHER),
        row("right among named", Rate(int(right[named].sum()), max(1, sum(named)))),
        row("named", Rate(sum(named), units), units=CLASS_UNITS),
        row("as right by chance", Rate(int((moved >= right.sum()).sum()), draws)),
    ]
