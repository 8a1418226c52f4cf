"""Responses of a layer's units to pictures: one pass, bounded memory, and patches that excite most.

A unit is a channel of a feature map (N, C, H, W), an entry of a vector (N, F), such as an MLP unit
or a class logit, or a feature of tokens (N, T, F).
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import ndimage
from torch import Tensor, nn

from sterling.errors import InputError, unknown_name

Box = tuple[int, int, int, int]
"""Left, top, right, bottom in pixels; right and bottom are outside."""

LARGEST_STORE = 2**30  # bytes of all values
REGION = 0.5  # of the way from a map's median to its peak, from which on a position belongs to it
CONSTANT = 1e-6  # spread of a unit's values below which it is dead


@dataclass(frozen=True, eq=False)
class Activations:
    """Responses of units to pictures.

    Attributes:
        layer: Name of the layer.
        units: Numbers of the units, (U,).
        values: Largest response over positions to each picture, float32 (N, U).
        top: Pictures that excite each unit most, descending, (U, k).
        boxes: Place of that response in each of them, (U, k, 4): left, top, right, bottom.
    """

    layer: str
    units: NDArray[np.intp]
    values: NDArray[np.float32]
    top: NDArray[np.intp]
    boxes: NDArray[np.intp]

    @property
    def dead(self) -> NDArray[np.bool_]:
        """Units that respond to every picture alike, (U,)."""
        return np.asarray(np.ptp(self.values, axis=0) < CONSTANT)


def record_activations(
    network: nn.Module,
    layer: str,
    pictures: Tensor,
    *,
    units: NDArray[np.intp] | None = None,
    prepare: Callable[[Tensor], Tensor] | None = None,
    top: int = 20,
    batch: int = 64,
) -> Activations:
    """Run pictures through a network once and keep what a layer's units respond.

    Args:
        network: Any network of pictures; it is put into evaluation mode.
        layer: Name of one of its modules.
        pictures: Pictures (N, 3, H, W) in [0, 1].
        units: Numbers of units; all by default.
        prepare: From pictures to the network's inputs; by default they are taken as they are.
        top: Number of pictures kept for each unit, k.
        batch: Pictures of one forward pass.

    Raises:
        InputError: There is no such layer or unit, the layer gives no units, fewer than `top`
            pictures, or values that would take more than 1 GiB.
    """
    check_pictures(pictures)
    if not 1 <= top <= len(pictures):
        raise InputError(f"top {top}: give 1 to the {len(pictures)} pictures that there are")
    network.eval()
    kept: _Top | None = None
    values: list[Tensor] = []
    for start in range(0, len(pictures), batch):
        maps = _maps(network, layer, pictures[start : start + batch], prepare)
        chosen = _units(maps.shape[1], units)
        if 4 * len(pictures) * len(chosen) > LARGEST_STORE:
            raise InputError(
                f"{len(chosen):,} units × {len(pictures):,} pictures: give fewer units, at most "
                f"{LARGEST_STORE // (4 * len(pictures)):,} at a time"
            )
        maps = maps[:, torch.from_numpy(chosen)]
        values.append(maps.flatten(2).amax(2))
        kept = _Top.of(values[-1], maps, start, top, kept)
    assert kept is not None
    field = receptive_field(network, layer, pictures[:1], prepare)
    return Activations(
        layer,
        chosen,
        torch.cat(values).numpy(),
        kept.pictures.numpy().astype(np.intp),
        _boxes(kept.maps, (pictures.shape[2], pictures.shape[3]), field),
    )


def check_pictures(pictures: Tensor) -> None:
    """Refuse what is not pictures (N, 3, H, W) in [0, 1]."""
    if pictures.ndim != 4 or pictures.shape[1] != 3:
        raise InputError(
            f"pictures {tuple(pictures.shape)}: give (N, 3, H, W); repeat a grey channel thrice"
        )
    if not len(pictures) or not (pictures.min() >= 0 and pictures.max() <= 1):
        raise InputError("pictures: give one or more, with values from 0 to 1")


@contextmanager
def watched(network: nn.Module, layer: str) -> Iterator[list[Tensor]]:
    """Collect the outputs of a layer while the network runs.

    Raises:
        InputError: There is no such layer.
    """
    modules = dict(network.named_modules())
    if layer not in modules or not layer:
        raise unknown_name("layer", layer, [name for name in modules if name])
    seen: list[Tensor] = []
    hook = modules[layer].register_forward_hook(lambda _, __, output: seen.append(output))
    try:
        yield seen
    finally:
        hook.remove()


def as_maps(output: Tensor, layer: str) -> Tensor:
    """A layer's output as maps (N, U, H, W): tokens in their square, vectors as one position.

    A class token before a square of tokens is left out.
    """
    if output.ndim == 4:
        return output
    if output.ndim == 2:
        return output[:, :, None, None]
    if output.ndim != 3:
        raise InputError(f"layer {layer}: its output {tuple(output.shape)} has no units")
    tokens = output.shape[1]
    for skipped in (0, 1):
        side = round((tokens - skipped) ** 0.5)
        if side > 0 and side**2 == tokens - skipped:
            square = output[:, skipped:].transpose(1, 2)
            return square.reshape(*square.shape[:2], side, side)
    return output.transpose(1, 2)[:, :, None]


@torch.no_grad()
def _maps(
    network: nn.Module, layer: str, pictures: Tensor, prepare: Callable[[Tensor], Tensor] | None
) -> Tensor:
    with watched(network, layer) as seen:
        network(pictures if prepare is None else prepare(pictures))
    if not seen or not isinstance(seen[0], Tensor):
        raise InputError(f"layer {layer}: it gives no tensor in a forward pass")
    return as_maps(seen[0], layer).float()


def _units(count: int, units: NDArray[np.intp] | None) -> NDArray[np.intp]:
    if units is None:
        return np.arange(count)
    chosen = np.asarray(units, dtype=np.intp)
    if not len(chosen) or chosen.min() < 0 or chosen.max() >= count:
        raise InputError(f"units {chosen.tolist()[:5]}: give numbers from 0 to {count - 1}")
    return chosen


@dataclass(frozen=True, eq=False)
class _Top:
    """Largest values of every unit so far, their pictures and maps, (U, k, ...)."""

    values: Tensor
    pictures: Tensor
    maps: Tensor

    @classmethod
    def of(
        cls, values: Tensor, maps: Tensor, start: int, top: int, before: "_Top | None"
    ) -> "_Top":
        """Merge a batch, whose pictures begin at a number, into what was kept."""
        values, maps = values.T, maps.transpose(0, 1)
        pictures = (start + torch.arange(values.shape[1])).expand(values.shape)
        if before is not None:
            values = torch.cat([before.values, values], 1)
            pictures = torch.cat([before.pictures, pictures], 1)
            maps = torch.cat([before.maps, maps], 1)
        # Stable: of equal values the earlier picture comes first, whatever the batches.
        order = torch.argsort(values, dim=1, descending=True, stable=True)[:, :top]
        unit = torch.arange(len(values))[:, None]
        return cls(values[unit, order], pictures[unit, order], maps[unit, order])


def receptive_field(
    network: nn.Module,
    layer: str,
    picture: Tensor,
    prepare: Callable[[Tensor], Tensor] | None = None,
) -> int:
    """Side in pixels of the square that the layer's middle position can see.

    It is measured: the extent of pixels whose change moves the position, by the gradient.
    """
    pixels = picture.clone().requires_grad_()
    with watched(network, layer) as seen, torch.enable_grad():
        network(pixels if prepare is None else prepare(pixels))
        maps = as_maps(seen[0], layer)
        middle = maps[0, :, maps.shape[2] // 2, maps.shape[3] // 2]
        (gradient,) = torch.autograd.grad(middle.sum(), pixels)
    rows, columns = torch.nonzero(gradient[0].abs().sum(0) > 0, as_tuple=True)
    if not len(rows):
        return max(picture.shape[2:])
    return int(max(rows.max() - rows.min(), columns.max() - columns.min())) + 1


def _boxes(maps: Tensor, size: tuple[int, int], field: int) -> NDArray[np.intp]:
    """Boxes of the regions around the peaks of maps (U, k, h, w), (U, k, 4)."""
    units, top = maps.shape[:2]
    found = [
        [region_box(maps[unit, rank].numpy(), size, field) for rank in range(top)]
        for unit in range(units)
    ]
    return np.array(found, dtype=np.intp).reshape(units, top, 4)


def region_box(response: NDArray[np.float32], size: tuple[int, int], field: int) -> Box:
    """Box of the region around the peak of a map, at least as large as the receptive field.

    Args:
        response: Map (h, w).
        size: Height and width of the picture in pixels.
        field: Side of the receptive field in pixels.
    """
    peak = np.unravel_index(int(response.argmax()), response.shape)
    bar = np.median(response) + REGION * (response.max() - np.median(response))
    labelled, _ = ndimage.label(response >= bar)
    rows, columns = np.nonzero(labelled == labelled[peak])
    spans = [
        _span(int(along.min()), int(along.max()) + 1, cells, pixels, field)
        for along, cells, pixels in zip((rows, columns), response.shape, size, strict=True)
    ]
    (top, bottom), (left, right) = spans
    return left, top, right, bottom


def _span(first: int, last: int, cells: int, pixels: int, field: int) -> tuple[int, int]:
    """Pixels from `first` to `last` of `cells` positions, grown to a receptive field."""
    middle = (first + last) / 2 * pixels / cells
    side = min(pixels, max((last - first) * pixels / cells, field))
    start = round(min(max(middle - side / 2, 0), pixels - side))
    return start, start + max(1, round(side))
