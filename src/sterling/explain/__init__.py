"""Explanations with a stated error rate: self-explaining networks and conformal concept sets."""

from sterling.explain.concept_data import (
    ConceptData,
    draw_shapes,
    read_concept_data,
    sklearn_digits,
)
from sterling.explain.concept_network import (
    ConceptNetwork,
    Explained,
    concept_importance,
    explain,
    fit_concepts,
    fit_head,
)
from sterling.explain.concept_sets import (
    ConceptScore,
    ConceptSetRule,
    all_vectors,
    bonferroni_score,
    calibrate_concept_sets,
    important_concepts,
    subset_scores,
    top_k_score,
)
from sterling.explain.label_transfer import (
    box_labels,
    box_of_values,
    interval_labels,
    label_scores_by_enumeration,
    lp_gap,
    lp_labels,
    pgd_labels,
)
from sterling.explain.neurons.explanation import NeuronExplanation, explain_units
from sterling.explain.prototypes import Prototypes, fit_prototypes
from sterling.explain.repaired_labels import RepairedRule, calibrate_repair, shortfalls

__all__ = [
    "ConceptData",
    "ConceptNetwork",
    "ConceptScore",
    "ConceptSetRule",
    "Explained",
    "NeuronExplanation",
    "Prototypes",
    "RepairedRule",
    "all_vectors",
    "bonferroni_score",
    "box_labels",
    "box_of_values",
    "calibrate_concept_sets",
    "calibrate_repair",
    "concept_importance",
    "draw_shapes",
    "explain",
    "explain_units",
    "fit_concepts",
    "fit_head",
    "fit_prototypes",
    "important_concepts",
    "interval_labels",
    "label_scores_by_enumeration",
    "lp_gap",
    "lp_labels",
    "pgd_labels",
    "read_concept_data",
    "shortfalls",
    "sklearn_digits",
    "subset_scores",
    "top_k_score",
]
