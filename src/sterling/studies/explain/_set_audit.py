"""What sets of concepts and labels do over many resplits of items that a network has judged.

A random resplit is exchangeable whatever the items are, so that the mean coverage over resplits
tests the guarantee itself. An arm is one way to make sets; its figures are means with the standard
error over the resplits.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from sterling.explain.concept_data import ConceptData
from sterling.explain.concept_network import ConceptNetwork, Explained, explain
from sterling.explain.concept_sets import ConceptScore, bonferroni_score
from sterling.explain.label_transfer import label_scores_by_enumeration
from sterling.explain.prototypes import fit_prototypes
from sterling.explain.repaired_labels import calibrate_repair, shortfalls
from sterling.guarantee import LabelScore, calibrate_label_sets, conformal_quantile

Floats = NDArray[np.float64]
MEASURES = ("concept coverage", "explanation size", "label coverage", "label size", "singletons")


@dataclass(frozen=True, eq=False)
class Resplit:
    """Positions of one resplit: a quarter, a quarter, and a half of the items."""

    first: NDArray[np.intp]
    second: NDArray[np.intp]
    test: NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Judged:
    """What is left of one seed's items after the network has spoken."""

    data: ConceptData
    said: Explained
    vectors: NDArray[np.bool_]
    logits_of_vectors: Floats
    resplits: list[Resplit]

    @property
    def winners(self) -> NDArray[np.intp]:
        """The head's label of every concept vector."""
        return np.asarray(self.logits_of_vectors.argmax(axis=1))

    def by_label(self, table: NDArray[Any]) -> NDArray[Any]:
        """The entry of each item's own label, of a table (N, C)."""
        return table[np.arange(len(self.data)), self.data.labels]


def over_resplits(rows: Sequence[Sequence[float]], names: Sequence[str]) -> dict[str, Any]:
    """Mean and standard error over the resplits of each column."""
    table = np.array(rows, dtype=float)
    errors = table.std(axis=0, ddof=1) / np.sqrt(len(table))
    return {
        name: [float(mean), float(error)]
        for name, mean, error in zip(names, table.mean(axis=0), errors, strict=True)
    }


def threshold_arm(
    judged: Judged,
    own: Floats,
    of_members: Floats,
    of_labels: Floats | None,
    limits: Sequence[float],
) -> dict[str, Any]:
    """Coverage and sizes of the sets ``score <= limit`` of each resplit."""
    rows = []
    for one, limit in zip(judged.resplits, limits, strict=True):
        test = one.test
        row = [(own[test] <= limit).mean(), (of_members[test] <= limit).sum(axis=1).mean()]
        if of_labels is not None:
            row += label_row(of_labels[test] <= limit, judged.data.labels[test])
        rows.append(row)
    return over_resplits(rows, MEASURES[: len(rows[0])])


def label_row(sets: NDArray[np.bool_], labels: NDArray[np.intp]) -> list[float]:
    """Coverage, mean size and share of singletons of label sets (N, C)."""
    sizes = sets.sum(axis=1)
    covered = sets[np.arange(len(labels)), labels]
    return [float(covered.mean()), float(sizes.mean()), float((sizes == 1).mean())]


def bonferroni_arm(judged: Judged, epsilon: float) -> dict[str, Any]:
    """The same of the product over concepts, each at a share of the level."""
    h, concepts = judged.said.scores, judged.data.concepts
    rows = []
    for one in judged.resplits:
        score = bonferroni_score(h[one.first], concepts[one.first], epsilon)
        covered = score(h[one.test], concepts[one.test]) <= 1
        rows.append(
            [covered.mean(), score.values(h[one.test], 1.0).sum(axis=2).prod(axis=1).mean()]
        )
    return over_resplits(rows, MEASURES[:2])


