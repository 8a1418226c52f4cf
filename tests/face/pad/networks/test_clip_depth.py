"""Both multi-frame networks: what a clip's answer depends on, whole and frame by frame."""

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from tests.draws import normal, uniform
from tests.face.pad.lively import lively
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from sterling.errors import InputError
from sterling.face.pad import (
    SGTD,
    DepthNet,
    Detector,
    Preprocessing,
    Provenance,
    StreamState,
    TemporalDepth,
    TrainConfig,
    train,
)
from sterling.face.pad.layers.spatio_temporal import ConvGRUCell
from sterling.face.pad.networks.clip_depth import ClipDepth
from sterling.face.pad.networks.network import Output
from sterling.face.pad.training.losses import DepthLoss, OutputLoss

Build = Callable[..., ClipDepth]
BOTH = pytest.mark.parametrize("build", [SGTD, TemporalDepth], ids=lambda b: str(b.name))


def weighed(network: ClipDepth) -> ClipDepth:
    """Lively, with single-frame maps of the size of depth, so that all counts."""
    lively(network)
    with torch.no_grad():
        last = network.single.head[2]
        assert isinstance(last, nn.Conv2d)
        last.weight.mul_(0.5 / network.single(normal(4, 3, 32, 32, seed=9)).maps.mean())
    return network


@BOTH
def test_a_clip_has_one_map_fewer_than_frames(build: Build) -> None:
    network = weighed(build(4))
    output = network(normal(2, 5, 3, 32, 48))
    assert output.maps.shape == (2, 4, 4, 6)
    assert output.logits.shape == (2, 1)
    assert network.w_single + network.w_multi == 1
    torch.testing.assert_close(
        network.liveness(output),
        0.8 * output.logits[:, 0].sigmoid() + 0.2 * output.maps.mean(dim=(1, 2, 3)),
    )


def test_defaults_are_the_stated_ones() -> None:
    assert SGTD(2).w_multi == 0.6
    assert SGTD(2).single.gradient == "sobel_then_conv"
    assert TemporalDepth(2).w_multi == 0.6
    assert TemporalDepth(2).single.gradient == "none"
    assert SGTD(2).logit_share == TemporalDepth(2).logit_share == 0.8


@BOTH
def test_without_the_multi_frame_map_the_single_frame_network_remains(build: Build) -> None:
    network, clips = weighed(build(4, w_multi=0.0)), normal(2, 5, 3, 32, 32)
    maps = network(clips).maps
    for frame in range(4):
        torch.testing.assert_close(
            maps[:, frame], network.single(clips[:, frame]).maps, atol=1e-4, rtol=1e-4
        )


@BOTH
def test_the_first_frame_is_remembered_to_the_last_map(build: Build) -> None:
    clips = normal(1, 5, 3, 32, 32)
    changed = clips.clone()
    changed[:, 0] = normal(1, 3, 32, 32, seed=1)
    for memory in (True, False):
        network = weighed(build(4, w_multi=1.0, memory=memory))
        now, then = (network(given).maps for given in (clips, changed))
        assert not torch.equal(now[:, 0], then[:, 0])
        assert torch.allclose(now[:, -1], then[:, -1], atol=1e-7) is not memory


@BOTH
def test_the_order_of_frames_matters(build: Build) -> None:
    network, clips = weighed(build(4, w_multi=1.0)), normal(1, 5, 3, 32, 32)
    forwards, backwards = (network(given) for given in (clips, clips.flip(1)))
    difference = (forwards.maps.mean(dim=1) - backwards.maps.mean(dim=1)).abs().amax()
    assert difference > 0.01 * forwards.maps.amax()


@BOTH
def test_without_memory_a_still_clip_has_equal_maps(build: Build) -> None:
    clips = normal(1, 1, 3, 32, 32).expand(-1, 5, -1, -1, -1)
    maps = weighed(build(4, memory=False))(clips).maps
    torch.testing.assert_close(maps, maps[:, :1].expand_as(maps))
    recurrent = weighed(build(4))(clips).maps
    assert not torch.allclose(recurrent[:, 0], recurrent[:, 1])


