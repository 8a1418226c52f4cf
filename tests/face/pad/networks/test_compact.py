from pathlib import Path

import pytest
import torch
from tests.draws import pixels, seeded, uniform
from torch import Tensor

from sterling.errors import InputError
from sterling.face.pad import Compact
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.networks.compact import STAGES
from sterling.face.pad.training.compact_training import (
    CompactObjective,
    _released,
    load_trunk,
    reframed,
    toned,
)
from sterling.face.pad.training.objective import Batch


def test_counts_are_those_of_efficientnet_lite0_without_its_classifier() -> None:
    # 4,652,008 parameters as released, less a classifier of 1000 classes, the widening to 1280
    # channels before it and that layer's batch norm; and our head of one logit.
    released = 4_652_008 - (1280 * 1000 + 1000) - (320 * 1280 + 2 * 1280)
    assert sum(one.numel() for one in Compact().parameters()) == released + 321


@pytest.mark.parametrize("stages", range(1, len(STAGES) + 1))
def test_fewer_stages_are_the_first_ones(stages: int) -> None:
    network = Compact(stages).eval()
    channels = STAGES[stages - 1][3]
    images = normalise(pixels(2, 3, 32, 32))
    assert network.features(images).shape == (2, channels)
    output = network(images)
    assert torch.equal(network.liveness(output), output.logits[:, -1])  # log odds, not squashed


def test_the_trunk_is_read_by_the_names_of_its_release(tmp_path: Path) -> None:
    source, target = Compact(3, seed=1), Compact(3, seed=2)
    stored = {
        _released(name): value
        for name, value in source.state_dict().items()
        if not name.startswith("head.")
    }
    assert {"_conv_stem.weight", "_bn0.running_mean", "_blocks.3._bn1.bias"} <= stored.keys()
    assert "_blocks.0._expand_conv.weight" not in stored  # the first block does not widen
    torch.save({**stored, "_fc.weight": torch.zeros(1000, 1280)}, tmp_path / "lite0.pth")
    load_trunk(target, tmp_path / "lite0.pth")
    images = normalise(pixels(2, 3, 64, 64))
    with torch.no_grad():
        assert torch.equal(source.eval().features(images), target.eval().features(images))
        assert not target(images).logits.any()  # the head starts undecided
    del stored["_conv_stem.weight"]
    torch.save(stored, tmp_path / "other.pth")
    with pytest.raises(InputError, match=r"other\.pth: not the weights of EfficientNet-Lite0"):
        load_trunk(target, tmp_path / "other.pth")
    (tmp_path / "no.pth").write_bytes(b"nothing")
    with pytest.raises(InputError, match=r"no\.pth: not the weights"):
        load_trunk(target, tmp_path / "no.pth")


def test_reframed_ramps_are_ramps_of_the_side_that_was_cut() -> None:
    # A picture whose value is the horizontal place: what is cut out of it is again a ramp, whose
    # slope is the side of the cut, one way or, mirrored, the other.
    ramp = torch.linspace(0, 255, 160).expand(3, 160, 160).repeat(200, 1, 1, 1)
    cut = reframed(ramp, 80, seeded(4))
    assert cut.shape == (200, 3, 80, 80)
    slopes = cut[:, 0, :, 20:60].mean(dim=1).diff(dim=1).mean(dim=1) * 80 / 255
    assert 0.35 < (slopes < 0).float().mean() < 0.65
    assert 0.82 * 0.93**0.5 - 0.01 < slopes.abs().min() < 0.86
    assert 0.98 < slopes.abs().max() < 1.02 * 1.07**0.5 + 0.01
    assert (cut.diff(dim=2).abs() < 1e-3).all()  # never turned
    assert torch.equal(cut, reframed(ramp, 80, seeded(4)))


def test_tone_keeps_the_order_of_brightness() -> None:
    ramp = torch.linspace(0, 255, 32).expand(3, 32, 32).repeat(50, 1, 1, 1)
    changed = toned(ramp, seeded(1))
    assert (changed.diff(dim=-1) >= 0).all()
    assert 0 <= changed.min() <= changed.max() <= 255
    assert changed[:, 0, 0, 16].std() > 5


def objective_loss(logit: float, live: float, smoothing: float) -> float:
    class Fixed(Compact):
        def forward(self, images: Tensor, present: Tensor | None = None):  # type: ignore[no-untyped-def]  # noqa: ANN202
            return (
                super()
                .forward(images, present)
                ._replace(logits=torch.full((len(images), 1), logit))
            )

    network = Fixed(1).eval()
    batch = Batch(pixels(3, 3, 64, 64), torch.full((3, 1, 1), live), None, torch.arange(3))
    loss, scores = CompactObjective(32, smoothing)(network, network, batch, seeded(0))
    assert scores.tolist() == [logit] * 3
    return float(loss)


def test_the_loss_is_the_cross_entropy_of_smoothed_labels() -> None:
    softplus = torch.nn.functional.softplus
    for logit in (-2.0, 0.5):
        up, down = float(softplus(torch.tensor(-logit))), float(softplus(torch.tensor(logit)))
        assert objective_loss(logit, 1.0, 0.0) == pytest.approx(up, rel=1e-6)
        assert objective_loss(logit, 0.0, 0.0) == pytest.approx(down, rel=1e-6)
        smoothed = 0.9 * up + 0.1 * down
        assert objective_loss(logit, 1.0, 0.1) == pytest.approx(smoothed, rel=1e-6)


def test_a_side_that_is_not_divisible_is_refused() -> None:
    with pytest.raises(InputError, match="divisible by 16"):
        Compact(1)(uniform(1, 3, 40, 40))
