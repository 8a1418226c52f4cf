"""The parts that all networks share, on small networks made for the purpose."""

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.face.pad import CDCN, DepthNet, TrainConfig, fold, train
from sterling.face.pad.networks.cdcn_pp import CDCNpp
from sterling.face.pad.networks.network import Network, Output
from sterling.face.pad.training.losses import DepthLoss, OutputLoss


class Means(Network):
    """One weight per modality on the mean of its picture; absent ones count as nothing."""

    name, has_map, flexible = "means", False, True

    def __init__(self) -> None:
        super().__init__()
        self.modalities = ("rgb", "depth")
        self.logit_share = 1.0
        self.weights = nn.Parameter(torch.zeros(2))

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        self.require(images, present)
        means = torch.stack([part.mean(dim=(1, 2, 3)) for part in self.split(images)], dim=1)
        if present is not None:
            means = means * present
        return Output(logits=(means @ self.weights)[:, None])

    def to_dict(self) -> dict[str, object]:
        return {"name": self.name}


def task(items: int = 64) -> tuple[Tensor, Tensor]:
    """Bright depth is bona fide; colour says nothing."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (items, 4, 8, 8)).astype(np.uint8)
    live = np.arange(items) % 2 == 0
    pixels[:, 3] = np.where(live, 200, 60)[:, None, None]
    return torch.from_numpy(pixels), torch.from_numpy(live.astype(np.float32))[:, None, None]


@pytest.mark.parametrize(
    ("build", "parameters"),
    [
        *((partial(CDCN, theta=theta), 2_245_016) for theta in (0.0, 0.7, 1.0)),
        (CDCNpp, 2_257_352),
        (DepthNet, 2_217_344),
    ],
)
def test_published_sizes_and_maps(build: Callable[[], Network], parameters: int) -> None:
    network = build()
    assert sum(p.numel() for p in network.parameters() if p.requires_grad) == parameters
    with torch.no_grad():
        depth = fold(network)(torch.zeros(1, 3, 256, 256)).maps
    assert depth.shape == (1, 32, 32)
    assert bool((depth >= 0).all())


RATE = TrainConfig(epochs=20, learning_rate=0.05, augment=False)


def test_training_finds_the_modality_that_tells() -> None:
    images, maps = task()
    network = Means()
    history = train(network, images, maps, RATE)
    assert network.weights[1] > 1  # bright depth is bona fide
    assert history.epochs[-1].bona_fide_score > 0.7 > 0.3 > history.epochs[-1].attack_score


def test_a_modality_that_always_drops_out_teaches_nothing() -> None:
    images, maps = task()
    network = Means()
    train(network, images, maps, TrainConfig(**{**vars(RATE), "drop_modality": 1.0}))
    assert network.weights[1] == 0


def test_what_absent_channels_hold_does_not_matter() -> None:
    images, maps = task()
    present = torch.tensor([[True, False]]).expand(len(images), -1)
    outcomes = []
    for fill in (0, 255):
        changed = images.clone()
        changed[:, 3] = fill
        network = Means()
        train(network, changed, maps, RATE, present=present)
        outcomes.append(network.weights.detach())
    assert torch.equal(*outcomes)


def test_loss_is_the_stated_mixture() -> None:
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(4, 3, 8, 8, generator=generator)
    target = torch.rand(4, 5, 8, 8, generator=generator)
    target[::2] = 0  # attacks
    logits = torch.randn(4, 2, generator=generator)
    heads = torch.tensor([[True, True], [False, True], [True, True], [False, True]])
    found = OutputLoss(0.5, 0.8)(Output(maps, logits, heads), target)
    depth = torch.stack([DepthLoss(0.5)(maps[:, t], target[:, t]) for t in range(3)]).mean()
    signs = torch.tensor([-1.0, 1.0, -1.0, 1.0])[:, None]
    entropy = nn.functional.softplus(-signs * logits)
    binary = (entropy * heads).sum() / 4
    torch.testing.assert_close(found, 0.8 * binary + 0.2 * depth)


def test_liveness_mixes_probability_and_map() -> None:
    network = Means()
    output = Output(maps=torch.full((1, 2, 2), 0.5), logits=torch.tensor([[9.0, 0.0]]))
    for share, expected in ((0.0, 0.5), (1.0, 0.5), (0.8, 0.5)):
        network.logit_share = share
        torch.testing.assert_close(network.liveness(output), torch.tensor([expected]))
    network.logit_share = 0.8
    brighter = output._replace(maps=torch.ones(1, 2, 2))
    torch.testing.assert_close(network.liveness(brighter), torch.tensor([0.8 * 0.5 + 0.2]))


def test_only_flexible_networks_drop_modalities() -> None:
    network = CDCN(2, modalities=("rgb", "ir"))
    with pytest.raises(InputError, match="drop_modality"):
        train(
            network,
            torch.zeros(2, 4, 16, 16).byte(),
            torch.rand(2, 2, 2),
            TrainConfig(epochs=1, drop_modality=0.5),
        )