@BOTH
def test_frame_by_frame_is_the_whole_clip_at_every_length(build: Build) -> None:
    longest = weighed(build(4))
    clips = normal(2, 5, 3, 32, 32)
    output, state = longest.stream(clips[:, 0])
    assert output is None
    for frames in range(2, 6):
        whole = build(4, frames=frames).eval()
        whole.load_state_dict(longest.state_dict())
        expected = whole(clips[:, :frames])
        output, state = longest.stream(clips[:, frames - 1], state)
        assert output is not None
        torch.testing.assert_close(output.logits, expected.logits, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(state.refined, expected.maps[:, -1], atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(
            longest.liveness(output), whole.liveness(expected), atol=1e-5, rtol=1e-4
        )


@BOTH
def test_streaming_costs_what_the_whole_clip_costs_and_no_more(build: Build) -> None:
    network, clips = build(4).eval(), normal(1, 5, 3, 32, 32)

    def cost(work: Callable[[], Any]) -> int:
        with FlopCounterMode(display=False) as counter:
            work()
        return int(counter.get_total_flops())

    states: list[StreamState] = [network.stream(clips[:, 0])[1]]

    def step(frame: int) -> None:
        states.append(network.stream(clips[:, frame], states[-1])[1])

    first = cost(lambda: network.stream(clips[:, 0]))
    others = [cost(partial(step, frame)) for frame in range(1, 5)]
    assert len(set(others)) == 1
    # The classifier answers every time instead of once.
    answer = 2 * (16 * 64 + 64)
    assert first + sum(others) == cost(lambda: network(clips)) + 3 * answer


@BOTH
def test_half_precision_is_near_and_double_precision_nearer(build: Build) -> None:
    network, clips = weighed(build(4)), normal(2, 5, 3, 32, 32)
    expected = network(clips).logits
    with torch.autocast("cpu", dtype=torch.bfloat16):
        half = network(clips).logits.float()
    torch.testing.assert_close(half, expected, atol=0.1, rtol=0.1)
    double = network.double()(clips.double()).logits
    torch.testing.assert_close(double.float(), expected, atol=1e-4, rtol=1e-3)


@BOTH
def test_an_adopted_trunk_stays_bit_for_bit_while_the_rest_learns(build: Build) -> None:
    network = build(2, frames=3, seed=1)
    other = build(2, frames=3, seed=7).single
    network.adopt(other)
    before = {name: value.clone() for name, value in network.state_dict().items()}
    images = (128 + 40 * normal(8, 3, 3, 32, 32)).clamp(0, 255).byte()
    maps = torch.zeros(8, 3, 4, 4)
    maps[::2] = 0.7
    train(network, images, maps, TrainConfig(epochs=1, batch_size=4, learning_rate=0.01))
    after = network.state_dict()
    changed = {name for name, value in before.items() if not torch.equal(value, after[name])}
    assert not any(name.startswith("single.") for name in changed)
    assert {"blocks.0.mix.0.weight", "recurrent.0.gates.weight", "head.0.weight"} <= changed
    assert all(
        torch.equal(value, other.state_dict()[name])
        for name, value in network.single.state_dict().items()
    )


def test_another_trunk_is_not_adopted() -> None:
    with pytest.raises(InputError, match="sobel_then_conv"):
        SGTD(4).adopt(DepthNet(4))


@pytest.mark.no_cover
@BOTH
def test_training_finds_what_only_the_order_of_frames_tells(build: Build) -> None:
    """Bona fide clips brighten and attacks darken: their frames are the same pictures."""
    rng = np.random.default_rng(0)
    scenes = torch.from_numpy(rng.uniform(60, 160, (24, 1, 3, 32, 32)).astype(np.float32))
    clips = scenes + 30 * torch.arange(3.0).view(1, 3, 1, 1, 1)
    images = torch.cat([clips, clips.flip(1)]).byte()
    maps = torch.zeros(48, 3, 4, 4)
    maps[:24] = 0.7
    network = build(4, frames=3)
    config = TrainConfig(epochs=8, batch_size=8, learning_rate=5e-3, augment=False)
    train(network, images, maps, config)
    detector = Detector(network, Preprocessing(32), Provenance("toy", True, "CC0-1.0", 0, 48, ""))
    scores = detector.score(images)
    assert scores[:24].min() > scores[24:].max()


def test_wrong_streams_are_refused() -> None:
    network = SGTD(2).eval()
    _, state = network.stream(torch.zeros(2, 3, 32, 32))
    for other in (torch.zeros(3, 3, 32, 32), torch.zeros(2, 3, 40, 32)):
        with pytest.raises(InputError, match="same clips and size"):
            network.stream(other, state)
    with pytest.raises(InputError, match="depth_net takes"):
        network.stream(torch.zeros(2, 5, 3, 32, 32))


def test_what_a_block_hands_on_is_convolved_after_its_pooling() -> None:
    """As released: 3×3 and batch norm between two blocks; tanh in every cell."""
    network = SGTD(4, frames=3)
    lively(network)
    network.eval()
    for join in network.joins:
        assert isinstance(join, nn.Sequential)
        convolution, norm = join
        assert isinstance(convolution, nn.Conv2d)
        assert convolution.kernel_size == (3, 3)
        assert convolution.bias is None
        assert isinstance(norm, nn.BatchNorm2d)
    images = uniform(1, 3, 3, 32, 32)
    before = network(images).maps
    with torch.no_grad():
        next(network.joins[0].parameters()).zero_()
    assert not torch.equal(network(images).maps, before)
    for cell in network.recurrent:
        assert isinstance(cell, ConvGRUCell)
        with torch.no_grad():
            cell.candidate.weight.mul_(1e4)
        state = torch.zeros(1, cell.candidate.out_channels, 4, 4)
        given = 100 * uniform(1, cell.candidate.in_channels - state.shape[1], 4, 4)
        assert cell(given, state).abs().max() <= 1


def test_the_released_depth_loss_is_four_fifths_of_ours() -> None:
    """It adds the terms of four maps and divides by the five frames; ours is their mean."""
    maps, labels = uniform(2, 4, 8, 8, seed=1), uniform(2, 5, 8, 8, seed=2)
    ours = OutputLoss(1.0, 0.0)(Output(maps=maps), labels)
    terms = [DepthLoss(1.0)(maps[:, frame], labels[:, frame]) for frame in range(4)]
    released = torch.stack(terms).sum() / 5
    assert released.item() == pytest.approx(0.8 * ours.item(), rel=1e-5)
