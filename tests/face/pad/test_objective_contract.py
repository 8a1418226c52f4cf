"""Every objective keeps its contract: it draws from its generator, describes itself, teaches."""

import json
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

import pytest
import torch
from tests.draws import seeded
from torch import Tensor

from sterling.errors import InputError
from sterling.face.capture import Scale, simulate
from sterling.face.pad import Consistency, Network, TrainConfig, build_network, train
from sterling.face.pad.networks.ccl import ContextContrast
from sterling.face.pad.networks.cqil import QualityInvariance
from sterling.face.pad.networks.deep_pixbis import PixelWiseBinary
from sterling.face.pad.networks.fourier import FourierSupervised
from sterling.face.pad.networks.maddg import MultiAdversarial
from sterling.face.pad.networks.part_crops import PartSupervision
from sterling.face.pad.networks.reflection import Bipartite
from sterling.face.pad.networks.ssdg import SingleSide
from sterling.face.pad.training.compact_training import CompactObjective
from sterling.face.pad.training.domains import DomainConfusion
from sterling.face.pad.training.fit import fit, own_objective, target_maps
from sterling.face.pad.training.losses import OutputLoss
from sterling.face.pad.training.objective import Batch, Objective, Supervised

N = 32
LIVE = torch.arange(N) % 2 == 0
DOMAINS = torch.arange(N) // 2 % 3
FEW = torch.arange(N) < 20
EVERY = torch.ones(N, dtype=torch.bool)


