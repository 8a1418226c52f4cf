"""The membership attacks on one classifier or language model, by name.

To add an attack, assign it to ``ATTACKS`` or ``TEXT_ATTACKS``; see ``docs/plugins.md``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, log_expit
from torch import Tensor

from sterling.errors import InputError
from sterling.lm import TokenStats
from sterling.plugins import Registry, require_callable
from sterling.privacy.data.records import Records
from sterling.privacy.membership.learned import (
    QuantileRegression,
    ShadowClassifier,
    gradient_norms,
    learned_sign,
    nonmember_conformity,
)
from sterling.privacy.membership.lira import lira_offline, lira_online
from sterling.privacy.membership.output_scores import (
    class_thresholds,
    difficulty_score,
    entropy_score,
    modified_entropy_score,
    phi,
)
from sterling.privacy.membership.rmia import likelihood_ratio, tune_offline_a
from sterling.privacy.membership.text_scores import (
    min_k_plus_score,
    min_k_score,
    reference_score,
    zlib_score,
)
from sterling.privacy.targets.models import Models


@dataclass(frozen=True, eq=False)
class AttackedModel:
    """One model under attack, its shadow models and the attacker's own records.

    Attributes:
        target: The one model attacked.
        shadows: Two complementary pairs or more, of the target's architecture or another.
        records: All records, (n).
        target_members: Whether the target was trained on a record, (n,). Read on auxiliary records
            only.
        shadow_members: Whether a shadow was trained on a record, (shadows, n).
        auxiliary: Whether a record belongs to the attacker, (n,); members and non-members of the
            target and of each shadow in every class.
        seed: Seed of the quantile regression.
    """

    target: Models
    shadows: Models
    records: Records
    target_members: NDArray[np.bool_]
    shadow_members: NDArray[np.bool_]
    auxiliary: NDArray[np.bool_]
    seed: int

    @cached_property
    def logits(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Logits of the target (n, C) and of the shadows (shadows, n, C)."""
        x = torch.from_numpy(self.records.x)
        return self.target.logits(x)[0].numpy(), self.shadows.logits(x).numpy()

    @cached_property
    def odds(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Confidence φ under the target (n,) and under the shadows (shadows, n)."""
        return phi(self.logits[0], self.records.y), phi(self.logits[1], self.records.y)

    @cached_property
    def offline_a(self) -> float:
        """RMIA's a, tuned by attacking the first shadow with those of the other pairs."""
        own, outside = self.auxiliary, ~self.shadow_members
        references = expit(self.odds[1])
        # Every other non-member of the attacked shadow stands for the population.
        population = outside[0, own] & (np.arange(own.sum()) % 2 == 0)
        return tune_offline_a(
            references[0, own],
            self.shadow_members[0, own],
            references[2:, own],
            outside[2:, own],
            population,
        )


def _modified_entropy(model: AttackedModel) -> NDArray[np.float64]:
    y, own = model.records.y, model.auxiliary
    known = modified_entropy_score(model.logits[1][:, own], y[own])
    thresholds = class_thresholds(
        known.ravel(),
        np.broadcast_to(y[own], known.shape).ravel(),
        model.shadow_members[:, own].ravel(),
        model.logits[1].shape[-1],
    )
    return modified_entropy_score(model.logits[0], y) - thresholds[y]


def _shadow_classifier(model: AttackedModel) -> NDArray[np.float64]:
    y, own = model.records.y, model.auxiliary
    members = model.shadow_members[:, own]
    classifier = ShadowClassifier().fit(model.logits[1][:, own], y[own], members)
    return -nonmember_conformity(classifier.nonmember_probability(model.logits[0], y))


def _difficulty(model: AttackedModel) -> NDArray[np.float64]:
    references = np.where(model.shadow_members, np.nan, log_expit(model.odds[1]))
    return difficulty_score(log_expit(model.odds[0]), references)


def _one_reference(model: AttackedModel) -> NDArray[np.float64]:
    # Imputing what the last shadow was trained on divides by a.
    return likelihood_ratio(
        expit(model.odds[0]),
        expit(model.odds[1])[-1:],
        ~model.shadow_members[-1:],
        offline_a=max(model.offline_a, 0.1),
        impute=True,
    )


def _quantile(model: AttackedModel) -> NDArray[np.float64]:
    records, known = model.records, model.auxiliary & ~model.target_members
    features = np.concatenate(
        [records.x.reshape(len(records), -1), np.eye(records.classes)[records.y]], axis=1
    )
    fitted = QuantileRegression(seed=model.seed).fit(features[known], model.odds[0][known])
    return fitted.score(features, model.odds[0])


def _gradient_norm(model: AttackedModel) -> NDArray[np.float64]:
    x, y = torch.from_numpy(model.records.x), torch.from_numpy(model.records.y)
    own = model.auxiliary
    known = gradient_norms(model.shadows.select([0]), x[own], y[own])[0]
    sign = learned_sign(known, model.shadow_members[0, own])
    return np.asarray(sign * gradient_norms(model.target, x, y)[0])


_OWN: dict[str, Callable[[AttackedModel], NDArray[np.floating]]] = {
    "loss": lambda model: log_expit(model.odds[0]),
    "confidence": lambda model: expit(model.odds[0]),
    "entropy": lambda model: entropy_score(model.logits[0]),
    "modified entropy": _modified_entropy,
    "shadow classifier": _shadow_classifier,
    "difficulty": _difficulty,
    "LiRA online": lambda model: lira_online(*model.odds, model.shadow_members),
    "LiRA offline": lambda model: lira_offline(*model.odds, model.shadow_members),
    "RMIA": lambda model: likelihood_ratio(
        expit(model.odds[0]), expit(model.odds[1]), ~model.shadow_members, offline_a=model.offline_a
    ),
    "RMIA, one reference": _one_reference,
    "quantile regression": _quantile,
    "gradient norm": _gradient_norm,
}

ATTACKS = Registry("membership attack", "sterling.privacy.attacks", _OWN, require_callable)
"""Scores (n,) by name, higher = more member.

An attack fits what it has to fit on the auxiliary records alone: the shadow classifier, class
thresholds and the sign of the gradient norm on shadow outputs, the quantile on the target's known
non-members. RMIA is represented by its likelihood ratio: the share of the population that a record
beats grows with it, and is 1 for many records at once. With one reference, the last shadow, what it
was trained on is imputed.
"""


def attack_scores(
    target: Models,
    shadows: Models,
    records: Records,
    *,
    target_members: NDArray[np.bool_],
    shadow_members: NDArray[np.bool_],
    auxiliary: NDArray[np.bool_],
    seed: int = 0,
) -> dict[str, NDArray[np.float64]]:
    """Score every record by every attack in ``ATTACKS``; arguments as in `AttackedModel`.

    Returns:
        For each attack float64 (n,). Auxiliary records must not calibrate or test.
    """
    if len(target) != 1 or len(shadows) < 4:
        raise InputError(
            f"{len(target)} targets and {len(shadows)} shadows: give one target, four shadows or "
            "more"
        )
    model = AttackedModel(target, shadows, records, target_members, shadow_members, auxiliary, seed)
    return {name: np.asarray(attack(model)) for name, attack in ATTACKS.items()}


_OWN_ON_TEXTS: dict[str, Callable[[TokenStats, TokenStats, Sequence[str], float], Tensor]] = {
    "Min-K": lambda target, _reference, _texts, share: min_k_score(target, share=share),
    "Min-K++": lambda target, _reference, _texts, share: min_k_plus_score(target, share=share),
    "zlib": lambda target, _reference, texts, _share: zlib_score(target, texts),
    "reference": lambda target, reference, _texts, _share: reference_score(target, reference),
}

TEXT_ATTACKS = Registry(
    "membership attack on texts", "sterling.privacy.text_attacks", _OWN_ON_TEXTS, require_callable
)
"""Scores (texts,) by name, higher = more member; arguments as in `text_attack_scores`."""


def text_attack_scores(
    target: TokenStats, reference: TokenStats, texts: Sequence[str], *, share: float = 0.2
) -> dict[str, NDArray[np.float64]]:
    """Score every text by every attack in ``TEXT_ATTACKS``.

    Args:
        target: Token statistics of the texts under the model attacked.
        reference: Token statistics under a model that was not trained on the texts.
        texts: The texts, for their compressed lengths.
        share: Share K of an answer's tokens that counts in Min-K and Min-K++.
    """
    return {
        name: attack(target, reference, texts, share).double().numpy()
        for name, attack in TEXT_ATTACKS.items()
    }
