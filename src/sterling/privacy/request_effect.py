"""What a deletion request does to a model's uncertainty, by exact retraining."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from scipy.optimize import minimize_scalar
from torch import Tensor

from sterling.guarantee import LAC, calibrate_label_sets
from sterling.measure import brier_score, calibration_error, negative_log_likelihood
from sterling.privacy.convex import ConvexModel, fit_convex

__all__ = ["EFFECTS", "Watched", "sharded_posteriors", "temperature"]

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
    """Where an effect is measured; no part holds a training record.

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

    def effect(self, model: ConvexModel, rows: Tensor) -> dict[str, float]:
        """Changes of ``EFFECTS`` by retraining without ``rows``, and "coverage after".

        Temperatures and sets are calibrated anew after the request. "sharded confidence" is that
        of SISA's models, "flips" counts targets with another label.
        """
        after = model.without(rows)
        before, now = self._figures(model), self._figures(after)
        flips = float((after.logits(self.targets).argmax(1) != self.labels).sum())
        sharded = [
            self.confidence(sharded_posteriors(model, removed, self.targets))
            for removed in (rows[:0], rows)
        ]
        return {
            **{name: now[name] - before[name] for name in now},
            "coverage after": now["coverage"],
            "flips": flips,
            "sharded confidence": sharded[1] - sharded[0],
        }

    def _figures(self, model: ConvexModel) -> dict[str, float]:
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
            "accuracy": float((p.argmax(1) == labels).mean()),
            "calibration error": calibration_error(p, labels),
            "Brier score": brier_score(p, labels),
            "log-likelihood loss": negative_log_likelihood(p, labels),
            "coverage": float(rule.sets(p)[np.arange(len(labels)), labels].mean()),
            "target set size": float(rule.sets(targets.numpy()).sum(1).mean()),
        }


def temperature(logits: Tensor, labels: Tensor) -> float:
    """The temperature with the least loss (Guo et al., ICML 2017)."""

    def loss(log_temperature: float) -> float:
        return float(F.cross_entropy(logits / np.exp(log_temperature), labels))

    return float(np.exp(minimize_scalar(loss, bounds=(-2.0, 2.0), method="bounded").x))


def sharded_posteriors(
    model: ConvexModel, removed: Tensor, features: Tensor, *, shards: int = 5
) -> Tensor:
    """Posteriors of SISA with one slice: the mean over models of a part of the data each."""
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
