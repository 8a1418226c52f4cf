"""What families of supervision have in common: they train in the one loop, and become ONNX."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from sterling.face.capture import Scale, simulate
from sterling.face.pad import (
    Detector,
    Network,
    OnnxDetector,
    Preprocessing,
    Provenance,
    TrainConfig,
    build_network,
    export_onnx,
    train,
)
from sterling.face.pad.networks.deep_pixbis import DeepPixBiS, PixelWiseBinary
from sterling.face.pad.networks.fourier import FourierNet, FourierSupervised
from sterling.face.pad.networks.maddg import MADDG, MultiAdversarial
from sterling.face.pad.networks.reflection import Bipartite, BipartiteNet
from sterling.face.pad.training.fit import fit, own_objective, target_maps
from sterling.face.pad.training.objective import Objective

NETWORKS: list[Network] = [
    BipartiteNet(4),
    DeepPixBiS(8, (1, 2)),
    FourierNet(10, 4),
    MADDG(4),
]


def named(network: Network) -> str:
    return network.name


@pytest.mark.no_cover
@pytest.mark.parametrize("network", NETWORKS, ids=named)
def test_onnx_scores_are_the_same(network: Network, tmp_path: Path) -> None:
    fresh = build_network(network.to_dict()).eval()
    made = Detector(
        fresh, Preprocessing(size=64), Provenance("random pixels", True, "CC0-1.0", 0, 0, "")
    )
    export_onnx(made, tmp_path / "model.onnx")
    draws = torch.Generator().manual_seed(3)
    images = torch.randint(0, 256, (5, 3, 64, 64), dtype=torch.uint8, generator=draws)
    exported = OnnxDetector.load(tmp_path / "model.onnx")
    np.testing.assert_allclose(exported.score(images), made.score(images), atol=1e-4)


@pytest.mark.parametrize("network", NETWORKS, ids=named)
def test_it_trains_through_the_one_loop(network: Network) -> None:
    model = build_network(network.to_dict())
    n = 32
    live = torch.arange(n) % 2 == 0
    draws = torch.Generator().manual_seed(1)
    images = torch.randint(60, 120, (n, 3, 32, 32), generator=draws)
    images = images + torch.where(live[:, None, None, None], 25, 50 * (torch.arange(32) // 2 % 2))
    shape = (n, *model.map_shape(32))
    maps = live.view(n, 1, 1).expand(shape).float().contiguous()
    objective: Objective | None = own_objective(model, augmented=False)
    if objective is None:
        objective = MultiAdversarial(torch.arange(n) // 2 % 3, augmented=False)
    config = TrainConfig(epochs=20, batch_size=16, learning_rate=3e-3, augment=False)
    history = train(model, images.to(torch.uint8), maps, config, objective=objective)
    first, last = history.epochs[0], history.epochs[-1]
    assert last.loss < first.loss
    assert last.bona_fide_score > last.attack_score + 0.2


@pytest.mark.parametrize("network", NETWORKS[:3], ids=named)
def test_training_on_faces_takes_the_published_objective(network: Network) -> None:
    captures = simulate("smoke", seed=0, size=32, scale=Scale((2, 1, 1), (8, 2, 2)))
    faces = captures.faces().split("train")
    config = TrainConfig(epochs=1, batch_size=4)
    models = [build_network(network.to_dict()) for _ in range(3)]
    fit(models[0], faces, config, label="depth")
    maps = target_maps(models[1], faces, "depth")
    objective = own_objective(models[1], augmented=True)
    train(models[1], faces.images, maps, config, objective=objective)
    train(models[2], faces.images, maps, replace(config, cdl_weight=0.0))  # label maps alone
    own, same, plain = (
        torch.cat([value.flatten() for value in model.parameters()]) for model in models
    )
    torch.testing.assert_close(own, same)
    assert not torch.allclose(own, plain)


@pytest.mark.parametrize("objective", [PixelWiseBinary(), FourierSupervised(), Bipartite()])
def test_a_killed_run_does_not_go_on_with_another_augmentation(
    objective: PixelWiseBinary | FourierSupervised | Bipartite,
) -> None:
    assert objective.to_dict() != replace(objective, augmented=False).to_dict()
