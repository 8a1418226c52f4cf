"""The distance is Mahalanobis's, whatever the features' scale, and needs no attack to be fitted."""

import numpy as np
import pytest
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import LedoitWolf

from sterling.errors import InputError
from sterling.face.pad.baselines.simple import score_one_class


def test_it_is_the_distance_with_the_shrunk_covariance() -> None:
    rng = np.random.default_rng(0)
    known, asked = rng.normal(size=(50, 4)) @ rng.normal(size=(4, 4)), rng.normal(size=(9, 4))
    precision = np.linalg.inv(LedoitWolf().fit(known).covariance_)
    wanted = [-mahalanobis(one, known.mean(axis=0), precision) for one in asked]
    assert np.allclose(score_one_class(known, asked), wanted)


def test_what_is_far_in_any_direction_is_an_attack() -> None:
    rng = np.random.default_rng(1)
    known, fresh = rng.normal(size=(400, 3)), rng.normal(size=(200, 3))
    for direction in np.eye(3):
        for sign in (-1, 1):
            attacks = rng.normal(size=(50, 3)) + 8 * sign * direction
            assert score_one_class(known, attacks).max() < score_one_class(known, fresh).min()


@pytest.mark.parametrize(
    ("known", "asked", "message"),
    [
        (np.zeros((1, 2)), np.zeros((1, 2)), "two or more have a spread"),
        (np.zeros((3, 2)), np.zeros((1, 3)), r"\(N, D\) and \(M, D\)"),
        (np.array([[0.0], [np.nan]]), np.zeros((1, 1)), "not finite"),
    ],
)
def test_what_is_refused(known: np.ndarray, asked: np.ndarray, message: str) -> None:
    with pytest.raises(InputError, match=message):
        score_one_class(known, asked)
