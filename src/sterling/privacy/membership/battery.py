"""Every attack on one classifier, from one set of shadow models."""

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import expit, log_expit

from sterling.errors import InputError
from sterling.privacy.data.records import Records
from sterling.privacy.membership.conformity import nonmember_conformity
from sterling.privacy.membership.difficulty import difficulty_score
from sterling.privacy.membership.entropy import entropy_score
from sterling.privacy.membership.gradient_norm import gradient_norms, learned_sign
from sterling.privacy.membership.lira import lira_offline, lira_online
from sterling.privacy.membership.modified_entropy import class_thresholds, modified_entropy_score
from sterling.privacy.membership.phi import phi
from sterling.privacy.membership.quantile import QuantileRegression
from sterling.privacy.membership.rmia import likelihood_ratio, tune_offline_a
from sterling.privacy.membership.shadow_classifier import ShadowClassifier
from sterling.privacy.targets.models import Models

ATTACKS = (
    "loss",
    "confidence",
    "entropy",
    "modified entropy",
    "shadow classifier",
    "difficulty",
    "LiRA online",
    "LiRA offline",
    "RMIA",
    "RMIA, one reference",
    "quantile regression",
    "gradient norm",
)


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
    """Scores of every record by every attack in ``ATTACKS``; higher = more member.

    The shadows come in complementary pairs, as ``balanced_membership`` draws them. What an attack
    has to fit, it fits on the auxiliary records alone: the shadow classifier, class thresholds and
    the sign of the gradient norm on shadow outputs, the quantile on the target's known
    non-members; RMIA's ``offline_a`` by attacking the first shadow with those of the other pairs.

    RMIA is represented by its likelihood ratio: the share of the population that a record beats
    grows with it, and is 1 for many records at once. With one reference, the last shadow, what it
    was trained on is imputed; that divides by ``offline_a``, which is then 0.1 or more.

    Args:
        target: The one model attacked.
        shadows: Two pairs or more, of the target's architecture or another.
        records: (n).
        target_members: Which records the target was trained on, (n,). Read on auxiliary records
            only.
        shadow_members: The same of the shadows, (shadows, n).
        auxiliary: Which records belong to the attacker, (n,); members and non-members of the
            target and of each shadow in every class.
        seed: Of the quantile regression.

    Returns:
        For each attack float64 (n,). Auxiliary records must not calibrate or test.
    """
    if len(target) != 1 or len(shadows) < 4:
        raise InputError(
            f"{len(target)} targets and {len(shadows)} shadows: give one target, four shadows or "
            "more"
        )
    x, y, own = torch.from_numpy(records.x), records.y, auxiliary
    target_logits, logits = target.logits(x)[0].numpy(), shadows.logits(x).numpy()
    odds, shadow_odds = phi(target_logits, y), phi(logits, y)
    outside = ~shadow_members
    classifier = ShadowClassifier().fit(logits[:, own], y[own], shadow_members[:, own])
    u = classifier.nonmember_probability(target_logits, y)
    probability, references = expit(odds), expit(shadow_odds)
    # Every other non-member of the attacked shadow stands for the population.
    population = ~shadow_members[0, own] & (np.arange(own.sum()) % 2 == 0)
    a = tune_offline_a(
        references[0, own],
        shadow_members[0, own],
        references[2:, own],
        outside[2:, own],
        population,
    )
    return {
        "loss": log_expit(odds),
        "confidence": probability,
        "entropy": entropy_score(target_logits),
        "modified entropy": modified_entropy_score(target_logits, y)
        - _class_thresholds(logits, y, shadow_members, own)[y],
        "shadow classifier": -nonmember_conformity(u),
        "difficulty": difficulty_score(
            log_expit(odds), np.where(outside, log_expit(shadow_odds), np.nan)
        ),
        "LiRA online": lira_online(odds, shadow_odds, shadow_members),
        "LiRA offline": lira_offline(odds, shadow_odds, shadow_members),
        "RMIA": likelihood_ratio(probability, references, outside, offline_a=a),
        "RMIA, one reference": likelihood_ratio(
            probability, references[-1:], outside[-1:], offline_a=max(a, 0.1), impute=True
        ),
        "quantile regression": _quantile(records, odds, own & ~target_members, seed),
        "gradient norm": _gradient_norm(target, shadows, records, shadow_members, own),
    }


def _class_thresholds(
    logits: NDArray[np.float32],
    y: NDArray[np.int64],
    members: NDArray[np.bool_],
    own: NDArray[np.bool_],
) -> NDArray[np.float64]:
    scores = modified_entropy_score(logits[:, own], y[own])
    labels = np.broadcast_to(y[own], scores.shape)
    return class_thresholds(
        scores.ravel(), labels.ravel(), members[:, own].ravel(), logits.shape[-1]
    )


def _quantile(
    records: Records, odds: NDArray[np.float64], known: NDArray[np.bool_], seed: int
) -> NDArray[np.float64]:
    features = np.concatenate(
        [records.x.reshape(len(records), -1), np.eye(records.classes)[records.y]], axis=1
    )
    fitted = QuantileRegression(seed=seed).fit(features[known], odds[known])
    return fitted.score(features, odds)


def _gradient_norm(
    target: Models,
    shadows: Models,
    records: Records,
    members: NDArray[np.bool_],
    own: NDArray[np.bool_],
) -> NDArray[np.float64]:
    x, y = torch.from_numpy(records.x), torch.from_numpy(records.y)
    known = gradient_norms(shadows.select([0]), x[own], y[own])[0]
    return np.asarray(learned_sign(known, members[0, own]) * gradient_norms(target, x, y)[0])
