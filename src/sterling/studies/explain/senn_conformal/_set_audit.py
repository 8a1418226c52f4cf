"""Audit of sets of concepts and labels over many resplits of items that trained nothing.

A random resplit is exchangeable whatever the items are, so that the mean coverage over resplits
tests the guarantee itself. Figures are means over the resplits.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from sterling.explain import (
    ConceptData,
    ConceptNetwork,
    ConceptScore,
    Explained,
    bonferroni_score,
    calibrate_repair,
    explain,
    fit_prototypes,
    label_scores_by_enumeration,
    shortfalls,
)
from sterling.guarantee import LabelScore, calibrate_label_sets, conformal_quantile

Floats = NDArray[np.float64]
Figures = dict[str, float]
CONCEPT_COVERAGE, EXPLANATION_SIZE = "concept coverage", "explanation size"
LABEL_COVERAGE, LABEL_SIZE, SINGLETONS = "label coverage", "label size", "singletons"


@dataclass(frozen=True, eq=False)
class Resplit:
    """Positions of one resplit: a quarter, a quarter, and a half of the items."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    test: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Evaluated:
    """Items of one repetition that trained nothing, and what the network says of them.

    Attributes:
        data: The items.
        explained: Concept scores and logits of the network.
        vectors: All concept vectors, bool (V, m).
        logits_of_vectors: Logits that the head gives every concept vector (V, C).
        resplits: Resplits of the items.
    """

    data: ConceptData
    explained: Explained
    vectors: NDArray[np.bool_]
    logits_of_vectors: Floats
    resplits: list[Resplit]

    @property
    def winners(self) -> NDArray[np.intp]:
        """The head's label of every concept vector."""
        return np.asarray(self.logits_of_vectors.argmax(axis=1))

    @property
    def joint_score(self) -> ConceptScore:
        """The largest misfit of any concept."""
        return ConceptScore((1.0,) * len(self.data.names))

    def by_label(self, table: NDArray[Any]) -> NDArray[Any]:
        """Return the entry of each item's own label, of a table (N, C)."""
        return table[np.arange(len(self.data)), self.data.labels]

    def mean(self, figures: Callable[[Resplit], Figures]) -> Figures:
        """Average figures over the resplits."""
        rows = [figures(one) for one in self.resplits]
        return {name: float(np.mean([row[name] for row in rows])) for name in rows[0]}


def label_figures(sets: NDArray[np.bool_], labels: NDArray[np.intp]) -> Figures:
    """Return coverage, mean size and share of singletons of label sets (N, C)."""
    sizes = sets.sum(axis=1)
    covered = sets[np.arange(len(labels)), labels]
    return {
        LABEL_COVERAGE: covered.mean(),
        LABEL_SIZE: sizes.mean(),
        SINGLETONS: (sizes == 1).mean(),
    }


def threshold_sets(
    items: Evaluated,
    own: Floats,
    epsilon: float,
    members: Floats | None = None,
    labels: Floats | None = None,
    *,
    limit: float | None = None,
) -> Figures:
    """Coverage and sizes of sets of what scores at most a calibrated threshold.

    Args:
        items: The items.
        own: Score of each item's truth, which the threshold is calibrated on (N,).
        epsilon: Error level.
        members: Score of every possible explanation (N, E); None for label sets alone.
        labels: Score of every label (N, C); None for explanations alone.
        limit: A threshold instead of a calibrated one.
    """

    def figures(one: Resplit) -> Figures:
        threshold = conformal_quantile(own[one.first], epsilon) if limit is None else limit
        found = {}
        if members is not None:
            found[CONCEPT_COVERAGE] = (own[one.test] <= threshold).mean()
            found[EXPLANATION_SIZE] = (members[one.test] <= threshold).sum(axis=1).mean()
        if labels is not None:
            found |= label_figures(labels[one.test] <= threshold, items.data.labels[one.test])
        return found

    return items.mean(figures)


def bonferroni_sets(items: Evaluated, epsilon: float) -> Figures:
    """Coverage and sizes of the product over concepts, each at a share of the level."""
    h, concepts = items.explained.scores, items.data.concepts

    def figures(one: Resplit) -> Figures:
        score = bonferroni_score(h[one.first], concepts[one.first], epsilon)
        sizes = score.values(h[one.test], 1.0).sum(axis=2).prod(axis=1)
        covered = score(h[one.test], concepts[one.test]) <= 1
        return {CONCEPT_COVERAGE: covered.mean(), EXPLANATION_SIZE: sizes.mean()}

    return items.mean(figures)


