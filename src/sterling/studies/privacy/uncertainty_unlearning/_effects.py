"""Effects of a deletion request on a model's uncertainty, by exact retraining."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from sterling.guarantee import LAC, calibrate_label_sets
from sterling.measure import brier_score, calibration_error, negative_log_likelihood
from sterling.privacy.targets.convex import ConvexModel, fit_convex
from sterling.privacy.targets.models import initialise, mlp
from sterling.privacy.targets.training import Recipe, train_many
from sterling.privacy.unlearning import Descent, Examples, train_by_steps

EFFECTS = (
    "confidence",
    "recalibrated confidence",
    "sharded confidence",
    "flips",
    "accuracy",
    "calibration error",
    "Brier score",
    "log-likelihood loss",
    "coverage",
    "target set size",
)


@dataclass(frozen=True, eq=False)
class Watched:
    """Inputs that effects are measured on; none is a training record.

    Attributes:
        targets: Features of the inputs that the request aims at (T, D).
        labels: The labels that the model gave them before (T,).
        calibration: Features and labels that temperatures and conformal sets are calibrated on.
        test: Clean features and labels.
        alpha: Error level of the conformal sets.
    """

    targets: Tensor
    labels: Tensor
    calibration: tuple[Tensor, Tensor]
    test: tuple[Tensor, Tensor]
    alpha: float = 0.1

    def confidence(self, posteriors: Tensor) -> float:
        """Mean posterior (T, C) of the labels that the model gave the targets."""
        return float(posteriors.gather(1, self.labels[:, None]).mean())

    def effects(self, model: ConvexModel, requests: Sequence[Tensor]) -> list[dict[str, float]]:
        """Return the changes of ``EFFECTS`` by each request's retraining, and "coverage after".

        Temperatures and sets are calibrated anew after each request. "sharded confidence" is that
        of SISA's models, "flips" counts targets with another label.

        Args:
            model: The model before the requests.
            requests: Rows of the training records that each request deletes.
        """
        before = self._figures(model, torch.zeros(0, dtype=torch.int64))
        changes = []
        for rows in requests:
            after = self._figures(model, rows)
            change = {name: after[name] - before[name] for name in after}
            changes.append({**change, "coverage after": after["coverage"]})
        return changes

    def _figures(self, full: ConvexModel, rows: Tensor) -> dict[str, float]:
        """Return the figures of the model retrained without some records."""
        model = full.without(rows)
        known, of_known = self.calibration
        features, labels = self.test[0], self.test[1].numpy()
        p, targets = model.posteriors(features).numpy(), model.posteriors(self.targets)
        rule = calibrate_label_sets(
            model.posteriors(known).numpy(), of_known.numpy(), self.alpha, LAC()
        )
        cooled = model.logits(self.targets) / temperature(model.logits(known), of_known)
        return {
            "confidence": self.confidence(targets),
            "recalibrated confidence": self.confidence(cooled.softmax(1)),
            "sharded confidence": self.confidence(sharded_posteriors(full, rows, self.targets)),
            "flips": float((targets.argmax(1) != self.labels).sum()),
            "accuracy": float((p.argmax(1) == labels).mean()),
            "calibration error": calibration_error(p, labels),
            "Brier score": brier_score(p, labels),
            "log-likelihood loss": negative_log_likelihood(p, labels),
            "coverage": float(rule.sets(p)[np.arange(len(labels)), labels].mean()),
            "target set size": float(rule.sets(targets.numpy()).sum(1).mean()),
        }


def temperature(logits: Tensor, labels: Tensor) -> float:
    """Return the temperature with the least loss (Guo et al., ICML 2017)."""

    def loss(log_temperature: float) -> float:
        return float(F.cross_entropy(logits / np.exp(log_temperature), labels))

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x))


def sharded_posteriors(
    model: ConvexModel, removed: Tensor, features: Tensor, *, shards: int = 5
) -> Tensor:
    """Return posteriors of SISA with one slice: the mean over models of disjoint parts."""
    keep = torch.ones(len(model.features), dtype=torch.bool)
    keep[removed] = False
    rows = keep.nonzero()[:, 0]
    parts = [rows[rows % shards == shard] for shard in range(shards)]
    return torch.stack(
        [
            fit_convex(
                model.features[part], model.labels[part], model.classes, model.ridge
            ).posteriors(features)
            for part in parts
        ]
    ).mean(0)


def network_effects(
    model: ConvexModel, watched: Watched, removals: dict[str, Tensor], members: int, seed: int
) -> dict[str, dict[str, float]]:
    """Return the change of target confidence of networks retrained without each request.

    Args:
        model: Model whose training records are used.
        watched: Targets.
        removals: Rows that each request deletes, by its name.
        members: Number of networks in each ensemble.
        seed: Seed of the networks.

    Returns:
        For "ensemble" and "MC-dropout" the change by the name of the request.
    """
    removals = {"none": torch.zeros(0, dtype=torch.int64), **removals}
    x, y, d = model.features[:, :-1].float(), model.labels, model.features.shape[1] - 1
    targets = watched.targets[:, :-1].float()
    membership = np.ones((len(removals) * members, len(x)), dtype=np.bool_)
    for index, rows in enumerate(removals.values()):
        membership[index * members : (index + 1) * members, rows.numpy()] = False
    seeds = [seed + member for _ in removals for member in range(members)]
    start = initialise(lambda: mlp((d,), model.classes, width=32), seeds)
    trained = train_many(start, x, y, membership, Recipe(epochs=30), seeds=seeds)
    answers = trained.logits(targets).softmax(2).double()
    mean = answers.view(len(removals), members, *answers.shape[1:]).mean(1)
    ensemble = {name: watched.confidence(p) for name, p in zip(removals, mean, strict=True)}
    dropout = {}
    for index, name in enumerate(removals):
        kept = Examples(x, y, torch.arange(len(x))).select(
            torch.from_numpy(membership[index * members])
        )
        p = _dropout_posteriors(kept, targets, model.classes, seed)
        dropout[name] = watched.confidence(p.double())
    return {
        kind: {name: values[name] - values["none"] for name in removals if name != "none"}
        for kind, values in (("ensemble", ensemble), ("MC-dropout", dropout))
    }


def _dropout_posteriors(
    kept: Examples, targets: Tensor, classes: int, seed: int, passes: int = 50
) -> Tensor:
    """Return the mean posterior over dropout masks (Gal and Ghahramani, ICML 2016)."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = nn.Sequential(
            nn.Linear(kept.inputs.shape[1], 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, classes)
        )
        trained = train_by_steps(Descent(300, 5e-3))(network, kept, seed).train()
        with torch.no_grad():
            answers = [trained(targets).softmax(1) for _ in range(passes)]
    return torch.stack(answers).mean(0)
