"""Rows of keys and values to obfuscated blocks, and back.

Rows are (2, N, H, T, d): keys and values of N texts, H heads, T positions, with M applied. Blocks
are (2, N, H, B, b, d); the last is filled up: by rows of 1.5 bounds under the mask "row"
(the paper fills before M, which then moves a tenth of the entries beyond the marker's threshold),
by zeros under "dense".
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.privacy.cache.cloak import PADDING, LayerSecret

Serial = tuple[int, ...]
"""Number that no other block of the layer has; permutation and dense mask follow from it."""


@dataclass(frozen=True)
class BlockMixer:
    """A layer's secret for Z = 2 N H heads of keys and values of N texts, in one precision.

    Attributes:
        secret: Secret of the layer.
        texts: Number of texts N.
        scrambler: Matrices S (Z, b, b).
        unscrambler: Inverses of S.
        offset: Offsets a (Z, 1, d).
        padding: Number that fills a block (Z, 1, 1, 1).
    """

    secret: LayerSecret
    texts: int
    scrambler: Tensor
    unscrambler: Tensor
    offset: Tensor
    padding: Tensor

    @classmethod
    def of(
        cls, secret: LayerSecret, texts: int, dtype: torch.dtype, device: torch.device
    ) -> "BlockMixer":
        """Repeat a secret for each text."""

        def each(tensor: Tensor) -> Tensor:
            shape = (2, texts, *tensor.shape[1:])
            return tensor[:, None].expand(shape).flatten(0, 2).to(device, dtype).contiguous()

        fill = PADDING if secret.config.mask == "row" else 0.0
        return cls(
            secret=secret,
            texts=texts,
            scrambler=each(secret.scrambler),
            unscrambler=each(secret.unscrambler),
            offset=each(secret.offset)[:, None],
            padding=fill * each(secret.bound)[:, None, None, None],
        )

    def inverse_orders(self, serials: Sequence[Serial]) -> Tensor:
        """Return P's inverse for each block, (B, b): row r of X is row ``inverse[r]`` of P X."""
        orders = torch.stack([self.secret.inverse_order(serial) for serial in serials])
        return orders.to(self.offset.device)

    def obfuscate(self, rows: Tensor, inverse: Tensor, serials: Sequence[Serial]) -> Tensor:
        """Return S P (X + A) of blocks X (Z, B, b, d)."""
        z, blocks, b, d = rows.shape
        mixing = self.scrambler.index_select(2, inverse.flatten()).view(z, b, blocks, b)
        mixing = mixing.transpose(1, 2).contiguous()
        if self.secret.config.mask == "dense":
            # A column of S P and a row of X + A have one number: the row's before P.
            mixing = mixing * self._row_scales(serials)[:, :, None]
            rows = rows + self._masks(serials)
            return torch.matmul(mixing, rows)
        marked = self.secret.marked
        mixed = (mixing[..., marked, None] * self.offset[:, None]).view(-1, b, d)
        mixed.baddbmm_(mixing.view(-1, b, b), rows.reshape(-1, b, d))
        return mixed.view(z, blocks, b, d)

    def restore(
        self, stored: Tensor, inverse: Tensor, serials: Sequence[Serial], out: Tensor | None = None
    ) -> Tensor:
        """Return X of blocks (Z, B, b, d), rows in their own order; in ``out`` if it is given."""
        z, blocks, b, d = stored.shape
        rows = torch.empty_like(stored) if out is None else out
        unmixing = self.unscrambler.index_select(1, inverse.flatten()).view(z, blocks, b, b)
        dense = self.secret.config.mask == "dense"
        if dense:
            unmixing = unmixing / self._row_scales(serials)[..., None]
        torch.bmm(unmixing.view(-1, b, b), stored.view(-1, b, d), out=rows.view(-1, b, d))
        if dense:
            rows -= self._masks(serials)
        else:
            rows[:, :, self.secret.marked].sub_(self.offset)
        return rows

    def _masks(self, serials: Sequence[Serial]) -> Tensor:
        """Return the dense masks A of blocks, (Z, B, b, d), one for all texts of a batch."""
        masks = torch.stack([self.secret.dense_mask(serial) for serial in serials], dim=2)
        return self._each_text(masks)

    def _row_scales(self, serials: Sequence[Serial]) -> Tensor:
        """Return the scale of each row before P, (Z, B, b)."""
        scales = [torch.from_numpy(self.secret.row_scales(serial)) for serial in serials]
        return self._each_text(torch.stack(scales, dim=2))

    def _each_text(self, tensor: Tensor) -> Tensor:
        shape = (2, self.texts, *tensor.shape[1:])
        return tensor[:, None].expand(shape).flatten(0, 2).to(self.offset)


