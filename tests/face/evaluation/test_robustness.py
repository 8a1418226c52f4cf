"""The sweep keeps the threshold, changes one thing at a time and starts from no change."""

from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sterling.errors import InputError
from sterling.face.capture import simulate
from sterling.face.data import Faces
from sterling.face.evaluation.evaluate import scores_of
from sterling.face.evaluation.robustness import (
    STRENGTHS,
    patch_points,
    recropped,
    sweep,
)
from sterling.face.pad import CDCN, Detector, Preprocessing, Provenance, TrainConfig, train
from sterling.measure import evaluate, threshold_at_eer


@pytest.fixture(scope="module")
def judged() -> tuple[Detector, Faces, Faces]:
    """A small detector, and the captures of the development and the test subjects."""
    faces = simulate("smoke", seed=0, size=32).faces()
    training = faces.split("train")
    assert training.depth is not None
    model = CDCN(width=6, seed=0)
    maps = F.adaptive_avg_pool2d(training.depth[:, None], 4).squeeze(1)
    train(model, training.images, maps, TrainConfig(epochs=8, learning_rate=4e-3))
    detector = Detector(
        model.eval(), Preprocessing(size=32), Provenance("simulated", True, "", 0, 1, "")
    )
    development, test = faces.split("dev"), faces.split("test")
    scores = scores_of(detector.score(development.images), development.manifest)
    threshold = threshold_at_eer(scores, source="development")
    return replace(detector, threshold=threshold), development, test


def test_each_curve_starts_at_the_unchanged_pictures(
    judged: tuple[Detector, Faces, Faces],
) -> None:
    detector, _, test = judged
    points = sweep(detector, test)
    assert len(points) == sum(map(len, STRENGTHS.values()))
    assert detector.threshold is not None
    plain = evaluate(scores_of(detector.score(test.images), test.manifest), detector.threshold)
    for point in points:
        assert point.errors.threshold is detector.threshold
        if point.strength == 0:
            assert point.errors == plain
    covered = [point.scores.values for point in points if point.kind == "occlusion"]
    assert not np.array_equal(covered[0], covered[-1])


def test_other_crops_are_named_by_their_factor(judged: tuple[Detector, Faces, Faces]) -> None:
    detector, _, test = judged
    wider = Faces(test.manifest, torch.flip(test.images, dims=(3,)))
    points = recropped(detector, {1.0: test, 1.5: wider})
    assert [(point.kind, point.strength) for point in points] == [
        ("crop scale", 1.0),
        ("crop scale", 1.5),
    ]


def test_a_patch_found_by_gradients_does_more_than_one_of_noise(
    judged: tuple[Detector, Faces, Faces],
) -> None:
    detector, development, test = judged
    points = patch_points(detector, development, test, share=0.5, research_use=True)
    assert {point.strength for point in points} == {16}
    found = {point.kind: point for point in points}
    noise, plain = (found[kind].area.value for kind in ("noise", "none"))
    assert found["adversarial"].area.value < min(noise, plain)
    worn, bare = (found[kind].errors.apcer_pooled.value for kind in ("adversarial", "none"))
    assert worn >= bare


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_patch_must_fit(judged: tuple[Detector, Faces, Faces], share: float) -> None:
    detector, development, test = judged
    with pytest.raises(InputError, match="give a share above 0, at most 1"):
        patch_points(detector, development, test, share=share, research_use=True)
