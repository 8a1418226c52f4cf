"""Every architecture becomes one ONNX file with the same scores."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sterling.errors import InputError
from sterling.face.pad import Detector, OnnxDetector, Preprocessing, Provenance, export_onnx
from sterling.face.pad.networks.cdcn_multimodal import CDCNMultimodal
from sterling.face.pad.networks.cdcn_pp import CDCNpp
from sterling.face.pad.networks.flexible_modal import FlexibleModal
from sterling.face.pad.networks.fm_vit import FMViT
from sterling.face.pad.networks.fusion_resnet import FusionResNet
from sterling.face.pad.networks.network import Network
from sterling.face.pad.networks.part_crops import PartCrops
from sterling.face.pad.networks.registry import MODELS

NETWORKS: list[Network] = [
    CDCNpp(4),
    CDCNMultimodal(4),
    FusionResNet(10, 4, fusion="se", combine="concat"),
    FusionResNet(10, 4, fusion="multi_scale_se", combine="add"),
    FlexibleModal("cdcn", "cross_attention", width=4, size=32, patch=8),
    FlexibleModal("vit", "concat", width=4, depth=1, size=32, patch=8),
    FMViT(size=32, patch=8, dim=24, depth=1, heads=3, every=1),
    PartCrops(10, 4),
]


def detector(network: Network) -> Detector:
    return Detector(
        network.eval(),
        Preprocessing(size=32),
        Provenance("random pixels", True, "CC0-1.0", 0, 0, ""),
    )


def test_every_architecture_with_several_modalities_is_covered() -> None:
    flexible = {name for name, model in MODELS.items() if model.flexible}
    assert flexible <= {network.name for network in NETWORKS}


@pytest.mark.no_cover
@pytest.mark.parametrize("network", NETWORKS, ids=lambda network: network.name)
def test_scores_agree_with_and_without_a_modality(network: Network, tmp_path: Path) -> None:
    made = detector(network)
    report = export_onnx(made, tmp_path / "model.onnx")
    assert report.max_difference <= 1e-4
    exported = OnnxDetector.load(tmp_path / "model.onnx")
    generator = torch.Generator().manual_seed(3)
    shape = (5, *network.shape(32))
    images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    present = torch.ones(5, len(network.modalities), dtype=torch.bool)
    if network.flexible:
        present[1, 0], present[2, 1], present[3, 1:] = False, False, False
    np.testing.assert_allclose(
        exported.score(images, present=present),
        made.score(images, present=present),
        atol=1e-4,
    )
    assert exported.model.modalities == network.modalities


@pytest.mark.no_cover
def test_an_absent_modality_that_is_needed_is_refused(tmp_path: Path) -> None:
    made = detector(CDCNpp(4, modalities=("rgb", "ir")))
    export_onnx(made, tmp_path / "model.onnx")
    images = torch.zeros(1, 4, 32, 32, dtype=torch.uint8)
    with pytest.raises(InputError, match="needs rgb, ir"):
        OnnxDetector.load(tmp_path / "model.onnx").score(
            images, present=torch.tensor([[True, False]])
        )


def test_a_saved_detector_of_several_modalities_comes_back(tmp_path: Path) -> None:
    made = detector(CDCNMultimodal(4))
    made.save_pretrained(tmp_path)
    again = Detector.from_pretrained(tmp_path)
    images = torch.full((2, 5, 32, 32), 90, dtype=torch.uint8)
    np.testing.assert_array_equal(again.score(images), made.score(images))
    assert again.model.to_dict() == made.model.to_dict()
