"""Modalities: what the cameras record, and how several share one tensor."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING, Literal, get_args

from sterling.errors import InputError, unknown_name

if TYPE_CHECKING:
    from torch import Tensor

Modality = Literal["rgb", "depth", "ir"]

CHANNELS: dict[Modality, int] = {"rgb": 3, "depth": 1, "ir": 1}

DEPTH_RANGE = 0.15
"""Metres before and behind the face that `depth_picture` tells apart. Our default."""


def require_modalities(modalities: Collection[str]) -> tuple[Modality, ...]:
    """Check names of modalities and return them as a tuple.

    Raises:
        InputError: There is none, one is unknown, or one is named twice.
    """
    for name in modalities:
        if name not in CHANNELS:
            raise unknown_name("modality", str(name), get_args(Modality))
    if not modalities or len(set(modalities)) < len(modalities):
        raise InputError(f"modalities are {tuple(modalities)}: name at least one, each once")
    return tuple(name for name in modalities if name in CHANNELS)


def channels_of(modalities: Collection[Modality]) -> int:
    """Number of channels of a picture in which these modalities are stacked."""
    return sum(CHANNELS[name] for name in modalities)


def stack(pictures: Mapping[Modality, Tensor]) -> Tensor:
    """Put the modalities of the same presentations behind each other, along the channels.

    Args:
        pictures: Per modality uint8 (N, [T,] c, S, S) with c as in `CHANNELS`; in the order wanted.

    Returns:
        uint8 (N, [T,] C, S, S), C the sum of all c.

    Raises:
        InputError: A modality is unknown, or differs from the others in count, frames or size.
    """
    import torch

    require_modalities(pictures)
    first = next(iter(pictures))
    expected = (*pictures[first].shape[:-3], *pictures[first].shape[-2:])
    for name, picture in pictures.items():
        if picture.dtype != torch.uint8 or picture.shape[-3] != CHANNELS[name]:
            kind = str(picture.dtype).removeprefix("torch.")
            raise InputError(
                f"{name}: {kind} {tuple(picture.shape)}; expected uint8 (N, [T,] "
                f"{CHANNELS[name]}, S, S)"
            )
        found = (*picture.shape[:-3], *picture.shape[-2:])
        if found != expected:
            raise InputError(
                f"{name}: {tuple(picture.shape)} does not go with {first}: "
                f"{tuple(pictures[first].shape)}; give every presentation all modalities, cut "
                "alike and resized to one size"
            )
    return torch.cat(list(pictures.values()), dim=-3)


def depth_picture(metres: Tensor) -> Tensor:
    """Turn a depth sensor's metres into a grey picture of the face, nearest brightest.

    The median over the picture's central quarter becomes 128; `DEPTH_RANGE` before it 255 and
    behind it 1. 0 means no return. One median per presentation: over all frames of a clip, so that
    a face that moves nearer brightens. The data sets distribute 8-bit depth of this kind; their
    scaling is not published, this one is ours.

    Args:
        metres: float (N, [T,] S, S), S of 4 or more; 0 where there was no return.

    Returns:
        uint8 (N, [T,] 1, S, S).

    Raises:
        InputError: Values are negative or not finite, or a side is below 4.
    """
    import torch

    if min(metres.shape[-2:]) < 4:
        raise InputError(f"depth: {tuple(metres.shape)}; sides of 4 or more have a middle")
    if not bool(torch.isfinite(metres).all()) or bool((metres < 0).any()):
        raise InputError("depth: metres are 0 (no return) or more, and finite")
    height, width = metres.shape[-2:]
    centre = metres[..., height // 4 : -(height // 4), width // 4 : -(width // 4)]
    seen = centre.flatten(1)
    middle = torch.where(seen > 0, seen, torch.nan).nanmedian(dim=1).values.nan_to_num(1.0)
    nearer = (middle.view(-1, *[1] * (metres.ndim - 1)) - metres) / DEPTH_RANGE
    grey = (128 + 127 * nearer).round().clamp(1, 255)
    return torch.where(metres > 0, grey, 0).to(torch.uint8).unsqueeze(-3)
