"""The second stage takes what the first one kept, and nothing else."""

from pathlib import Path

import pytest
import torch

from sterling.errors import InputError
from sterling.face.capture import Scale, simulate
from sterling.face.data import Faces
from sterling.face.pad import (
    CDCN,
    SGTD,
    DepthNet,
    Detector,
    Network,
    Preprocessing,
    Provenance,
    TemporalDepth,
)
from sterling.studies.face._two_stage import TwoStageConfig, refining_arm, single_frame_arm

CONFIG = TwoStageConfig(refine_epochs=7, refine_optimizer="adadelta", cdl_weight=0.25)


def keep(network: Network, folder: Path) -> None:
    detector = Detector(
        network.eval(), Preprocessing(32), Provenance("noise", True, "CC0-1.0", 0, 0, "")
    )
    detector.save_pretrained(folder)


def test_the_second_stage_holds_the_kept_network_and_trains_the_rest(tmp_path: Path) -> None:
    kept = DepthNet(2, frames=3, seed=9)
    keep(kept, tmp_path)
    arm = refining_arm(CONFIG, lambda seed: TemporalDepth(2, 3, seed=seed), tmp_path)
    network = arm.network(5)
    assert isinstance(network, TemporalDepth)
    assert network.frozen
    taken, given = network.single.state_dict(), kept.state_dict()
    assert all(torch.equal(value, given[name]) for name, value in taken.items())
    assert arm.changes["epochs"] == 7
    assert arm.changes["optimizer"] == "adadelta"
    assert "cdl_weight" not in arm.changes


def test_the_first_stage_has_its_own_loss(tmp_path: Path) -> None:
    arm = single_frame_arm(CONFIG, lambda seed: DepthNet(2, frames=3, seed=seed), tmp_path)
    assert arm.changes["cdl_weight"] == 0.25
    alone = single_frame_arm(CONFIG, lambda seed: DepthNet(2, seed=seed), cdl_weight=0.0)
    assert alone.changes["cdl_weight"] == 0.0


@pytest.mark.parametrize("other", [CDCN(2), DepthNet(2)])
def test_another_network_is_not_refined(other: Network, tmp_path: Path) -> None:
    keep(other, tmp_path)
    arm = refining_arm(CONFIG, lambda seed: SGTD(2, seed=seed), tmp_path)
    with pytest.raises(InputError, match=r"single-frame|sobel_then_conv"):
        arm.network(0)


def test_still_clips_repeat_their_first_frame() -> None:
    captures = simulate("planar", seed=0, size=32, frames=2, scale=Scale((1, 1, 1), (2, 1, 1)))
    faces: Faces = captures.faces()
    still = faces.still()
    assert still.depth is not None
    assert not torch.equal(faces.images[:, 0], faces.images[:, 1])
    assert torch.equal(still.images, faces.images[:, :1].expand_as(faces.images))
    assert torch.equal(still.depth[:, 1], captures.true_depth[:, 0])
    assert still.manifest is faces.manifest
