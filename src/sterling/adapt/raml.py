"""Meta-learning on a representation of past knowledge (RAML; Qin et al., arXiv 1811.07545).

A network trained before, on other classes, turns every item into a feature map and is never changed
again; the learner that adapts to tasks sees these maps alone. With an attention it is RAML, and
with a network trained without labels URAML.
"""

from collections import OrderedDict

import torch
from torch import Tensor, nn

from sterling.adapt.attention import ChannelAttention, Form
from sterling.adapt.normalisation import BatchStatistics
from sterling.errors import InputError


def represent(representation: nn.Module, items: Tensor, *, batch_size: int = 256) -> Tensor:
    """Return feature maps of items by a frozen network, without a gradient to it.

    The network runs in evaluation mode: an item's map does not depend on other items.

    Args:
        representation: Maps items (N, ...) to maps (N, C, H, W); its weights, buffers and mode
            do not change.
        items: Items on the network's device.
        batch_size: Number of items at a time.

    Raises:
        InputError: It gives no maps, or normalises by the batch alone.
    """
    if any(isinstance(part, BatchStatistics) for part in representation.modules()):
        raise InputError(
            "representation: it normalises by the batch alone, so that an item's map depends on "
            "the others; train one with torch's own batch normalisation"
        )
    mode = representation.training
    representation.eval()
    with torch.no_grad():
        starts = range(0, len(items), batch_size)
        maps = torch.cat([representation(items[start : start + batch_size]) for start in starts])
    representation.train(mode)
    if maps.ndim != 4:
        raise InputError(
            f"representation: gives {tuple(maps.shape)}; give a network without its head, whose "
            "output is a map (N, channels, height, width)"
        )
    return maps


def map_classifier(
    channels: int,
    side: int,
    ways: int,
    *,
    attention: Form | None = None,
    seed: int = 0,
) -> nn.Sequential:
    """Return the part that adapts on maps: attention if asked for, and a linear head.

    Args:
        channels: Number of channels of the maps.
        side: Height and width of the maps.
        ways: Number of classes of a task.
        attention: Form of the `ChannelAttention` before the head; None: there is none.
        seed: Seed of the initial weights.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        head = nn.Linear(channels * side**2, ways)
    parts: OrderedDict[str, nn.Module] = OrderedDict(flatten=nn.Flatten(), head=head)
    if attention is not None:
        weighing = ChannelAttention(channels, form=attention, seed=seed)
        parts = OrderedDict(attention=weighing, **parts)
    return nn.Sequential(parts)
