from typing import Any

import pytest
import torch
from tests.draws import normal, pixels, seeded
from torch import Tensor, nn

from sterling.face.pad import TrainConfig, normalise, train
from sterling.face.pad.layers.resnet import SqueezeExcitation
from sterling.face.pad.networks.fusion_resnet import FusionResNet


def small(**arguments: Any) -> FusionResNet:
    return FusionResNet(10, 4, **arguments).eval()


def test_resnets_of_one_modality_have_the_known_size() -> None:
    # Parameters of torchvision's networks, 513,000 of them in the 1000-way classifier.
    for depth, whole in ((18, 11_689_512), (34, 21_797_672)):
        model = FusionResNet(depth, 64, ("rgb",), "halfway")
        assert sum(p.numel() for p in model.parameters()) == whole - 513_000 + 513


def test_gates_are_in_zero_one_and_half_without_weights() -> None:
    excite = SqueezeExcitation(32, 4)
    features = normal(3, 32, 8, 8, seed=1)
    gates = excite.gates(features)
    assert gates.shape == (3, 32, 1, 1)
    assert float(gates.detach().min()) > 0
    assert float(gates.detach().max()) < 1
    nn.init.zeros_(excite.excite.weight)
    nn.init.zeros_(excite.excite.bias)
    torch.testing.assert_close(excite(features), features / 2)


def test_se_fusion_of_half_gates_is_halfway_fusion_on_halved_features() -> None:
    se, halfway = small(fusion="se", combine="concat"), small(fusion="halfway", combine="concat")
    for module in se.modules():
        if isinstance(module, SqueezeExcitation):
            nn.init.zeros_(module.excite.weight)
            nn.init.zeros_(module.excite.bias)
    halfway.load_state_dict(se.state_dict(), strict=False)
    # Features halve once more where the next convolution's weights are halved instead.
    first: Any = halfway.shared[0][0]  # type: ignore[index]
    with torch.no_grad():
        first.residual[0].weight.div_(2)
        first.shortcut[1].weight.div_(2)
        images = normal(2, 5, 64, 64, seed=1)
        torch.testing.assert_close(se(images).logits, halfway(images).logits)


@pytest.mark.parametrize("fusion", ["halfway", "se", "multi_scale_se"])
def test_addition_ignores_the_order_of_modalities_and_concatenation_does_not(fusion: Any) -> None:
    for combine, same in (("add", True), ("concat", False)):
        model = small(fusion=fusion, combine=combine)
        other = small(fusion=fusion, combine=combine, modalities=("ir", "depth", "rgb"))
        other.load_state_dict(_reversed(model))
        images = normal(2, 5, 64, 64, seed=1)
        turned = torch.cat([images[:, 4:5], images[:, 3:4], images[:, :3]], dim=1)
        with torch.no_grad():
            equal = torch.allclose(model(images).logits, other(turned).logits, atol=1e-5)
        assert equal is same


def _reversed(model: FusionResNet) -> dict[str, Tensor]:
    """The weights with streams, and gates, in the opposite order."""
    turned = {}
    for name, value in model.state_dict().items():
        parts = name.split(".")
        if parts[0] == "streams":
            parts[1] = str(2 - int(parts[1]))
        elif "excite" in parts[:3]:
            parts[3] = str(2 - int(parts[3]))
        turned[".".join(parts)] = value
    return turned


def test_the_gate_of_noise_falls_below_that_of_the_informative_modality() -> None:
    rng = seeded()
    items = 64
    images = torch.randint(0, 256, (items, 2, 32, 32), dtype=torch.uint8, generator=rng)
    live = torch.arange(items) % 2 == 0
    # Depth tells by its texture; the infrared picture is noise.
    stripes = 40 * ((torch.arange(32) // 4) % 2).float()
    images[:, 0] = torch.where(live[:, None, None], 128 + stripes, 128 + stripes[:, None]).byte()
    images[:, 0] += torch.randint(0, 20, (items, 32, 32), dtype=torch.uint8, generator=rng)
    falls = []
    for seed in range(3):
        model = FusionResNet(10, 8, ("depth", "ir"), "se", "add", 4, seed=seed)
        config = TrainConfig(epochs=15, batch_size=16, learning_rate=3e-3, augment=False, seed=seed)
        train(model, images, live.float()[:, None, None], config)
        with torch.no_grad():
            join: Any = model.fusions[0]
            gates = [
                excite.gates(stream[0](part)).mean()  # type: ignore[index]
                for excite, stream, part in zip(
                    join.excite, model.streams, model.split(normalise(images)), strict=True
                )
            ]
        falls.append(float(gates[0] - gates[1]))
    assert sum(falls) > 0, falls


def test_a_narrow_network_trains_on_channels_last_pictures() -> None:
    """PyTorch's strided 1×1 convolution would corrupt memory here."""
    images = pixels(16, 5, 32, 32)
    maps = (torch.arange(16) % 2 == 0).float()[:, None, None]
    history = train(FusionResNet(10, 4), images, maps, TrainConfig(epochs=3, augment=False))
    assert history.epochs[-1].loss < history.epochs[0].loss
