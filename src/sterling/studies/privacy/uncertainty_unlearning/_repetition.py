"""One repetition: a model, an adversary, and where the effect of its requests is measured."""

import itertools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.data.records import Records, embedded_records, read_records
from sterling.privacy.targets.convex import ConvexModel, fit_convex, with_bias
from sterling.privacy.targets.models import ARCHITECTURES, initialise
from sterling.privacy.targets.training import Recipe, train_many
from sterling.privacy.unlearning_attacks.soft_set_size import SoftSetSize
from sterling.privacy.unlearning_attacks.uncertainty_request import Aim
from sterling.studies.privacy.uncertainty_unlearning._effects import Watched

TARGETS = 10
COMPONENTS = 20
SIZES = {"calibration": 300, "test": 400, "proxy": 480}


@dataclass(frozen=True, eq=False)
class Repetition:
    """A model, an adversary, and where effects are measured; no two parts share a record.

    Attributes:
        model: The model under attack, with its training records.
        owned: Rows of the training records that the adversary owns.
        proxy: Features and labels of the same kind that the adversary may train surrogates on.
        watched: Targets, calibration and test.
    """

    model: ConvexModel
    owned: Tensor
    proxy: tuple[Tensor, Tensor]
    watched: Watched

    def aim(
        self, direction: Literal["over", "under", "flip"], set_size: SoftSetSize | None = None
    ) -> Aim:
        """Return the adversary's aim; nothing shall change on a part of the calibration data."""
        watched = self.watched
        reference = watched.calibration[0][:100]
        return Aim(direction, watched.targets, watched.labels, reference, set_size=set_size)

    def surrogates(self, seed: int) -> tuple[list[ConvexModel], list[Tensor]]:
        """Fit three models on the adversary's own records and resampled public ones.

        Returns:
            The models, and for each the rows of the adversary's records, in the order of ``owned``.
        """
        rng = np.random.default_rng(seed + 2)
        own, own_labels = self.model.features[self.owned], self.model.labels[self.owned]
        features, labels = self.proxy
        size = len(self.model.features) - len(self.owned)
        models = []
        for _ in range(3):
            rows = torch.from_numpy(rng.integers(len(features), size=size))
            models.append(
                fit_convex(
                    torch.cat([own, features[rows]]),
                    torch.cat([own_labels, labels[rows]]),
                    self.model.classes,
                    self.model.ridge,
                )
            )
        return models, [torch.arange(len(own))] * 3

    @classmethod
    def of(
        cls,
        features: Tensor,
        labels: Tensor,
        *,
        records: int,
        owned: float,
        ridge: float,
        rng: np.random.Generator,
    ) -> Self:
        """Divide records into training, calibration, test and proxy sets, and fit the model.

        Args:
            features: (``records_needed(records)``, D), in random order.
            labels: Labels of the features.
            records: Number of training records.
            owned: Share of them that the adversary owns.
            ridge: Ridge penalty of the softmax regression, on the sum of the losses.
            rng: Draws the records that the adversary owns.
        """
        cuts = np.cumsum([0, records, *SIZES.values()])
        training, calibration, test, proxy = (
            (features[low:high], labels[low:high]) for low, high in itertools.pairwise(cuts)
        )
        model = fit_convex(*training, int(labels.max()) + 1, ridge)
        # The targets are the unseen inputs about which the model is neither sure nor lost.
        confidence, label = model.posteriors(test[0]).max(1)
        rows = (confidence - 0.65).abs().argsort()[:TARGETS]
        own = np.sort(rng.choice(records, int(owned * records), replace=False))
        watched = Watched(test[0][rows], label[rows], calibration, test)
        return cls(model, torch.from_numpy(own), proxy, watched)


def records_needed(records: int) -> int:
    """Number of records that a repetition with so many training records is made of."""
    return records + sum(SIZES.values())


def mixture_features(n: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Draw three simulated classes in the plane, with quadratic features."""
    labels = rng.integers(3, size=n)
    centres = 2.0 * np.stack([np.cos(2.1 * np.arange(3)), np.sin(2.1 * np.arange(3))], 1)
    x = centres[labels] + rng.normal(size=(n, 2)) * 1.2
    quadratic = np.stack([x[:, 0], x[:, 1], x[:, 0] ** 2, x[:, 1] ** 2, x[:, 0] * x[:, 1]], 1)
    return with_bias(torch.from_numpy(quadratic / 2)), torch.from_numpy(labels)


def digit_features(n: int, rng: np.random.Generator) -> tuple[Tensor, Tensor]:
    """Return 20 principal components of 8×8 handwritten digits."""
    records = embedded_records("digits").draw(n, rng)
    if len(records) < n:
        raise InputError(f"records: digits has {len(records)}, {n} are needed; ask for fewer")
    components = PCA(COMPONENTS, svd_solver="full").fit_transform(records.x.astype(np.float64))
    return with_bias(torch.from_numpy(components / 3)), torch.from_numpy(records.y)


def folder_features(folder: Path, n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return features of n records of a folder, from a network trained on n others.

    They are 20 principal components of its last layer's inputs, fitted on these others: no record
    of the first n has shaped them.

    Raises:
        InputError: Fewer than 2 n records.
    """
    records = read_records(folder)
    if len(records) < 2 * n:
        raise InputError(
            f"{folder} holds {len(records)} records, {2 * n} are needed: half of them train the "
            "features; lower records, or give more"
        )
    drawn = records.draw(2 * n, np.random.default_rng(seed))
    own, others = drawn.part(slice(n)), drawn.part(slice(n, None))
    read = _last_layer_inputs(others, seed)
    components = PCA(COMPONENTS, svd_solver="full").fit(read(others))
    scale = np.sqrt(components.explained_variance_[0]) / 2
    return with_bias(torch.from_numpy(components.transform(read(own)) / scale)), torch.from_numpy(
        own.y
    )


def _last_layer_inputs(records: Records, seed: int) -> Callable[[Records], NDArray[np.float64]]:
    """Train a small network; return the map from records to the inputs of its last layer."""
    kind, width = ("cnn", 16) if len(records.shape) == 3 else ("mlp", 64)
    models = train_many(
        initialise(
            lambda: ARCHITECTURES[kind](records.shape, records.classes, width=width), [seed]
        ),
        torch.from_numpy(records.x),
        torch.from_numpy(records.y),
        np.ones((1, len(records)), dtype=np.bool_),
        Recipe(epochs=10, learning_rate=0.05),
        seeds=[seed],
    )
    network = models.module(0)
    assert isinstance(network, nn.Sequential)

    def read(some: Records) -> NDArray[np.float64]:
        with torch.inference_mode():
            inputs: Tensor = network[:-1](torch.from_numpy(some.x))
        return inputs.double().numpy()

    return read
