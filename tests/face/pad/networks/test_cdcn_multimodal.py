import torch
from tests.draws import normal, seeded
from tests.face.pad.lively import lively
from torch import Tensor, nn

from sterling.face.pad import CDCN, TrainConfig, normalise, train
from sterling.face.pad.networks.cdcn_multimodal import CDCNMultimodal


def test_no_tensor_is_shared_between_trunks() -> None:
    model = CDCNMultimodal(4)
    addresses = [p.data_ptr() for branch in model.branches for p in branch.parameters()]
    assert len(set(addresses)) == len(addresses)


def test_order_of_modalities_is_a_matter_of_weights_only() -> None:
    model = lively(CDCNMultimodal(4, modalities=("rgb", "depth", "ir")))
    other = CDCNMultimodal(4, modalities=("ir", "rgb", "depth")).eval()
    order = [2, 0, 1]  # where the other's modalities stand in the first
    for mine, theirs in enumerate(order):
        other.branches[mine].load_state_dict(model.branches[theirs].state_dict())
    fused = model.head.state_dict()
    block = fused["0.0.weight"].shape[1] // 3
    parts = fused["0.0.weight"].split(block, dim=1)
    fused["0.0.weight"] = torch.cat([parts[i] for i in order], dim=1)
    other.head.load_state_dict(fused)
    images = normal(2, 5, 32, 32, seed=1)
    permuted = torch.cat([images[:, 4:5], images[:, :3], images[:, 3:4]], dim=1)
    with torch.no_grad():
        expected, found = model(images).maps, other(permuted).maps
    assert float(expected.abs().max()) > 0
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=0)


def test_parameter_count_is_three_trunks_and_a_head() -> None:
    model = CDCNMultimodal(64)

    def count(module: nn.Module) -> int:
        return sum(p.numel() for p in module.parameters())

    # Colour trunk: CDCN's 2,245,016 without its second and third head layer; the others have a
    # one-channel stem.
    rgb = 2_245_016 - (128 * 64 * 9 + 2 * 64) - 64 * 9
    assert [count(branch) for branch in model.branches] == [rgb, rgb - 1152, rgb - 1152]
    assert count(model.head) == 384 * 128 * 9 + 256 + 128 * 9


def test_where_only_depth_tells_three_modalities_do_as_well_as_depth_and_colour_does_not() -> None:
    """Live and spoof differ in depth alone; colour and infrared are the same noise for both."""
    generator = seeded()

    def task(items: int) -> tuple[Tensor, Tensor]:
        shape = (items, 5, 32, 32)
        images = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
        live = torch.arange(items) % 2 == 0
        bump = torch.linspace(-1, 1, 32).square()
        relief = 200 - 60 * (bump[:, None] + bump)
        noise = torch.randint(0, 20, (items, 32, 32), generator=generator)
        images[:, 3] = (torch.where(live[:, None, None], relief, 140.0) + noise).byte()
        return images, live.float()[:, None, None].expand(-1, 4, 4).contiguous()

    images, maps = task(96)
    unseen, truth = task(40)
    config = TrainConfig(epochs=6, batch_size=8, learning_rate=2e-3, augment=False)
    areas = {}
    for name, model, channels in (
        ("all", CDCNMultimodal(4), slice(0, 5)),
        ("depth", CDCN(4, modalities=("depth",)), slice(3, 4)),
        ("rgb", CDCN(4), slice(0, 3)),
    ):
        train(model, images[:, channels].contiguous(), maps, config)
        with torch.no_grad():
            scores = model.liveness(model(normalise(unseen[:, channels])))
        live = truth[:, 0, 0] > 0
        areas[name] = float((scores[live][:, None] > scores[~live]).float().mean())
    assert areas["all"] > 0.95, areas
    assert areas["depth"] > 0.95, areas
    assert 0.2 < areas["rgb"] < 0.8, areas
