"""A threshold chosen on one's own camera: what it promises and what it measures."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch

from sterling.errors import InputError
from sterling.face.data import Faces, Manifest
from sterling.face.evaluation.bounded_threshold import Promise, bounded_threshold
from sterling.face.evaluation.calibration import Calibration, calibrate
from sterling.face.evaluation.evaluate import scores_of
from sterling.face.pad import CDCN, Detector, Preprocessing, Provenance
from sterling.measure import Threshold

PROMISE = Promise(0.2, 0.9)  # needs 11 trials: 0.8 ** 11 < 0.1


def recordings(bona_fides: int, attacks: int, *, frames: int = 1) -> Faces:
    """Noise pictures; each presentation has as many frames as asked for."""
    names = [f"live{i}" for i in range(bona_fides)] + [f"attack{i}" for i in range(attacks)]
    species = ["bona_fide"] * bona_fides + ["print" if i % 3 else "replay" for i in range(attacks)]
    n = len(names) * frames
    manifest = Manifest.from_columns(
        {
            "item": [f"{name}#{frame}" for name in names for frame in range(frames)],
            "label": [
                "bona_fide" if name.startswith("live") else "attack"
                for name in names
                for _ in range(frames)
            ],
            "species": [one for one in species for _ in range(frames)],
            "video": [name if frames > 1 else "" for name in names for _ in range(frames)],
        }
    )
    generator = torch.Generator().manual_seed(bona_fides)
    pictures = torch.randint(0, 256, (n, 3, 32, 32), dtype=torch.uint8, generator=generator)
    return Faces(manifest, pictures)


@pytest.fixture(scope="module")
def detector() -> Detector:
    return Detector(
        CDCN(width=4, seed=1).eval(),
        Preprocessing(size=32),
        Provenance("noise", True, "Apache-2.0", 0, 1, ""),
        Threshold(0.0, "up", "none", "another camera", 1),
    )


def calibrated(detector: Detector, faces: Faces) -> Calibration:
    scores = scores_of(detector.score(faces.images), faces.manifest)
    return calibrate(scores, PROMISE, source="desk", before=detector.threshold)


def test_only_bona_fides_choose_and_attacks_are_measured(detector: Detector) -> None:
    faces = recordings(20, 30)
    found = calibrated(detector, faces)
    scores = scores_of(detector.score(faces.images), faces.manifest)
    threshold, rates = found.threshold, found.chosen.rates
    # k = 2 is the largest with P(Binomial(20, 0.2) >= k) >= 0.9: one bona fide may be rejected.
    assert threshold.value == np.sort(scores.positive)[1]
    assert rates["bona_fide"].counts == 1
    replays = scores.group == "replay"
    accepted = int((scores.values[replays] >= threshold.value).sum())
    assert (rates["replay"].counts, rates["replay"].n) == (accepted, 10)
    moved = faces.images.clone()
    moved[20:] = 255 - moved[20:]
    other = calibrated(detector, Faces(faces.manifest, moved))
    assert other.threshold == threshold
    assert found.before is not None
    assert found.before.apcer_max.value == 1.0  # everything is accepted at a threshold of 0
    assert found.guarantee.assumptions[-1].checked is None


def test_frames_of_a_video_are_one_trial(detector: Detector) -> None:
    faces = recordings(12, 6, frames=3)
    found = calibrated(detector, faces)
    assert found.guarantee.n == 12
    assert found.chosen.rates["print"].n == 4
    with pytest.raises(InputError, match="10 calibration items are too few"):
        calibrated(detector, recordings(10, 6, frames=3))


def test_it_agrees_with_the_bound_on_scores(detector: Detector) -> None:
    faces = recordings(40, 6)
    scores = scores_of(detector.score(faces.images), faces.manifest)
    threshold, guarantee = bounded_threshold(scores, PROMISE, source="desk")
    found = calibrated(detector, faces)
    assert found.threshold == threshold
    assert found.guarantee == guarantee


def test_without_attacks_nothing_is_said_about_them(detector: Detector) -> None:
    found = calibrated(replace(detector, threshold=None), recordings(15, 0))
    assert found.before is None
    assert not found.chosen.rates
    assert "nothing is known about the APCER" in found.lines()[-1]
    document = json.loads(json.dumps(found.to_dict()))
    assert document["at this threshold"] is None
    assert document["guarantee"]["level"] == 0.2


def test_nearly_constant_scores_are_warned_of(detector: Detector) -> None:
    louder = CDCN(width=4, seed=1).eval()
    with torch.no_grad():
        last = [name for name, _ in louder.named_parameters()][-1]
        louder.get_parameter(last).mul_(1e4)  # the last convolution's, before a ReLU
    told, silent = (
        calibrated(one, recordings(20, 30)) for one in (detector, replace(detector, model=louder))
    )
    assert silent.spread == pytest.approx(1e4 * told.spread, rel=1e-3)
    assert told.spread < 0.01 < silent.spread
    assert "nearly constant" in told.lines()[1]
    assert not any("nearly constant" in line for line in silent.lines())
    assert told.to_dict()["spread of scores"] == told.spread


def test_without_bona_fides_there_is_no_threshold(detector: Detector) -> None:
    with pytest.raises(InputError, match="desk: no bona fide presentation"):
        calibrated(detector, recordings(0, 9))