def obfuscate(rows: Tensor, secret: LayerSecret, serials: Sequence[Serial]) -> Tensor:
    """Return S P (X M + A) of every block, (2, N, H, B, b, d).

    Args:
        rows: Rows X M, (2, N, H, T, d), T at least 1.
        secret: Secret of the layer.
        serials: Serial number of each block, B = ceil(T / b).

    Raises:
        InputError: An entry exceeds the bound, so that it could be taken for the marker of the
            mask "row".
    """
    b, d = secret.config.block, rows.shape[-1]
    mixer = BlockMixer.of(secret, rows.shape[1], rows.dtype, rows.device)
    if secret.config.mask == "row":
        _check_bound(rows, secret)
    flat = rows.flatten(0, 2)
    filled = mixer.padding[..., 0].repeat(1, len(serials) * b, d)
    filled[:, : flat.shape[1]] = flat
    blocks = filled.view(len(filled), -1, b, d)
    mixed = mixer.obfuscate(blocks, mixer.inverse_orders(serials), serials)
    return mixed.view(*rows.shape[:3], -1, b, d)


def restore(blocks: Tensor, secret: LayerSecret, serials: Sequence[Serial], length: int) -> Tensor:
    """Return X M of the blocks, (2, N, H, ``length``, d), from key and serial numbers."""
    mixer = BlockMixer.of(secret, blocks.shape[1], blocks.dtype, blocks.device)
    rows = mixer.restore(blocks.flatten(0, 2).contiguous(), mixer.inverse_orders(serials), serials)
    return rows.flatten(1, 2)[:, :length].reshape(*blocks.shape[:3], length, -1)


def restore_by_marker(blocks: Tensor, secret: LayerSecret) -> list[Tensor]:
    """Restore rows (2, N, H, <= b, d) of each block as the paper does, without the permutation.

    The row with entries above two bounds is the offset's, rows that then exceed the bound are
    padding. Rows keep the order that the block holds them in, one for all heads.

    Raises:
        InputError: The secret's mask has no marker.
    """
    if secret.config.mask != "row":
        raise InputError(f"mask {secret.config.mask!r} has no marker; restore by serial numbers")
    mixer = BlockMixer.of(secret, blocks.shape[1], blocks.dtype, blocks.device)
    rows = mixer.unscrambler[:, None] @ blocks.flatten(0, 2)
    bound = secret.bound.to(rows).repeat_interleave(mixer.texts, dim=0).flatten()
    bound = bound[:, None, None, None]
    rows = rows - (rows > 2 * bound).any(dim=-1, keepdim=True) * mixer.offset[:, None]
    kept = (rows.abs() <= bound).all(dim=-1).all(dim=0)
    return [
        block[:, keep].reshape(*blocks.shape[:3], -1, blocks.shape[-1])
        for block, keep in zip(rows.unbind(1), kept, strict=True)
    ]


def _check_bound(rows: Tensor, secret: LayerSecret) -> None:
    largest = rows.abs().amax(dim=(1, 3, 4)).to(secret.bound)
    if bool((largest > secret.bound).any()):
        excess = float((largest / secret.bound).max())
        raise InputError(
            f"an entry of layer {secret.layer} is {excess:.2f} times the bound, so it could be "
            "taken for the marker; measure the largest entries on a longer text, or raise "
            f"theta_ratio above {secret.config.theta_ratio}"
        )
