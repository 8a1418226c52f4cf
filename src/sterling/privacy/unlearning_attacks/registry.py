"""All attacks on a classifier's stored answers at once, and all on a language model."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.lm import TokenStats, token_stats
from sterling.measure import Scores, tpr_at_fpr
from sterling.privacy.membership.entropy import entropy_score
from sterling.privacy.membership.min_k import min_k_score
from sterling.privacy.membership.min_k_plus import min_k_plus_score
from sterling.privacy.membership.phi import phi
from sterling.privacy.unlearning import IGNORED, Descent, Examples
from sterling.privacy.unlearning.rmu import hidden_activations
from sterling.privacy.unlearning.terms import sequence_losses
from sterling.privacy.unlearning_attacks.benign_adapter import merge_benign_adapter
from sterling.privacy.unlearning_attacks.extraction import (
    exact_memorisation,
    extraction_strength,
    leak_at_k,
)
from sterling.privacy.unlearning_attacks.linear_probe import linear_probe
from sterling.privacy.unlearning_attacks.logit_lens import logit_lens
from sterling.privacy.unlearning_attacks.prefix import behind, best_prefix
from sterling.privacy.unlearning_attacks.quantisation import round_to_nearest
from sterling.privacy.unlearning_attacks.relearning import relearning_curve
from sterling.privacy.unlearning_attacks.rmia import rmia_after_unlearning
from sterling.privacy.unlearning_attacks.separation import attack_area
from sterling.privacy.unlearning_attacks.soft_prompt import fit_soft_prompt
from sterling.privacy.unlearning_attacks.two_model import (
    attack_two_models,
    degradation,
    posteriors,
)
from sterling.privacy.unlearning_attacks.ulira import ulira

CLASSIFIER_ATTACKS = (
    "loss",
    "entropy",
    "RMIA",
    "LiRA",
    "U-LiRA",
    "output difference",
    "two-model",
)
LANGUAGE_ATTACKS = (
    "greedy words",
    "extraction strength",
    "leak@8",
    "logit lens",
    "relearning",
    "benign adapter",
    "int8",
    "int4",
    "Min-K",
    "Min-K++",
    "output difference",
    "linear probe",
)
SHARE = 0.4  # K of Min-K: one of an answer's three tokens
RANK = 4  # of the benign adapter


def attack_classifiers(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    labels: NDArray[np.int64],
    membership: NDArray[np.bool_],
    group: NDArray[np.int64],
) -> dict[str, float]:
    """Areas at which each attack tells forgotten from never-seen records, over all models.

    "output difference" is the fall of the label's confidence from the model before to the one
    after (as TULA's, Du et al., ICML 2025); of those who see both it alone needs no shadow models.

    Args:
        before: Logits (models, records + population, C) before unlearning; records that no model
            learned come last and stand for the population.
        after: And after.
        labels: (records + population,), those that the models were trained on.
        membership: Whether the model learned and forgot the record (models, records);
            complementary pairs.
        group: Which group each record belongs to (records,), whole numbers from 0; all of a group
            are learned together.

    Returns:
        ``CLASSIFIER_ATTACKS`` by name, each in [0, 1] with 0.5 for no leak; "U-LiRA, group", the
        same of the mean score of each group; the true positive rate of U-LiRA at 1 % false
        positives; DegCount and DegRate of the two-model attack.
    """
    n = len(group)
    first, second = phi(before[:, :n], labels[:n]), phi(after[:, :n], labels[:n])
    old, new = posteriors(before), posteriors(after)
    everything = np.arange(len(labels))
    relative = rmia_after_unlearning(
        new[:, everything, labels], old[:, everything, labels], membership
    )
    pair = attack_two_models(old[:, :n], new[:, :n], membership)
    alone = attack_two_models(old[:, :n], old[:, :n], membership, features="direct concatenation")
    likelihood = ulira(second, membership)
    scores = {
        "loss": second,
        "entropy": entropy_score(after[:, :n]),
        "RMIA": relative,
        "LiRA": ulira(second, membership, shadow=first),
        "U-LiRA": likelihood,
        "output difference": first - second,
        "two-model": pair,
    }
    areas = {name: _area(values, membership) for name, values in scores.items()}
    members = np.unique(group, return_index=True)[1]
    by_group = np.stack([np.bincount(group, row) for row in likelihood]) / np.bincount(group)
    count, rate = degradation(pair, alone, membership)
    point = tpr_at_fpr(Scores(likelihood.ravel(), membership.ravel()), 0.01)
    return {
        **areas,
        "U-LiRA, group": _area(by_group, membership[:, members]),
        "TPR at 1 % FPR": point.rate.value,
        "DegCount": count,
        "DegRate": rate,
    }


def _area(scores: NDArray[np.floating], membership: NDArray[np.bool_]) -> float:
    return attack_area(scores[membership], scores[~membership]).value


@dataclass(frozen=True, eq=False)
class LanguageTarget:
    """What an attack on an unlearned language model is about.

    Attributes:
        before: The model before unlearning; tokens (N, T) to logits (N, T, V).
        forget: Forgotten texts.
        never_seen: Texts of the same kind that were in no training set.
        groups: Author of every text of ``forget``, then of ``never_seen``.
        asked: Other ways to ask for the forgotten texts, by name: in other words, in a context.
        benign: Texts of the training set that were not to be forgotten.
        layers: Names of the modules to look into, the last layer not among them.
        prompt: Tokens of an input that are given.
    """

    before: nn.Module
    forget: Examples
    never_seen: Examples
    groups: Tensor
    asked: Mapping[str, Examples]
    benign: Examples
    layers: tuple[str, ...]
    prompt: int

    def halves(self, seed: int) -> tuple[Examples, Examples]:
        """Forgotten texts that an attacker knows already, and those that he wants."""
        order = torch.randperm(len(self.forget), generator=torch.Generator().manual_seed(seed))
        half = max(1, len(order) // 2)
        return self.forget.select(order[:half]), self.forget.select(order[half:])


def attack_language_model(
    model: nn.Module, target: LanguageTarget, *, relearn: Descent, seed: int
) -> dict[str, float]:
    """What is still to be had of forgotten texts, one number per attack.

    Args:
        model: Unlearned; tokens (N, T) to logits (N, T, V).
        target: What was forgotten, and what is known beside it.
        relearn: Steps and rate of relearning and of the benign adapter.
        seed: Of samples and orders.

    Returns:
        ``LANGUAGE_ATTACKS`` and the ways to ask by name. "Min-K", "Min-K++", "output difference"
        and "linear probe" are areas, 0.5 for no leak, that of the probe at the layer where it is
        largest; all others are shares of words or texts, 0 for no leak: "relearning" the mean over
        the curve along which half of the texts is relearned, of the words of all; "logit lens" at
        the layer that says most; "int8", "int4", "benign adapter" after the weights were changed.
    """
    rng = torch.Generator().manual_seed(seed)
    forget, never_seen = target.forget, target.never_seen

    def greedy(network: nn.Module) -> float:
        return _said(network, forget)

    logits, unseen = _logits(model, forget), _logits(model, never_seen)
    tokens, others = _tokens(logits, forget), _tokens(unseen, never_seen)
    lens = [logit_lens(model, forget.inputs, layer) for layer in target.layers]
    adapted = merge_benign_adapter(model, target.benign, rank=RANK, rng=rng, descent=relearn)
    lesson, _ = target.halves(seed)
    return {
        "greedy words": greedy(model),
        "extraction strength": float(extraction_strength(logits, forget.labels).mean()),
        "leak@8": float(
            leak_at_k(model, forget, prompt=target.prompt, k=8, temperature=1.0, rng=rng).mean()
        ),
        "logit lens": max(float(exact_memorisation(z, forget.labels).mean()) for z in lens),
        "relearning": float(np.mean(relearning_curve(model, lesson, greedy, rng, relearn))),
        "benign adapter": greedy(adapted),
        "int8": greedy(round_to_nearest(model, 8)),
        "int4": greedy(round_to_nearest(model, 4)),
        **{name: _said(model, texts) for name, texts in target.asked.items()},
        "Min-K": attack_area(
            min_k_score(tokens, share=SHARE), min_k_score(others, share=SHARE)
        ).value,
        "Min-K++": attack_area(
            min_k_plus_score(tokens, share=SHARE), min_k_plus_score(others, share=SHARE)
        ).value,
        "output difference": attack_area(
            sequence_losses(logits, forget.labels)
            - sequence_losses(_logits(target.before, forget), forget.labels),
            sequence_losses(unseen, never_seen.labels)
            - sequence_losses(_logits(target.before, never_seen), never_seen.labels),
        ).value,
        "linear probe": max(_probe(model, target, layer) for layer in target.layers),
    }


def steer_language_model(
    model: nn.Module,
    target: LanguageTarget,
    prefixes: Tensor,
    *,
    research_use: bool,
    descent: Descent,
    seed: int,
) -> dict[str, float]:
    """What prompts fitted on half of the forgotten texts bring out of the other half.

    Args:
        model: Unlearned.
        target: What was forgotten.
        prefixes: Tokens (P, k) that may stand in place of a text's first k.
        research_use: Must be true.
        descent: Steps and rate of the soft prompt, which is k tokens long.
        seed: Of the halves and orders.

    Returns:
        Shares of the words said: "plainly asked", behind the "best prefix", the "soft prompt".

    Raises:
        InputError: When ``research_use`` is false.
    """
    known, wanted = target.halves(seed)
    rng = torch.Generator().manual_seed(seed)
    prompted = fit_soft_prompt(
        model,
        known,
        length=prefixes.shape[1],
        research_use=research_use,
        rng=rng,
        descent=descent,
    )
    prefix = best_prefix(model, known, prefixes, research_use=research_use)
    return {
        "plainly asked": _said(model, wanted),
        "best prefix": _said(model, behind(prefix, wanted)),
        "soft prompt": _said(prompted, wanted),
    }


def _logits(model: nn.Module, examples: Examples) -> Tensor:
    with torch.no_grad():
        result: Tensor = model(examples.inputs)
    return result


def _said(model: nn.Module, examples: Examples) -> float:
    """Share of the counted words that are the likeliest."""
    return float(exact_memorisation(_logits(model, examples), examples.labels).mean())


def _tokens(logits: Tensor, examples: Examples) -> TokenStats:
    return token_stats(logits, examples.labels, examples.labels != IGNORED)


@torch.no_grad()
def _probe(model: nn.Module, target: LanguageTarget, layer: str) -> float:
    run = hidden_activations(model, layer)
    at = target.prompt - 1
    forgotten, never_seen = (
        run(model, each.inputs)[:, at].numpy() for each in (target.forget, target.never_seen)
    )
    return linear_probe(forgotten, never_seen, target.groups.numpy()).value