def prototype_arm(
    judged: Judged, model: ConceptNetwork, training: ConceptData, per_class: int, epsilon: float
) -> dict[str, Any]:
    """Coverage and sizes of sets of prototypes, ``per_class`` of each class."""
    prototypes = fit_prototypes(
        explain(model, training.inputs).embedding, training.labels, per_class
    )
    of_classes = prototypes.class_scores(judged.said.embedding, judged.data.n_classes)
    own = judged.by_label(of_classes)
    limits = [conformal_quantile(own[one.first], epsilon) for one in judged.resplits]
    of_prototypes = prototypes.scores(judged.said.embedding)
    return threshold_arm(judged, own, of_prototypes, of_classes, limits)


def label_only_arm(judged: Judged, epsilon: float, score: LabelScore) -> dict[str, Any]:
    """Coverage and sizes of label sets on the network's own label probabilities."""
    probabilities = softmax(judged.said.logits, axis=1)
    labels = judged.data.labels
    rng = np.random.default_rng(0)
    rows = []
    for one in judged.resplits:
        rule = calibrate_label_sets(
            probabilities[one.first], labels[one.first], epsilon, score, rng=rng
        )
        rows.append(label_row(rule.sets(probabilities[one.test], rng=rng), labels[one.test]))
    return over_resplits(rows, MEASURES[2:])


def conditional_coverage(
    judged: Judged, own: Floats, score: ConceptScore, limits: Sequence[float]
) -> dict[str, Any]:
    """Covered and all items, by class and by the number of undecided concepts."""
    labels, m = judged.data.labels, len(judged.data.names)
    by_class = np.zeros((judged.data.n_classes, 2))
    by_undecided = np.zeros((m + 1, 2))
    for one, limit in zip(judged.resplits, limits, strict=True):
        test, covered = one.test, own[one.test] <= limit
        undecided = score.values(judged.said.scores[test], limit).all(axis=2).sum(axis=1)
        for table, key in ((by_class, labels[test]), (by_undecided, undecided)):
            table[:, 0] += np.bincount(key, weights=covered, minlength=len(table))
            table[:, 1] += np.bincount(key, minlength=len(table))
    return {
        name: [[float(a / b) if b else None, float(b / table[:, 1].sum())] for a, b in table]
        for name, table in (("class", by_class), ("undecided", by_undecided))
    }


def noisy_labels(
    judged: Judged,
    answers: NDArray[np.intp],
    rng: np.random.Generator,
    *,
    epsilon: float,
    epsilon_label: float,
    share: float,
) -> dict[str, Any]:
    """Label coverage when the head is wrong for some items, plain and repaired.

    Args:
        judged: The items.
        answers: What the head says of the true concepts, (N,).
        rng: Moves labels.
        epsilon: Error level of the concept sets.
        epsilon_label: Of the repaired label sets.
        share: Of the labels that is moved.
    """
    n, classes = len(judged.data), judged.data.n_classes
    moved = rng.random(n) < share
    labels = np.where(moved, (answers + rng.integers(1, classes, n)) % classes, answers)
    score = ConceptScore((1.0,) * len(judged.data.names))
    of_vectors = score.of_vectors(judged.said.scores, judged.vectors)
    of_labels = label_scores_by_enumeration(of_vectors, judged.winners, classes)
    own = score(judged.said.scores, judged.data.concepts)
    rows = []
    for one in judged.resplits:
        limit = conformal_quantile(own[one.first], epsilon)
        both = np.concatenate([one.second, one.test])
        short = shortfalls(of_vectors[both], limit, judged.logits_of_vectors)
        n_second = len(one.second)
        rule = calibrate_repair(short[:n_second], labels[one.second], epsilon_label)
        plain = label_row(of_labels[one.test] <= limit, labels[one.test])
        rows.append([*plain[:2], *label_row(rule.sets(short[n_second:]), labels[one.test])[:2]])
    names = ("plain coverage", "plain size", "repaired coverage", "repaired size")
    return {"head error": float(moved.mean()), **over_resplits(rows, names)}
