"""One network on one source of data: trained, calibrated and resplit."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Literal

import numpy as np
import torch
from pydantic import Field

from sterling.explain import (
    ConceptData,
    ConceptNetwork,
    ConceptScore,
    all_vectors,
    box_labels,
    box_of_values,
    calibrate_concept_sets,
    concept_importance,
    draw_shapes,
    explain,
    fit_concepts,
    fit_head,
    important_concepts,
    interval_labels,
    label_scores_by_enumeration,
    lp_labels,
    pgd_labels,
    read_concept_data,
    sklearn_digits,
    subset_scores,
    top_k_score,
)
from sterling.guarantee import APS, LAC, RAPS, LabelScore
from sterling.runs import Cell, Row, derive_seed
from sterling.studies.explain.senn_conformal._gallery import write_gallery
from sterling.studies.explain.senn_conformal._set_audit import (
    CONCEPT_COVERAGE,
    EXPLANATION_SIZE,
    LABEL_COVERAGE,
    LABEL_SIZE,
    Evaluated,
    Figures,
    Resplit,
    bonferroni_sets,
    conditional_coverage,
    label_figures,
    label_only_sets,
    noisy_labels,
    prototype_sets,
    threshold_sets,
)
from sterling.study import Config, row

Source = Literal["shapes", "digits"]
JOINT, BONFERRONI, NAIVE = "joint maximum", "Bonferroni over concepts", "naive: h above 0.5"
ON_LABELS = f"{JOINT}, calibrated on labels"
BITS = "log2 of the explanation size"
PLAIN, REPAIRED = "noisy labels: plain", "noisy labels: repaired"
LABEL_ONLY: dict[str, LabelScore] = {"LAC": LAC(), "APS": APS(), "RAPS": RAPS()}

APS_SETS = "labels only: APS"


class SennConfig(Config):
    """Configuration of the study.

    Attributes:
        data: Folder of MNIST or of CUB's class attributes; replaces the embedded sources.
        sources: Embedded data to run on.
        items: Rendered shapes, or items taken of own data, for training and evaluation together.
        train_share: Share of the items that trains.
        width: Channels of the network's first layer.
        epochs: Passes over the training items.
        learning_rate: Rate of Adam.
        hidden: Hidden units of the second, non-linear head that bounds are compared on.
        epsilon: Error level of the concept sets.
        epsilon_label: Error level of the repaired and the label-only sets.
        label_noise: Share of the labels that is moved to test the repair.
        resplits: Resplits into calibration and test, per repetition.
        certified: Items that linear programs and gradients are run on, per repetition.
        top: Most concepts in an explanation by the most important ones.
        prototypes: Prototypes of each class.
        seeds: Number of repetitions, with other data and other weights.
    """

    sources: tuple[Source, ...] = ("shapes", "digits")
    items: int = Field(default=6000, ge=200)
    train_share: float = Field(default=0.45, gt=0, lt=1)
    width: int = Field(default=12, ge=1)
    epochs: int = Field(default=25, ge=1)
    learning_rate: float = Field(default=4e-3, gt=0)
    hidden: int = Field(default=16, ge=1)
    epsilon: float = Field(default=0.1, gt=0, lt=1)
    epsilon_label: float = Field(default=0.1, gt=0, lt=1)
    label_noise: float = Field(default=0.1, ge=0, lt=1)
    resplits: int = Field(default=200, ge=2)
    certified: int = Field(default=60, ge=1)
    top: int = Field(default=2, ge=1)
    prototypes: int = Field(default=3, ge=1)
    seeds: int = Field(default=5, ge=1)


def sources_of(config: SennConfig) -> list[str]:
    """Names of the sources of data."""
    return ["data"] if config.data else list(config.sources)


def load(config: SennConfig, source: str, rng: np.random.Generator, items: int) -> ConceptData:
    """Read or draw the items of a source.

    Raises:
        InputError: The folder of data holds nothing that is known.
    """
    if config.data is not None:
        return read_concept_data(config.data, rng, items)
    return draw_shapes(items, rng) if source == "shapes" else sklearn_digits()


def audit(config: SennConfig, cell: Cell) -> list[Row]:
    """Train a network, and audit its sets of concepts and labels.

    Rows by ``sets`` are coverage and sizes of one kind of set; by ``among``, coverage of the joint
    maximum within a class or a number of undecided concepts; by ``way``, label sets of the same
    concept boxes by one way of transfer.
    """
    source = str(cell.point["source"])
    seed = derive_seed(cell.run.seed, source, cell.repetition)
    rng = np.random.default_rng(seed)
    data = load(config, source, rng, config.items)
    order = rng.permutation(len(data))
    cut = round(config.train_share * len(data))
    training, rest = data.select(order[:cut]), data.select(order[cut:])
    model = ConceptNetwork(
        data.inputs.shape[1:],
        len(data.names),
        data.n_classes,
        width=config.width,
        seed=seed % 2**31,
    )
    fit_concepts(
        model, training, epochs=config.epochs, learning_rate=config.learning_rate, seed=seed % 2**31
    )
    fit_head(model, training.concepts, training.labels)
    vectors = all_vectors(len(data.names))
    with torch.inference_mode():
        logits_of_vectors = model.head(torch.from_numpy(vectors).float()).double().numpy()
    n = len(rest)
    parts = [np.split(rng.permutation(n), [n // 4, n // 2]) for _ in range(config.resplits)]
    items = Evaluated(
        data=rest,
        explained=explain(model, rest.inputs),
        vectors=vectors,
        logits_of_vectors=logits_of_vectors,
        resplits=[Resplit(*part) for part in parts],
    )
    right = (items.explained.scores >= 0.5) == rest.concepts
    answers = items.winners[rest.concepts @ (1 << np.arange(len(data.names)))]
    error, noisy = noisy_labels(
        items,
        answers,
        rng,
        epsilon=config.epsilon,
        epsilon_label=config.epsilon_label,
        share=config.label_noise,
    )
    rows = [
        row("calibration items", n // 4),
        row("all concepts right", right.all(axis=1).mean()),
        row("label accuracy", (items.explained.logits.argmax(axis=1) == rest.labels).mean()),
        row("head error on true concepts", (answers != rest.labels).mean()),
        row("moved labels", error),
        *set_rows(config, items, model, training),
        *_transfer_rows(config, items, model, training, seed),
        *(
            row(metric, noisy[kind][metric], way=way)
            for kind, way in (("plain", PLAIN), ("repaired", REPAIRED))
            for metric in (LABEL_COVERAGE, LABEL_SIZE)
        ),
    ]
    if cell.repetition == 0:
        rows.append(row("gallery", write_gallery(items, config.epsilon, cell.run.folder, source)))
    return rows


def set_rows(
    config: SennConfig, items: Evaluated, model: ConceptNetwork, training: ConceptData
) -> Iterator[Row]:
    """Audit every kind of set; "coverage" is what a kind is about, explanations or labels."""
    for name, figures in _sets(config, items, model, training):
        yield row("coverage", next(iter(figures.values())), sets=name)
        for metric, value in figures.items():
            yield row(metric, value, sets=name)
        if EXPLANATION_SIZE in figures:
            yield row(BITS, np.log2(figures[EXPLANATION_SIZE]), sets=name)
    parts = conditional_coverage(items, items.joint_score, config.epsilon)
    for among, (covered, share) in parts.items():
        yield row(CONCEPT_COVERAGE, covered, among=among)
        yield row("share of items", share, among=among)


def _sets(
    config: SennConfig, items: Evaluated, model: ConceptNetwork, training: ConceptData
) -> Iterator[tuple[str, Figures]]:
    h, concepts, epsilon = items.explained.scores, items.data.concepts, config.epsilon
    importance = concept_importance(model, training.concepts)
    equal = items.joint_score
    family = {
        JOINT: equal,
        "weighted maximum": ConceptScore(tuple(np.maximum(importance, 0.05).tolist())),
        "sum": replace(equal, combine="sum"),
        "negative log-likelihood": replace(equal, cost="nll", combine="sum"),
    }
    for name, score in family.items():
        vectors = score.of_vectors(h, items.vectors)
        labels = label_scores_by_enumeration(vectors, items.winners, items.data.n_classes)
        own = score(h, concepts)
        yield name, threshold_sets(items, own, epsilon, vectors, labels)
        if name == JOINT:
            yield NAIVE, threshold_sets(items, own, epsilon, vectors, labels, limit=0.5)
            yield ON_LABELS, threshold_sets(items, items.by_label(labels), epsilon, labels=labels)
    yield BONFERRONI, bonferroni_sets(items, epsilon)
    # Items of few concepts allow small explanations only, and items of none no explanation.
    if k := min(config.top, int(concepts.sum(axis=1).min())):
        own = top_k_score(h, important_concepts(concepts, importance, k))
        yield "most important concepts", threshold_sets(items, own, epsilon, subset_scores(h, k))
    yield "prototypes", prototype_sets(items, model, training, config.prototypes, epsilon)
    for name, label_score in LABEL_ONLY.items():
        yield f"labels only: {name}", label_only_sets(items, config.epsilon_label, label_score)


def _transfer_rows(
    config: SennConfig, items: Evaluated, model: ConceptNetwork, training: ConceptData, seed: int
) -> Iterator[Row]:
    """Label sets of the same boxes by every way of transfer, for a linear and a deep head."""
    deep = ConceptNetwork(
        items.data.inputs.shape[1:],
        len(items.data.names),
        items.data.n_classes,
        width=1,
        hidden=config.hidden,
        seed=seed % 2**31,
    )
    fit_head(deep, training.concepts, training.labels)
    one = items.resplits[0]
    h, concepts = items.explained.scores, items.data.concepts
    rule = calibrate_concept_sets(
        items.joint_score, h[one.first], concepts[one.first], config.epsilon
    )
    certified = one.test[: config.certified]
    boxes = box_of_values(rule.values(h[certified]), h[certified])
    weight, bias = (p.detach().double().numpy() for p in model.head.parameters())
    generator = torch.Generator().manual_seed(seed % 2**31)
    sets = {
        "linear: gradients (empirical)": pgd_labels(model.head, *boxes, generator=generator),
        "linear: linear program (exact)": lp_labels(weight, bias, *boxes),
        "linear: pairwise bounds": box_labels(weight, bias, *boxes),
        "deep: gradients (empirical)": pgd_labels(deep.head, *boxes, generator=generator),
        "deep: interval bounds": interval_labels(deep.head, *boxes),
    }
    for way, labels in sets.items():
        figures = label_figures(labels, items.data.labels[certified])
        for metric in (LABEL_COVERAGE, LABEL_SIZE):
            yield row(metric, figures[metric], way=way)
    for what, content in rule.guarantee.rows():
        yield row("guarantee", None, what=what, content=str(content))
