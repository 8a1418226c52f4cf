"""Audits over resplits on items whose scores are made, so that every figure is known."""

import json
from pathlib import Path

import numpy as np
import pytest

from sterling.explain import ConceptData, Explained, all_vectors
from sterling.guarantee import LAC, conformal_quantile
from sterling.studies.explain.senn_conformal._gallery import write_gallery
from sterling.studies.explain.senn_conformal._set_audit import (
    CONCEPT_COVERAGE,
    EXPLANATION_SIZE,
    LABEL_COVERAGE,
    LABEL_SIZE,
    Evaluated,
    Resplit,
    bonferroni_sets,
    conditional_coverage,
    label_figures,
    label_only_sets,
    noisy_labels,
    threshold_sets,
)

ERROR = 0.004  # of a mean over 60 resplits of 1,000 test items each, with room


def made(seed: int = 0, n: int = 2000, resplits: int = 60) -> Evaluated:
    """Items with two concepts, whose label is the number of the concept vector."""
    rng = np.random.default_rng(seed)
    concepts = rng.random((n, 2)) < 0.5
    labels = concepts @ np.array([1, 2])
    scores = np.clip(concepts + rng.normal(scale=0.35, size=(n, 2)), 0.001, 0.999)
    logits = 3 * np.eye(4)[labels] + rng.normal(size=(n, 4))
    vectors = all_vectors(2)
    data = ConceptData(
        rng.random((n, 1, 4, 4)).astype(np.float32), concepts, labels, ("a", "b"), 4, "made"
    )
    parts = [np.split(rng.permutation(n), [n // 4, n // 2]) for _ in range(resplits)]
    return Evaluated(
        data=data,
        explained=Explained(scores, scores, logits),
        vectors=vectors,
        logits_of_vectors=np.eye(4)[vectors @ np.array([1, 2])],
        resplits=[Resplit(*part) for part in parts],
    )


def test_figures_of_label_sets_by_hand() -> None:
    sets = np.array([[True, False], [True, True], [False, False], [True, False]])
    assert list(label_figures(sets, np.array([0, 1, 0, 1])).values()) == [0.5, 1.0, 0.5]


def test_joint_sets_cover_and_their_labels_with_them() -> None:
    items = made()
    own = items.joint_score(items.explained.scores, items.data.concepts)
    of_vectors = items.joint_score.of_vectors(items.explained.scores, items.vectors)
    # The label names the vector, so a label's score is its vector's.
    found = threshold_sets(items, own, 0.1, of_vectors, of_vectors)
    assert abs(found[CONCEPT_COVERAGE] - 0.9) < ERROR + 1 / 501
    assert found[LABEL_COVERAGE] == pytest.approx(found[CONCEPT_COVERAGE])
    assert found[LABEL_SIZE] == pytest.approx(found[EXPLANATION_SIZE])
    everything = threshold_sets(items, own, 0.1, of_vectors, limit=1.0)
    assert everything == {CONCEPT_COVERAGE: 1.0, EXPLANATION_SIZE: 4.0}
    assert bonferroni_sets(items, 0.1)[CONCEPT_COVERAGE] > 0.9 - ERROR
    assert abs(label_only_sets(items, 0.1, LAC())[LABEL_COVERAGE] - 0.9) < 0.02


def test_conditional_coverage_averages_to_the_whole() -> None:
    items = made()
    own = items.joint_score(items.explained.scores, items.data.concepts)
    whole = items.mean(
        lambda one: {"": (own[one.test] <= conformal_quantile(own[one.first], 0.1)).mean()}
    )[""]
    parts = conditional_coverage(items, items.joint_score, 0.1)
    for kind in ("class", "undecided"):
        cells = [cell for name, cell in parts.items() if name.startswith(kind)]
        assert sum(share for _, share in cells) == pytest.approx(1)
        assert sum(c * s for c, s in cells if c is not None) == pytest.approx(whole)


def test_moved_labels_break_plain_transfer_and_the_repair_covers() -> None:
    items = made()
    moved, found = noisy_labels(
        items,
        items.data.labels,
        np.random.default_rng(1),
        epsilon=0.1,
        epsilon_label=0.1,
        share=0.15,
    )
    assert moved == pytest.approx(0.15, abs=0.03)
    assert found["plain"][LABEL_COVERAGE] < 0.87
    assert found["repaired"][LABEL_COVERAGE] > 0.9 - ERROR


def test_a_gallery_says_whether_each_set_holds_the_truth(tmp_path: Path) -> None:
    assert write_gallery(made(), 0.1, tmp_path, "made") == 16
    items = json.loads((tmp_path / "gallery/made.json").read_text())
    assert all((tmp_path / item["images"][0]).is_file() for item in items)
    assert {item["text"].split(" the truth")[0] for item in items} <= {"holds", "MISSES"}
    assert any("Open: " in item["text"] for item in items)
