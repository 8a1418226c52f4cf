import numpy as np
import pytest

from sterling.errors import InputError
from sterling.explain import fit_prototypes
from sterling.guarantee import conformal_quantile


def test_prototypes_are_where_their_class_lies_and_sets_cover() -> None:
    rng = np.random.default_rng(0)
    directions = np.eye(3)

    def draw(n: int) -> tuple[np.ndarray, np.ndarray]:
        labels = rng.integers(0, 3, size=n)
        return 3 * directions[labels] + rng.normal(scale=0.7, size=(n, 3)), labels

    prototypes = fit_prototypes(*draw(300), 2)
    assert prototypes.classes.tolist() == [0, 0, 1, 1, 2, 2]
    assert np.array_equal((prototypes.centres @ directions).argmax(axis=1), prototypes.classes)
    np.testing.assert_allclose(np.linalg.norm(prototypes.centres, axis=1), 1)
    coverage = []
    for _ in range(200):
        embedding, labels = draw(100)
        scores = prototypes.class_scores(embedding, 3)
        own = scores[np.arange(100), labels]
        limit = conformal_quantile(own[:60], 0.1)
        coverage.append((own[60:] <= limit).mean())
        # A label is in the set when one of its prototypes is.
        near = prototypes.scores(embedding) <= limit
        for one in range(3):
            assert np.array_equal(
                near[:, prototypes.classes == one].any(axis=1), scores[:, one] <= limit
            )
    assert abs(np.mean(coverage) - 55 / 61) < 3 * np.std(coverage) / np.sqrt(200)


def test_a_class_with_too_few_items_is_refused() -> None:
    with pytest.raises(InputError, match="class 0 has 1 training items"):
        fit_prototypes(np.ones((3, 2)), np.array([0, 1, 1]), 2)
