"""Audits over resplits on items whose scores are made, so that every figure is known."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from sterling.explain import ConceptData, ConceptScore, Explained, all_vectors
from sterling.guarantee import LAC, conformal_quantile
from sterling.studies.explain._gallery import write_gallery
from sterling.studies.explain._set_audit import (
    MEASURES,
    Judged,
    Resplit,
    bonferroni_arm,
    conditional_coverage,
    label_only_arm,
    label_row,
    noisy_labels,
    over_resplits,
    threshold_arm,
)


def judged(seed: int = 0, n: int = 2000, resplits: int = 60) -> Judged:
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
    return Judged(
        data=data,
        said=Explained(scores, scores, logits),
        vectors=vectors,
        logits_of_vectors=np.eye(4)[vectors @ np.array([1, 2])],
        resplits=[Resplit(*part) for part in parts],
    )


def score_and_limits(one: Judged) -> tuple[ConceptScore, NDArray[np.float64], list[float]]:
    score = ConceptScore((1.0, 1.0))
    own = score(one.said.scores, one.data.concepts)
    return score, own, [conformal_quantile(own[part.first], 0.1) for part in one.resplits]


def test_mean_and_standard_error_of_columns() -> None:
    found = over_resplits([[1.0, 5.0], [3.0, 5.0]], ["a", "b"])
    assert found == {"a": [2.0, pytest.approx(1.0)], "b": [5.0, 0.0]}


def test_a_row_of_label_sets_by_hand() -> None:
    sets = np.array([[True, False], [True, True], [False, False], [True, False]])
    assert label_row(sets, np.array([0, 1, 0, 1])) == [0.5, 1.0, 0.5]


def test_joint_sets_cover_and_their_labels_with_them() -> None:
    one = judged()
    score, own, limits = score_and_limits(one)
    of_vectors = score.of_vectors(one.said.scores, one.vectors)
    # The label names the vector, so a label's score is its vector's.
    arm = threshold_arm(one, own, of_vectors, of_vectors, limits)
    assert tuple(arm) == MEASURES
    mean, error = arm["concept coverage"]
    assert abs(mean - 0.9) < 4 * error + 1 / 501
    assert arm["label coverage"][0] == pytest.approx(mean)
    assert arm["label size"] == pytest.approx(arm["explanation size"])
    apart = bonferroni_arm(one, 0.1)
    assert apart["concept coverage"][0] > 0.9 - 4 * error
    alone = label_only_arm(one, 0.1, LAC())
    assert abs(alone["label coverage"][0] - 0.9) < 0.02


def test_conditional_coverage_averages_to_the_whole() -> None:
    one = judged()
    score, own, limits = score_and_limits(one)
    parts = conditional_coverage(one, own, score, limits)
    whole = np.mean(
        [(own[part.test] <= q).mean() for part, q in zip(one.resplits, limits, strict=True)]
    )
    for cells in parts.values():
        shares = np.array([share for _, share in cells])
        assert shares.sum() == pytest.approx(1)
        assert sum(c * s for c, s in cells if c is not None) == pytest.approx(whole)


def test_moved_labels_break_plain_transfer_and_the_repair_covers() -> None:
    one = judged()
    found = noisy_labels(
        one,
        one.data.labels,
        np.random.default_rng(1),
        epsilon=0.1,
        epsilon_label=0.1,
        share=0.15,
    )
    assert found["head error"] == pytest.approx(0.15, abs=0.03)
    assert found["plain coverage"][0] < 0.87
    mean, error = found["repaired coverage"]
    assert mean > 0.9 - 4 * error


def test_a_gallery_says_whether_each_set_holds_the_truth(tmp_path: Path) -> None:
    one = judged()
    items = write_gallery(one, 0.1, tmp_path, "made")
    assert len(items) == 16
    assert all((tmp_path / item["images"][0]).is_file() for item in items)
    assert {item["text"].split(" the truth")[0] for item in items} <= {"holds", "MISSES"}
    assert any("Open: " in item["text"] for item in items)
