"""The second generator of captures, and the rule by which a frozen trunk is compared on both."""

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from tests.draws import pixels
from tests.face.drawn_people import person
from tools.compare_compact import Frozen, Setting, chosen, fitted
from tools.second_captures import second_captures

from sterling.face.capture.recaptured import Material, recaptured_faces
from sterling.face.pad import Compact
from sterling.face.pad.detector.preprocessing import normalise
from sterling.measure import Scores


@pytest.fixture(scope="module")
def material() -> Material:
    rooms = [pixels(3, 80, 90, seed=seed).permute(1, 2, 0).numpy() for seed in range(3)]
    return Material(tuple(person(seed) for seed in range(8)), tuple(rooms))


def detail(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    grey = images.mean(1)
    return np.array([cv2.Laplacian(one, cv2.CV_64F).std() / (1 + one.std()) for one in grey])


def test_the_second_generator_is_another_one_with_one_camera_for_both_classes(
    material: Material,
) -> None:
    made = second_captures(material, 400, size=64, seed=1)
    again = second_captures(material, 8, size=64, seed=1)
    np.testing.assert_array_equal(made.images[:8], again.images)
    assert made.bona_fide.tolist() == [True, False] * 200
    assert {"bona_fide", "print", "screen"} == set(made.species.tolist())
    first = recaptured_faces(material, 8, size=64, seed=1)
    assert not (first.images == again.images).all(axis=(1, 2, 3)).any()
    values = {"brightness": made.images.mean((1, 2, 3)), "detail": detail(made.images)}
    for name, found in values.items():
        assert abs(roc_auc_score(made.bona_fide, found) - 0.5) < 0.12, name
    soft = made.images.copy()
    for i in np.flatnonzero(~made.bona_fide):
        soft[i] = cv2.GaussianBlur(soft[i].transpose(1, 2, 0), (0, 0), 1.5).transpose(2, 0, 1)
    assert roc_auc_score(made.bona_fide, detail(soft)) > 0.75  # the test could tell


def test_frozen_features_are_the_means_of_the_stages() -> None:
    images = normalise(pixels(2, 3, 64, 64))
    network, plain = Frozen((2, 7)).eval(), Compact().eval()
    with torch.no_grad():
        seen = plain.stem(images)
        seen = plain.blocks[:3](seen)
        expected = torch.cat([seen.mean((2, 3)), plain.features(images)], 1)
        torch.testing.assert_close(network.features(images), expected)
        every = Frozen(tuple(range(1, 8))).eval().features(images)
    torch.testing.assert_close(every[:, Setting((2, 7), 64, 1.0).columns], expected)


def test_the_head_is_that_of_scikit_learn_for_features_as_they_are() -> None:
    rng = np.random.default_rng(0)
    known = rng.normal(3, 5, (200, 4))
    live = known[:, 0] + rng.normal(0, 3, 200) > 3
    weights, bias = fitted(known, live, 0.1)
    scaled = (known - known.mean(0)) / known.std(0)
    reference = LogisticRegression(C=0.1).fit(scaled, live).decision_function(scaled)
    np.testing.assert_allclose(known @ weights + bias, reference, atol=1e-2)


def scores(area: float) -> Scores:
    """One bona fide among a thousand attacks, above the given share of them."""
    values = np.append(np.arange(1000.0), 1000 * area - 0.5)
    label = np.arange(1001) == 1000
    return Scores(values, label)


def test_the_cheapest_of_those_alike_is_chosen_by_development_people_alone() -> None:
    cheap, dear = Setting((7,), 96, 0.1), Setting((3, 7), 96, 0.1)

    def found(first: float, second: float, test: float = 0.5) -> dict[Setting, dict[str, Scores]]:
        return {
            cheap: {"first to second, dev": scores(first), "first to second, test": scores(test)},
            dear: {"first to second, dev": scores(second), "first to second, test": scores(0.99)},
        }

    assert chosen(found(0.900, 0.902)) == cheap
    assert chosen(found(0.900, 0.910)) == dear
    assert chosen(found(0.950, 0.900, test=0.1)) == cheap