def prototype_sets(
    items: Evaluated, model: ConceptNetwork, training: ConceptData, per_class: int, epsilon: float
) -> Figures:
    """Coverage and sizes of sets of prototypes, ``per_class`` of each class, and of labels."""
    embedded = explain(model, training.inputs).embedding
    prototypes = fit_prototypes(embedded, training.labels, per_class)
    embedding = items.explained.embedding
    labels = prototypes.class_scores(embedding, items.data.n_classes)
    own = items.by_label(labels)
    return threshold_sets(items, own, epsilon, prototypes.scores(embedding), labels)


def label_only_sets(items: Evaluated, epsilon: float, score: LabelScore) -> Figures:
    """Coverage and sizes of label sets on the network's own label probabilities."""
    probabilities, labels = softmax(items.explained.logits, axis=1), items.data.labels
    rng = np.random.default_rng(0)

    def figures(one: Resplit) -> Figures:
        known = probabilities[one.first], labels[one.first]
        rule = calibrate_label_sets(*known, epsilon, score, rng=rng)
        return label_figures(rule.sets(probabilities[one.test], rng=rng), labels[one.test])

    return items.mean(figures)


def conditional_coverage(
    items: Evaluated, score: ConceptScore, epsilon: float
) -> dict[str, tuple[float | None, float]]:
    """Coverage and share of the items, by class and by the number of undecided concepts."""
    h, labels = items.explained.scores, items.data.labels
    own = score(h, items.data.concepts)
    numbers = {"class": items.data.n_classes, "undecided": len(items.data.names) + 1}
    tables = {name: np.zeros((number, 2)) for name, number in numbers.items()}
    for one in items.resplits:
        limit = conformal_quantile(own[one.first], epsilon)
        undecided = score.values(h[one.test], limit).all(axis=2).sum(axis=1)
        covered = own[one.test] <= limit
        for table, key in zip(tables.values(), (labels[one.test], undecided), strict=True):
            table[:, 0] += np.bincount(key, weights=covered, minlength=len(table))
            table[:, 1] += np.bincount(key, minlength=len(table))
    return {
        f"{name} {place}": (float(a / b) if b else None, float(b / table[:, 1].sum()))
        for name, table in tables.items()
        for place, (a, b) in enumerate(table)
    }


def noisy_labels(
    items: Evaluated,
    answers: NDArray[np.intp],
    rng: np.random.Generator,
    *,
    epsilon: float,
    epsilon_label: float,
    share: float,
) -> tuple[float, dict[str, Figures]]:
    """Cover labels when the head is wrong for some items, plainly and repaired.

    Args:
        items: The items.
        answers: The head's label for the true concepts, (N,).
        rng: Source of the moves of labels.
        epsilon: Error level of the concept sets.
        epsilon_label: Error level of the repaired label sets.
        share: Share of the labels that is moved.

    Returns:
        Share of the labels that was moved, and figures of "plain" and "repaired" sets.
    """
    n, classes = len(items.data), items.data.n_classes
    moved = rng.random(n) < share
    labels = np.where(moved, (answers + rng.integers(1, classes, n)) % classes, answers)
    h, score = items.explained.scores, items.joint_score
    own, of_vectors = score(h, items.data.concepts), score.of_vectors(h, items.vectors)
    of_labels = label_scores_by_enumeration(of_vectors, items.winners, classes)

    def plain(one: Resplit) -> Figures:
        limit = conformal_quantile(own[one.first], epsilon)
        return label_figures(of_labels[one.test] <= limit, labels[one.test])

    def repaired(one: Resplit) -> Figures:
        limit = conformal_quantile(own[one.first], epsilon)
        both = np.concatenate([one.second, one.test])
        short = shortfalls(of_vectors[both], limit, items.logits_of_vectors)
        calibration, test = np.split(short, [len(one.second)])
        rule = calibrate_repair(calibration, labels[one.second], epsilon_label)
        return label_figures(rule.sets(test), labels[one.test])

    return float(moved.mean()), {"plain": items.mean(plain), "repaired": items.mean(repaired)}
