import numpy as np
import pytest
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.guarantee import LAC, calibrate_label_sets, class_clusters


def draw(rng: np.random.Generator, n: int) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """20 classes: even ones easy, odd ones hard; class 19 is rare."""
    labels = rng.choice(20, size=n, p=[*np.full(19, 0.999 / 19), 0.001])
    of_label = np.where(labels % 2 == 0, rng.beta(20, 2, size=n), rng.beta(3, 3, size=n))
    probabilities = np.repeat(((1 - of_label) / 19)[:, None], 20, axis=1)
    probabilities[np.arange(n), labels] = of_label
    return probabilities, labels


def test_classes_of_equal_difficulty_are_found_and_rare_ones_left_out() -> None:
    probabilities, labels = draw(np.random.default_rng(0), 1500)
    clusters = class_clusters(probabilities, labels, LAC(), 2)
    assert len(set(clusters[:19:2].tolist())) == len(set(clusters[1:19:2].tolist())) == 1
    assert clusters[0] != clusters[1]
    assert clusters[19] == -1


def test_clusters_even_out_coverage_over_classes() -> None:
    rng = np.random.default_rng(1)
    clusters = class_clusters(*draw(rng, 1500), LAC(), 2)
    test, truth = draw(rng, 20_000)
    known = draw(rng, 600)

    def worst(rule_sets: NDArray[np.bool_]) -> float:
        covered = rule_sets[np.arange(len(truth)), truth]
        return float(min(covered[truth == one].mean() for one in range(19)))

    pooled = calibrate_label_sets(*known, 0.1, LAC())
    clustered = calibrate_label_sets(*known, 0.1, LAC(), condition="class", clusters=clusters)
    assert worst(pooled.sets(test)) < 0.85
    assert worst(clustered.sets(test)) > 0.85
    assert "cluster of classes" in clustered.guarantee.statement
    # The rare class takes the threshold of all items.
    assert clustered.limits[19] == pooled.limits[0]


def test_bad_input_is_refused() -> None:
    probabilities, labels = draw(np.random.default_rng(2), 300)
    with pytest.raises(InputError, match="n_clusters 30"):
        class_clusters(probabilities, labels, LAC(), 30)
    with pytest.raises(InputError, match="labels"):
        class_clusters(probabilities, labels[:-1], LAC(), 2)
    with pytest.raises(InputError, match="one number per class"):
        calibrate_label_sets(probabilities, labels, 0.1, LAC(), condition="class", clusters=[0])
