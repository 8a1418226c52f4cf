"""The attacks on unlearned classifiers and language models, by name.

`attack_classifiers` runs all of ``CLASSIFIER_ATTACKS`` on stored logits of shadow models;
`attack_language_model` runs all of ``LANGUAGE_ATTACKS``. To add an attack, assign it to one of the
two dictionaries.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from sterling.lm import TokenStats, token_stats
from sterling.measure import Scores, tpr_at_fpr
from sterling.privacy.membership.output_scores import entropy_score, phi
from sterling.privacy.membership.text_scores import min_k_plus_score, min_k_score
from sterling.privacy.unlearning import IGNORED, Descent, Examples
from sterling.privacy.unlearning.losses import sequence_losses
from sterling.privacy.unlearning.rmu import hidden_activations
from sterling.privacy.unlearning_attacks.language_model import (
    behind,
    best_prefix,
    exact_memorisation,
    extraction_strength,
    fit_soft_prompt,
    leak_at_k,
    linear_probe,
    logit_lens,
)
from sterling.privacy.unlearning_attacks.membership import (
    attack_two_models,
    degradation,
    posteriors,
    rmia_after_unlearning,
    ulira,
)
from sterling.privacy.unlearning_attacks.separation import attack_area
from sterling.privacy.unlearning_attacks.weight_changes import (
    merge_benign_adapter,
    relearning_curve,
    round_to_nearest,
)

SHARE = 0.4  # K of Min-K: one of an answer's three tokens
RANK = 4  # of the benign adapter


@dataclass(frozen=True, eq=False)
class ShadowAnswers:
    """Answers of shadow models before and after unlearning.

    Attributes:
        before: Logits (models, records + population, C) before unlearning; records that no model
            learned come last and stand for the population.
        after: Logits after unlearning, in the same shape.
        labels: Labels that the models were trained on (records + population,).
        membership: Whether the model learned and forgot the record (models, records);
            complementary pairs.
    """

    before: NDArray[np.floating]
    after: NDArray[np.floating]
    labels: NDArray[np.int64]
    membership: NDArray[np.bool_]

    @cached_property
    def confidences(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Confidence φ in each record's label before and after (models, records)."""
        n = self.membership.shape[1]
        return phi(self.before[:, :n], self.labels[:n]), phi(self.after[:, :n], self.labels[:n])

    @cached_property
    def posteriors(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Posteriors before and after (models, records + population, C)."""
        return posteriors(self.before), posteriors(self.after)

    def of_label(self, which: int) -> NDArray[np.float64]:
        """Return the posterior of each label before (0) or after (1)."""
        return self.posteriors[which][:, np.arange(len(self.labels)), self.labels]

    def two_models(self, after: int = 1, **options: str) -> NDArray[np.float64]:
        """Return the scores of the two-model attack on the posteriors before and after."""
        n = self.membership.shape[1]
        old, new = self.posteriors[0][:, :n], self.posteriors[after][:, :n]
        return attack_two_models(old, new, self.membership, **options)

    def area(self, scores: NDArray[np.floating]) -> float:
        """Return the area at which scores (models, records) tell forgotten from never seen."""
        return attack_area(scores[self.membership], scores[~self.membership]).value


CLASSIFIER_ATTACKS: dict[str, Callable[[ShadowAnswers], NDArray[np.floating]]] = {
    "loss": lambda answers: answers.confidences[1],
    "entropy": lambda answers: entropy_score(answers.after[:, : answers.membership.shape[1]]),
    "RMIA": lambda answers: rmia_after_unlearning(
        answers.of_label(1), answers.of_label(0), answers.membership
    ),
    "LiRA": lambda answers: ulira(
        answers.confidences[1], answers.membership, shadow=answers.confidences[0]
    ),
    "U-LiRA": lambda answers: ulira(answers.confidences[1], answers.membership),
    "output difference": lambda answers: answers.confidences[0] - answers.confidences[1],
    "two-model": ShadowAnswers.two_models,
}
"""Membership scores (models, records), higher = more like learned and forgotten, by name.

"output difference" is the fall of the label's confidence from the model before to the one after (as
TULA's, Du et al., ICML 2025); of those who see both it alone needs no shadow models.
"""


def attack_classifiers(
    before: NDArray[np.floating],
    after: NDArray[np.floating],
    labels: NDArray[np.int64],
    membership: NDArray[np.bool_],
    group: NDArray[np.int64],
) -> dict[str, float]:
    """Return the areas at which each attack tells forgotten from never-seen records, by name.

    Args:
        before: As in `ShadowAnswers`.
        after: As in `ShadowAnswers`.
        labels: As in `ShadowAnswers`.
        membership: As in `ShadowAnswers`.
        group: Group of each record (records,), whole numbers from 0; all of a group are learned
            together.

    Returns:
        ``CLASSIFIER_ATTACKS`` by name, each in [0, 1] with 0.5 for no leak; "U-LiRA, group", the
        same of the mean score of each group; the true positive rate of U-LiRA at 1 % false
        positives; DegCount and DegRate of the two-model attack.
    """
    answers = ShadowAnswers(before, after, labels, membership)
    scores = {name: attack(answers) for name, attack in CLASSIFIER_ATTACKS.items()}
    likelihood = scores["U-LiRA"]
    alone = answers.two_models(0, features="direct concatenation")
    count, rate = degradation(scores["two-model"], alone, membership)
    point = tpr_at_fpr(Scores(likelihood.ravel(), membership.ravel()), 0.01)
    members = np.unique(group, return_index=True)[1]
    by_group = np.stack([np.bincount(group, row) for row in likelihood]) / np.bincount(group)
    learned = membership[:, members]
    return {
        **{name: answers.area(values) for name, values in scores.items()},
        "U-LiRA, group": attack_area(by_group[learned], by_group[~learned]).value,
        "TPR at 1 % FPR": point.rate.value,
        "DegCount": count,
        "DegRate": rate,
    }


@dataclass(frozen=True, eq=False)
class LanguageTarget:
    """Texts and knowledge that an attack on an unlearned language model is about.

    Attributes:
        before: Model before unlearning; maps tokens (N, T) to logits (N, T, V).
        forget: Forgotten texts.
        never_seen: Texts of the same kind that were in no training set.
        groups: Author of every text of ``forget``, then of ``never_seen``.
        asked: Other ways to ask for the forgotten texts, by name: in other words, in a context.
        benign: Texts of the training set that were not to be forgotten.
        layers: Names of the modules to look into, the last layer not among them.
        prompt: Number of tokens of an input that are given.
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
        """Split forgotten texts into those that an attacker knows and those that he wants."""
        order = torch.randperm(len(self.forget), generator=torch.Generator().manual_seed(seed))
        half = max(1, len(order) // 2)
        return self.forget.select(order[:half]), self.forget.select(order[half:])


def _logits(model: nn.Module, examples: Examples) -> Tensor:
    with torch.no_grad():
        result: Tensor = model(examples.inputs)
    return result


def _said(model: nn.Module, examples: Examples) -> float:
    """Share of the counted words that are the likeliest."""
    return float(exact_memorisation(_logits(model, examples), examples.labels).mean())


class Attacked:
    """An unlearned language model under attack, with what several attacks share.

    Attributes:
        model: The unlearned model.
        target: Forgotten texts and other knowledge.
        relearn: Steps and rate of relearning and of the benign adapter.
        seed: Seed of the halves.
        rng: Draws samples and orders, in the order of ``LANGUAGE_ATTACKS``.
        adapted: The model with a merged benign adapter.
    """

    def __init__(
        self, model: nn.Module, target: LanguageTarget, relearn: Descent, seed: int
    ) -> None:
        self.model, self.target, self.relearn, self.seed = model, target, relearn, seed
        self.rng = torch.Generator().manual_seed(seed)
        self.adapted = merge_benign_adapter(
            model, target.benign, rank=RANK, rng=self.rng, descent=relearn
        )

    def greedy(self, network: nn.Module) -> float:
        """Return the share of the forgotten words that a model says."""
        return _said(network, self.target.forget)

    @cached_property
    def logits(self) -> tuple[Tensor, Tensor]:
        """Logits on the forgotten and the never-seen texts."""
        return _logits(self.model, self.target.forget), _logits(self.model, self.target.never_seen)

    def area(self, score: Callable[[Examples, Tensor], ArrayLike]) -> float:
        """Return the area at which a score of texts and logits tells forgotten from never seen."""
        forgotten, never_seen = (
            score(texts, logits)
            for texts, logits in zip(
                (self.target.forget, self.target.never_seen), self.logits, strict=True
            )
        )
        return attack_area(forgotten, never_seen).value

    def rise(self, texts: Examples, logits: Tensor) -> Tensor:
        """Return by how much unlearning raised the losses of texts (N,)."""
        before = sequence_losses(_logits(self.target.before, texts), texts.labels)
        return sequence_losses(logits, texts.labels) - before

    def lens(self, layer: str) -> float:
        """Return the share of the forgotten words that a layer says through the model's head."""
        logits = logit_lens(self.model, self.target.forget.inputs, layer)
        return float(exact_memorisation(logits, self.target.forget.labels).mean())

    def probe(self, layer: str) -> float:
        """Return the area of a linear probe on a layer at the last token of the prompt."""
        run, at = hidden_activations(self.model, layer), self.target.prompt - 1
        with torch.no_grad():
            forgotten, never_seen = (
                run(self.model, each.inputs)[:, at].numpy()
                for each in (self.target.forget, self.target.never_seen)
            )
        return linear_probe(forgotten, never_seen, self.target.groups.numpy()).value

    def leak(self, k: int) -> float:
        """Return the share of forgotten texts that one of k sampled continuations gives whole."""
        return float(
            leak_at_k(
                self.model,
                self.target.forget,
                prompt=self.target.prompt,
                k=k,
                temperature=1.0,
                rng=self.rng,
            ).mean()
        )

    def relearned(self) -> float:
        """Return the mean share of words said while half of the texts is relearned."""
        lesson, _ = self.target.halves(self.seed)
        curve = relearning_curve(self.model, lesson, self.greedy, self.rng, self.relearn)
        return float(np.mean(curve))


def _tokens(logits: Tensor, examples: Examples) -> TokenStats:
    return token_stats(logits, examples.labels, examples.labels != IGNORED)


LANGUAGE_ATTACKS: dict[str, Callable[[Attacked], float]] = {
    "greedy words": lambda attacked: attacked.greedy(attacked.model),
    "extraction strength": lambda attacked: float(
        extraction_strength(attacked.logits[0], attacked.target.forget.labels).mean()
    ),
    "leak@8": lambda attacked: attacked.leak(8),
    "logit lens": lambda attacked: max(map(attacked.lens, attacked.target.layers)),
    "relearning": Attacked.relearned,
    "benign adapter": lambda attacked: attacked.greedy(attacked.adapted),
    "int8": lambda attacked: attacked.greedy(round_to_nearest(attacked.model, 8)),
    "int4": lambda attacked: attacked.greedy(round_to_nearest(attacked.model, 4)),
    "Min-K": lambda attacked: attacked.area(
        lambda texts, logits: min_k_score(_tokens(logits, texts), share=SHARE)
    ),
    "Min-K++": lambda attacked: attacked.area(
        lambda texts, logits: min_k_plus_score(_tokens(logits, texts), share=SHARE)
    ),
    "output difference": lambda attacked: attacked.area(attacked.rise),
    "linear probe": lambda attacked: max(map(attacked.probe, attacked.target.layers)),
}
"""Figures of what is still to be had of forgotten texts, by name.

"Min-K", "Min-K++", "output difference" and "linear probe" are areas, 0.5 for no leak; all others
are shares of words or texts, 0 for no leak.
"""


def attack_language_model(
    model: nn.Module, target: LanguageTarget, *, relearn: Descent, seed: int
) -> dict[str, float]:
    """Return one figure per attack on a language model, by name.

    Args:
        model: Unlearned model; maps tokens (N, T) to logits (N, T, V).
        target: Forgotten texts and other knowledge.
        relearn: Steps and rate of relearning and of the benign adapter.
        seed: Seed of samples and orders.

    Returns:
        ``LANGUAGE_ATTACKS``, and the share of words said for each way to ask.
    """
    attacked = Attacked(model, target, relearn, seed)
    return {
        **{name: attack(attacked) for name, attack in LANGUAGE_ATTACKS.items()},
        **{name: _said(model, texts) for name, texts in target.asked.items()},
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
    """Return the words that prompts fitted on half of the texts bring out of the other half.

    Args:
        model: Unlearned model.
        target: Forgotten texts.
        prefixes: Tokens (P, k) that may stand in place of a text's first k.
        research_use: Must be true.
        descent: Steps and rate of the soft prompt, which is k tokens long.
        seed: Seed of the halves and orders.

    Returns:
        Shares of the words said: "plainly asked", behind the "best prefix", the "soft prompt".

    Raises:
        InputError: When ``research_use`` is false.
    """
    known, wanted = target.halves(seed)
    rng = torch.Generator().manual_seed(seed)
    prompted = fit_soft_prompt(
        model, known, length=prefixes.shape[1], research_use=research_use, rng=rng, descent=descent
    )
    prefix = best_prefix(model, known, prefixes, research_use=research_use)
    return {
        "plainly asked": _said(model, wanted),
        "best prefix": _said(model, behind(prefix, wanted)),
        "soft prompt": _said(prompted, wanted),
    }