def images(size: int = 32) -> Tensor:
    """Pictures of noise; attacks have stripes."""
    noise = torch.randint(60, 120, (N, 3, size, size), generator=seeded(1))
    stripes = 50 * (torch.arange(size) // 2 % 2)
    return (noise + torch.where(LIVE[:, None, None, None], 25, stripes)).to(torch.uint8)


Case = tuple[dict[str, Any], Callable[[], Objective], dict[str, Any]]
RESIDUAL = {"depth": 10, "width": 4}
CASES: dict[str, Case] = {
    "label maps": (
        {"name": "cdcn", "width": 4},
        lambda: Supervised(OutputLoss(0.0, 0.0)),
        {"batch_size": 8},
    ),
    "bipartite": ({"name": "bipartite", "width": 4}, Bipartite, {}),
    "pixel-wise": ({"name": "deep_pixbis", "width": 8, "layers": [1, 2]}, PixelWiseBinary, {}),
    "spectrum": ({"name": "fourier", **RESIDUAL}, FourierSupervised, {}),
    "parts": ({"name": "part_crops", **RESIDUAL}, PartSupervision, {}),
    "single side": ({"name": "ssdg", **RESIDUAL}, lambda: SingleSide(DOMAINS), {}),
    "multi-adversarial": ({"name": "maddg", "width": 4}, lambda: MultiAdversarial(DOMAINS), {}),
    "confusion": ({"name": "ssdg", **RESIDUAL}, lambda: DomainConfusion(FEW), {}),
    "contrast": (
        {"name": "ccl", **RESIDUAL},
        lambda: ContextContrast(images(), DOMAINS[:, None], LIVE),
        {"epochs": 40, "learning_rate": 1e-2},
    ),
    "quality": (
        {"name": "cqil", **RESIDUAL, "restoring": 1},
        QualityInvariance,
        {"learning_rate": 1e-2},
    ),
    "consistency": ({"name": "epcr", "width": 4}, lambda: Consistency(FEW), {"epochs": 40}),
    "reframed": (
        {"name": "compact", "stages": 2},
        lambda: CompactObjective(32),
        {"size": 64, "epochs": 12, "learning_rate": 1e-2},
    ),
}
ALL = pytest.mark.parametrize("case", CASES)


def made(case: str) -> tuple[Network, Objective, Tensor, Tensor]:
    """Network, objective, pictures and label maps."""
    stored, objective, how = CASES[case]
    network = build_network(stored)
    pictures = images(how.get("size", 32))
    shape = (N, *network.map_shape(32))
    return network, objective(), pictures, LIVE.view(N, 1, 1).expand(shape).float().contiguous()


def loss_of(case: str, seed: int, objective: Objective | None = None) -> tuple[Tensor, Tensor]:
    network, own, pictures, maps = made(case)
    rows = torch.arange(8, 24)
    batch = Batch(pictures[rows], maps[rows], None, rows)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(5)  # of dropout
        return (objective or own)(network.train(), network, batch, seeded(seed))


@ALL
def test_the_same_draws_give_the_same_loss_and_others_another(case: str) -> None:
    loss, scores = loss_of(case, 0)
    assert loss.shape == ()
    assert bool(torch.isfinite(loss))
    assert loss.requires_grad
    assert scores.shape == (16,)
    again, other = loss_of(case, 0)[0], loss_of(case, 1)[0]
    torch.testing.assert_close(again, loss)
    assert not torch.equal(other, loss)


@ALL
def test_it_describes_what_a_resumed_run_must_not_change(case: str) -> None:
    _, objective, *_ = made(case)
    stored = dict(objective.to_dict())
    assert json.loads(json.dumps(stored)) == stored
    if case == "label maps":  # all of it is in `TrainConfig`
        return
    assert set(stored) == {field.name for field in fields(objective)}
    for name, value in stored.items():
        changed: Any = None
        if isinstance(value, bool):
            changed = not value
        elif isinstance(value, float):
            changed = value / 2
        elif isinstance(getattr(objective, name), Tensor):
            changed = getattr(objective, name).clone()
            changed[0] = 1 - changed[0].to(torch.int64)
        if changed is not None:
            assert replace(objective, **{name: changed}).to_dict() != stored, name


@ALL
def test_it_teaches_in_the_one_loop(case: str) -> None:
    network, objective, pictures, maps = made(case)
    how = {"epochs": 20, "batch_size": 16, "learning_rate": 3e-3, **CASES[case][2]}
    how.pop("size", None)
    if "augmented" in {field.name for field in fields(objective)}:
        objective = replace(objective, augmented=False)  # type: ignore[call-arg]
    history = train(network, pictures, maps, TrainConfig(**how), objective=objective)
    first, last = history.epochs[0], history.epochs[-1]
    assert last.loss < first.loss
    assert last.bona_fide_score > last.attack_score + 0.15


@pytest.mark.parametrize(
    ("case", "changes", "message"),
    [
        ("pixel-wise", {"map_weight": 2.0}, r"map_weight is 2.0: a number in \[0, 1\]"),
        ("spectrum", {"weight": -1.0}, "weight is -1"),
        ("parts", {"trash": 1.5}, "trash is 1.5"),
        ("single side", {"triplet_weight": -1}, "triplet_weight is -1: a number of 0 or more"),
        ("single side", {"domains": torch.tensor([-1, 0])}, "int64 numbers of 0 or more"),
        ("multi-adversarial", {"domains": torch.zeros(3)}, "int64"),
        ("multi-adversarial", {"adversarial_weight": -1}, "adversarial_weight is -1"),
        ("confusion", {"labelled": torch.zeros(3)}, "labelled: bool"),
        ("confusion", {"labelled": EVERY}, "both needed"),
        ("confusion", {"weight": -1.0}, "weight is -1"),
        ("contrast", {"temperature": 0.0}, "temperature is 0.0: a number above 0"),
        ("contrast", {"momentum": 1.5}, "momentum is 1.5"),
        ("contrast", {"contrast_weight": -1.0}, "contrast_weight is -1"),
        ("contrast", {"pairs": "any"}, "unknown pairs 'any'"),
        ("contrast", {"contexts": DOMAINS[1:, None]}, "32 images, 31 contexts"),
        ("quality", {"restore_weight": -0.1}, "restore_weight is -0.1"),
        ("consistency", {"labelled": ~EVERY}, "labelled: bool"),
        ("consistency", {"predict_weight": -1}, "predict_weight is -1"),
        ("consistency", {"dense": "none"}, "unknown dense"),
        ("reframed", {"size": 0}, "size is 0"),
        ("reframed", {"smoothing": 1.2}, "smoothing is 1.2"),
    ],
)
def test_settings_that_are_not_allowed_are_named(
    case: str, changes: dict[str, Any], message: str
) -> None:
    _, objective, *_ = made(case)
    with pytest.raises(InputError, match=message):
        replace(objective, **changes)


@pytest.mark.parametrize("case", ["bipartite", "pixel-wise", "spectrum", "parts"])
def test_training_on_faces_takes_the_published_objective(case: str) -> None:
    captures = simulate("smoke", seed=0, size=64, scale=Scale((2, 1, 1), (8, 2, 2)))
    faces = captures.faces().split("train")
    config = TrainConfig(epochs=1, batch_size=4)
    networks = [made(case)[0] for _ in range(3)]
    fit(networks[0], faces, config, label="depth")
    maps = target_maps(networks[1], faces, "depth")
    objective = own_objective(networks[1], augmented=True)
    assert objective is not None
    assert type(objective) is type(made(case)[1])
    train(networks[1], faces.images, maps, config, objective=objective)
    train(networks[2], faces.images, maps, replace(config, cdl_weight=0.0))  # label maps alone
    own, same, plain = (
        torch.cat([value.flatten() for value in network.parameters()]) for network in networks
    )
    torch.testing.assert_close(own, same)
    assert not torch.allclose(own, plain)
