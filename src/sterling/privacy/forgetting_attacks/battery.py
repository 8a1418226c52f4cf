"""All attacks on a classifier's stored answers at once, and all on a language model's."""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.lm import token_stats
from sterling.measure import Scores, tpr_at_fpr
from sterling.privacy.forgetting_attacks.extraction import (
    exact_memorisation,
    extraction_strength,
    leak_at_k,
)
from sterling.privacy.forgetting_attacks.quantisation import round_to_nearest
from sterling.privacy.forgetting_attacks.relearning import relearning_curve
from sterling.privacy.forgetting_attacks.separation import attack_area
from sterling.privacy.forgetting_attacks.two_model import (
    attack_two_models,
    degradation,
    posteriors,
)
from sterling.privacy.forgetting_attacks.ulira import ulira
from sterling.privacy.membership.entropy import entropy_score
from sterling.privacy.membership.min_k import min_k_score
from sterling.privacy.membership.phi import phi
from sterling.privacy.unlearning import IGNORED, Descent, Examples

__all__ = ["CLASSIFIER_ATTACKS", "LANGUAGE_ATTACKS", "attack_classifiers", "attack_language_model"]

CLASSIFIER_ATTACKS = ("loss", "entropy", "LiRA", "U-LiRA", "two-model")
LANGUAGE_ATTACKS = (
    "greedy words",
    "extraction strength",
    "leak@8",
    "Min-K",
    "relearning",
    "int8",
    "int4",
)


def attack_classifiers(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    labels: NDArray[np.int64],
    membership: NDArray[np.bool_],
) -> dict[str, float]:
    """Areas at which each attack tells forgotten from never-seen records, over all models.

    Args:
        before: Logits (models, records, C) before unlearning.
        after: And after.
        labels: (records,), those that the models were trained on.
        membership: Whether the model learned and forgot the record; complementary pairs.

    Returns:
        ``CLASSIFIER_ATTACKS`` by name, each in [0, 1] with 0.5 for no leak; the true positive rate
        of U-LiRA at 1 % false positives; DegCount and DegRate of the two-model attack.
    """
    first, second = phi(before, labels), phi(after, labels)
    old, new = posteriors(before), posteriors(after)
    pair = attack_two_models(old, new, membership)
    alone = attack_two_models(old, old, membership, features="direct concatenation")
    likelihood = ulira(second, membership)
    scores = {
        "loss": second,
        "entropy": entropy_score(after),
        "LiRA": ulira(second, membership, shadow=first),
        "U-LiRA": likelihood,
        "two-model": pair,
    }
    areas = {
        name: attack_area(values[membership], values[~membership]).value
        for name, values in scores.items()
    }
    count, rate = degradation(pair, alone, membership)
    point = tpr_at_fpr(Scores(likelihood.ravel(), membership.ravel()), 0.01)
    return {**areas, "TPR at 1 % FPR": point.rate.value, "DegCount": count, "DegRate": rate}


def attack_language_model(
    model: nn.Module,
    forget: Examples,
    never_seen: Examples,
    *,
    prompt: int,
    relearn: Descent,
    seed: int,
) -> dict[str, float]:
    """What is still to be had of forgotten texts, one number per attack.

    Args:
        model: Unlearned; tokens (N, T) to logits (N, T, V).
        forget: Forgotten texts; half of them are the lesson of relearning, which is measured on
            all of them.
        never_seen: Texts of the same kind that were in no training set.
        prompt: Tokens of an input that are given.
        relearn: Steps and rate of relearning.
        seed: Of samples and orders.

    Returns:
        ``LANGUAGE_ATTACKS`` by name. "Min-K" is an area, 0.5 for no leak; all others are shares of
        words or texts, 0 for no leak: "relearning" the mean over the relearning curve of the words
        said greedily, "int8" and "int4" the words said after rounding the weights.
    """
    rng = torch.Generator().manual_seed(seed)

    def greedy(network: nn.Module) -> float:
        return float(exact_memorisation(_logits(network, forget), forget.labels).mean())

    logits = _logits(model, forget)
    leaks = leak_at_k(model, forget, prompt=prompt, k=8, temperature=1.0, rng=rng)
    area = attack_area(_min_k(logits, forget), _min_k(_logits(model, never_seen), never_seen))
    lesson = forget.select(torch.randperm(len(forget), generator=rng)[: max(1, len(forget) // 2)])
    return {
        "greedy words": greedy(model),
        "extraction strength": float(extraction_strength(logits, forget.labels).mean()),
        "leak@8": float(leaks.mean()),
        "Min-K": area.value,
        "relearning": float(np.mean(relearning_curve(model, lesson, greedy, rng, relearn))),
        "int8": greedy(round_to_nearest(model, 8)),
        "int4": greedy(round_to_nearest(model, 4)),
    }


def _logits(model: nn.Module, examples: Examples) -> Tensor:
    with torch.no_grad():
        result: Tensor = model(examples.inputs)
    return result


def _min_k(logits: Tensor, examples: Examples) -> NDArray[np.float64]:
    stats = token_stats(logits, examples.labels, examples.labels != IGNORED)
    return np.asarray(min_k_score(stats, share=0.4).double().numpy())
