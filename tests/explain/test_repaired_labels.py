import numpy as np
import pytest
from scipy import stats

from sterling.explain import (
    ConceptScore,
    all_vectors,
    calibrate_concept_sets,
    calibrate_repair,
    label_scores_by_enumeration,
    shortfalls,
)


def test_shortfalls_are_the_minimum_over_the_members(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sterling.explain.repaired_labels.CHUNK", 64)
    rng = np.random.default_rng(0)
    scores, logits = rng.random((7, 16)), rng.normal(size=(16, 3))
    found = shortfalls(scores, 0.3, logits)
    for item in range(7):
        members = np.flatnonzero(scores[item] <= max(0.3, scores[item].min()))
        for label in range(3):
            gaps = [max(logits[v]) - logits[v, label] for v in members]
            assert found[item, label] == pytest.approx(min(gaps))


def test_with_a_wrong_head_plain_transfer_falls_short_and_repair_does_not() -> None:
    # The label differs from the head's answer to the true concepts for 10 % of the items.
    rng = np.random.default_rng(1)
    m, classes, vectors = 6, 4, all_vectors(6)
    logits = vectors @ rng.normal(size=(m, classes)) + rng.normal(size=classes)
    winners = logits.argmax(axis=1)
    score = ConceptScore((1.0,) * m)
    plain, repaired, perfect = 0, 0, 0
    repeats = 400
    for _ in range(repeats):
        h = rng.beta(0.15, 0.15, size=(201, m))
        truth = rng.random((201, m)) < h
        clean = winners[truth @ (1 << np.arange(m))]
        moved = rng.random(201) < 0.1
        labels = np.where(moved, (clean + rng.integers(1, classes, 201)) % classes, clean)
        first, second, test = slice(0, 100), slice(100, 200), slice(200, 201)
        rule = calibrate_concept_sets(score, h[first], truth[first], 0.1)
        scores = score.of_vectors(h, vectors)
        least = label_scores_by_enumeration(scores[test], winners, classes)[0]
        short = shortfalls(scores[100:], rule.limit, logits)
        repair = calibrate_repair(short[:100], labels[second], 0.1)
        plain += int(least[labels[200]] <= rule.limit)
        perfect += int(least[clean[200]] <= rule.limit)
        repaired += int(repair.sets(short[100:])[0, labels[200]])
    assert stats.binomtest(perfect, repeats, 0.9, alternative="less").pvalue > 1e-6
    assert stats.binomtest(repaired, repeats, 0.9, alternative="less").pvalue > 1e-6
    assert stats.binomtest(plain, repeats, 0.8, alternative="less").pvalue > 1e-6
    assert plain < perfect
