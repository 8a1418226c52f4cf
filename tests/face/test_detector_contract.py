"""Our own detector passes the contract that third parties can run on theirs."""

import pytest
import torch.nn.functional as F

from sterling.face.capture import simulate
from sterling.face.pad import CDCN, Detector, Preprocessing, Provenance, TrainConfig, train
from sterling.testing import check_detector


@pytest.mark.no_cover
def test_a_trained_detector_keeps_the_contract() -> None:
    faces = simulate("smoke", seed=0, size=32).faces()
    assert faces.depth is not None
    model = CDCN(width=6, seed=0)
    targets = F.adaptive_avg_pool2d(faces.depth[:, None], 4).squeeze(1)
    history = train(model, faces.images, targets, TrainConfig(epochs=16, learning_rate=4e-3))
    detector = Detector(
        model,
        Preprocessing(size=32, crop_scale=1.3, face_detector="simulated face box"),
        Provenance("simulated", True, "Apache-2.0", 0, history.items, history.digest),
    )
    bona_fide = faces.manifest.bona_fide
    check_detector(
        detector.score, faces.images[bona_fide], faces.images[~bona_fide], tolerance=1e-4
    )
