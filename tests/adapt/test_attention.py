"""Channel attention, and learners on a frozen representation."""

from collections import OrderedDict

import pytest
import torch
from torch import Tensor, nn

from sterling.adapt import (
    ChannelAttention,
    Episodes,
    attach,
    fit_meta,
    judge_tasks,
    layered,
    maml,
    map_classifier,
    represent,
)
from sterling.adapt.attention import Form
from sterling.errors import InputError
from sterling.image import conv4


def features(seed: int = 0) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return torch.randn(5, 6, 3, 2, generator=draw, dtype=torch.float64)


@pytest.mark.parametrize("form", ["softmax", "sigmoid"])
def test_attention_starts_as_none(form: Form) -> None:
    attention = ChannelAttention(6, form=form).double()
    torch.testing.assert_close(attention(features()), features())
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        pictures = torch.rand(4, 1, 32, 32)
    plain, attended = conv4(3, size=32, width=6), conv4(3, size=32, width=6)
    attach(attended, "block4", ChannelAttention(6, form=form))
    names = ["block1", "block2", "block3", "block4", "block4_attached", "flatten", "head"]
    assert [name for name, _ in attended.named_children()] == names
    torch.testing.assert_close(attended(pictures), plain(pictures), atol=1e-6, rtol=0)
    with pytest.raises(InputError, match="attach to one of its own parts, block1"):
        attach(attended, "block4.conv", ChannelAttention(6))


def test_softmax_weights_have_mean_1_and_follow_the_formula() -> None:
    attention = ChannelAttention(6, hidden=2).double()
    with torch.no_grad():
        attention.squeeze.bias.fill_(0.5)  # so that no hidden unit is off for every item
        attention.excite.weight.normal_(generator=torch.Generator().manual_seed(0))
    weights = attention.weights(features())
    torch.testing.assert_close(weights.mean(dim=1), torch.ones(5, dtype=torch.float64))
    assert float(weights.detach().std()) > 0.1
    means = features().mean(dim=(2, 3))
    inner = (means @ attention.squeeze.weight.T + attention.squeeze.bias).clamp(min=0)
    score = (inner @ attention.excite.weight.T + attention.excite.bias).exp()
    torch.testing.assert_close(weights, 6 * score / score.sum(dim=1, keepdim=True))
    torch.testing.assert_close(attention(features()), features() * weights[:, :, None, None])


def test_values_out_of_range_are_named() -> None:
    with pytest.raises(InputError, match="did you mean softmax"):
        ChannelAttention(4, form="softmx")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="hidden 0"):
        ChannelAttention(4, hidden=0)


def test_a_representation_is_the_same_to_the_byte_after_meta_training() -> None:
    """It has torch's own normalisation, whose statistics would move in training."""
    parts: OrderedDict[str, nn.Module] = OrderedDict(
        conv=nn.Conv2d(1, 4, 3), norm=nn.BatchNorm2d(4), relu=nn.ReLU()
    )
    representation = nn.Sequential(parts).train()
    before = {key: value.clone() for key, value in representation.state_dict().items()}
    items = torch.rand(60, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    maps = represent(representation, items, batch_size=7)
    torch.testing.assert_close(maps, represent(representation, items), atol=1e-6, rtol=0)
    assert not maps.requires_grad
    episodes = Episodes(maps, [i % 6 for i in range(60)], ways=3, shots=2, queries=3)
    learner = maml(layered(map_classifier(4, 4, 3, attention="softmax")), 0.1, steps=2)
    start = {key: value.clone() for key, value in learner.model.parameters().items()}
    fit_meta(learner, episodes.draw, iterations=3)
    assert representation.training
    for key, value in representation.state_dict().items():
        assert torch.equal(value, before[key]), key
    assert all(one.grad is None for one in representation.parameters())
    moved = learner.model.parameters()
    assert {key.partition(".")[0] for key in start if not torch.equal(start[key], moved[key])} == {
        "attention",
        "head",
    }


def test_a_network_with_its_head_on_is_refused() -> None:
    pictures = torch.rand(2, 1, 16, 16)
    with pytest.raises(InputError, match="without its head"):
        represent(conv4(5, size=16, width=2, norm=nn.BatchNorm2d), pictures)
    with pytest.raises(InputError, match="depends on the others"):
        represent(conv4(None, size=16, width=2), pictures)


def test_attention_passes_over_channels_that_distract() -> None:
    """Eight channels tell the classes apart, 24 are loud noise; a head alone cannot turn it down.

    It has learned where to start, but adapts as fast along noise as along signal.
    """
    draw = torch.Generator().manual_seed(0)
    centres = torch.randn(40, 8, generator=draw)
    labels = torch.arange(40).repeat_interleave(15)
    signal = centres[labels] + 0.5 * torch.randn(600, 8, generator=draw)
    maps = torch.cat([signal, 2 * torch.randn(600, 24, generator=draw)], dim=1)[:, :, None, None]
    training, test = (
        Episodes(maps[rows], labels[rows], ways=5, shots=1, queries=8)
        for rows in (labels < 25, labels >= 25)
    )
    accuracy = {}
    forms: tuple[Form | None, ...] = (None, "softmax")
    for attention in forms:
        model = layered(map_classifier(32, 1, 5, attention=attention))
        learner = maml(model, 0.2, steps=2, test_steps=2)
        fit_meta(
            learner,
            training.draw,
            iterations=40,
            optimizer=lambda own: torch.optim.Adam(own, 2e-2),
        )
        accuracy[attention] = judge_tasks(learner, test.draw, range(60)).accuracy[:, -1]
    gain = accuracy["softmax"] - accuracy[None]
    assert gain.mean() > 0.1 + 4 * gain.std() / len(gain) ** 0.5
