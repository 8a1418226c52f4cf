"""Rows of keys and values to obfuscated blocks, and back.

Rows are (2, N, H, T, d): keys and values of N texts, H heads, T positions. Blocks are
(2, N, H, b, B, d), rows of a block before the number of the block, so that one product by S^-1
restores all blocks of a head, straight to where attention reads them.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.privacy.cache.cloak import PADDING, LayerSecret

__all__ = ["Serial", "obfuscate", "restore"]

Serial = tuple[int, ...]
"""What no other block of the layer has: permutation and dense mask follow from it."""


def obfuscate(rows: Tensor, secret: LayerSecret, serials: Sequence[Serial]) -> Tensor:
    """S P (X M + A) of every block, (2, N, H, b, B, d), for rows that M was applied to.

    The last block is filled up, by rows of 1.5 bounds ("row"; the paper fills before M, which
    then moves a tenth of the entries beyond the marker's threshold) or of zero ("dense").

    Args:
        rows: X M, (2, N, H, T, d), T at least 1.
        secret: Of the layer, in the precision and on the device of ``rows``.
        serials: One per block, B = ceil(T / b).

    Raises:
        InputError: An entry exceeds the bound that the marker is told by.
    """
    b, d = secret.config.block, rows.shape[-1]
    dense = secret.config.mask == "dense"
    if not dense:
        _check_bound(rows, secret)
    missing = len(serials) * b - rows.shape[-2]
    if missing:
        fill = 0 if dense else PADDING
        padding = (fill * secret.bound)[:, None, :, None, None]
        rows = torch.cat((rows, padding.expand(*rows.shape[:3], missing, d)), dim=-2)
    orders = torch.stack([torch.from_numpy(secret.order(serial)) for serial in serials], dim=1)
    orders = orders.to(rows.device)
    blocks = rows.unflatten(-2, (len(serials), b))
    if dense:
        blocks = blocks + _dense_masks(secret, serials)
        permuted = blocks[..., torch.arange(len(serials)), orders, :]
        permuted = permuted * _row_scales(secret, serials, permuted)
    else:
        permuted = blocks[..., torch.arange(len(serials)), orders, :]
        row, block = torch.nonzero(orders == secret.marked, as_tuple=True)
        permuted[..., row, block, :] += secret.offset[:, None, :, None]
    return (secret.scrambler[:, None] @ permuted.flatten(-2)).unflatten(-1, (-1, d))


def restore(
    stored: Tensor,
    secret: LayerSecret,
    serials: Sequence[Serial],
    length: int,
    out: Tensor | None = None,
) -> Tensor:
    """X M of the blocks, (2, N, H, ``length``, d).

    Under the mask "row" rows come back in the order that their blocks hold them, which nobody
    stored, the same for keys and values. Under "dense" they come back in their own.

    Args:
        stored: Blocks (2, N, H, b, B, d) as from `obfuscate`, in the secret's precision.
        secret: Of the layer.
        serials: Of the blocks.
        length: How many rows are no padding; all blocks but the last are full.
        out: Where full blocks go, (2, N, H, b B, d), instead of new memory.
    """
    b, blocks = secret.config.block, stored.shape[-2]
    if out is None:
        out = stored.new_empty(*stored.shape[:3], b * blocks, stored.shape[-1])
    unscrambler = secret.unscrambler[:, None].expand(*stored.shape[:3], b, b)
    torch.bmm(
        unscrambler.reshape(-1, b, b),
        stored.flatten(-2).flatten(0, 2),
        out=out.unflatten(-2, (b, blocks)).flatten(-2).flatten(0, 2),
    )
    if secret.config.mask == "dense":
        return _unmasked(out, secret, serials)[..., :length, :]
    return _unmarked(out, secret, length)


def _unmarked(out: Tensor, secret: LayerSecret, length: int) -> Tensor:
    """Subtract the offset from its row of each block, and drop padding.

    All entries of the offset exceed three bounds, so that one entry of a row tells what it is;
    P is the same for all heads, so that one head tells for all.
    """
    b = secret.config.block
    blocks = out.shape[-2] // b
    probe = out[0, 0, 0, :, 0].view(b, blocks)
    bound = secret.bound[0, 0]
    row = probe.argmax(dim=0)
    at = row * blocks + torch.arange(blocks, device=out.device)
    out[..., at, :] -= secret.offset[:, None, :, None]
    if length == out.shape[-2]:
        return out
    return out[..., out[0, 0, 0, :, 0] < bound, :]


def _unmasked(out: Tensor, secret: LayerSecret, serials: Sequence[Serial]) -> Tensor:
    blocks = out.unflatten(-2, (secret.config.block, len(serials)))
    scaled = blocks / _row_scales(secret, serials, blocks)
    orders = torch.stack([torch.from_numpy(secret.order(serial)) for serial in serials])
    inverse = orders.argsort(dim=1).to(out.device)
    ordered = scaled[..., inverse, torch.arange(len(serials))[:, None], :]
    return (ordered - _dense_masks(secret, serials)).flatten(-3, -2)


def _dense_masks(secret: LayerSecret, serials: Sequence[Serial]) -> Tensor:
    """Masks of all blocks, (2, 1, H, B, b, d)."""
    return torch.stack([secret.dense_mask(serial) for serial in serials], dim=2)[:, None]


def _row_scales(secret: LayerSecret, serials: Sequence[Serial], like: Tensor) -> Tensor:
    """Scales of all blocks' rows, (2, 1, H, b, B, 1)."""
    scales = [torch.from_numpy(secret.row_scales(serial)) for serial in serials]
    return torch.stack(scales, dim=-1)[:, None, ..., None].to(like)


def _check_bound(rows: Tensor, secret: LayerSecret) -> None:
    largest = rows.abs().amax(dim=(1, 3, 4))
    if bool((largest > secret.bound).any()):
        excess = float((largest / secret.bound).max())
        raise InputError(
            f"an entry of layer {secret.layer} is {excess:.2f} times the bound, so it could be "
            "taken for the marker; measure the largest entries on a longer text, or raise "
            f"theta_ratio above {secret.config.theta_ratio}"
        )
