"""Attention of one new token over obfuscated blocks, which are never restored for it.

Ours; the paper restores all rows for every token. Products with keys C = S P (X + A) are undone on
the scores instead: with q a query, P X q = S^-1 (C q) - P A q, and b numbers for each block are
mixed where b rows of d were. Weights w, in the order of P, go the other way:
w^T P X = (S^-T w)^T C - w^T P A. So the rows of earlier blocks are in no tensor in plain while
tokens are generated.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_map_only
from transformers import AttentionInterface, AttentionMaskInterface
from transformers.integrations.sdpa_attention import sdpa_attention_forward
from transformers.masking_utils import sdpa_mask

from sterling.privacy.cache.blocks import BlockMixer

ATTENTION = "kv_cloak"
"""Name under which transformers finds this attention; `fuse` sets it."""


@dataclass(frozen=True)
class HeldBlocks:
    """Blocks of a layer under the mask "row".

    Attributes:
        blocks: Obfuscated rows C (2 N H, B, b, d), keys before values.
        mixer: The layer's secret.
        inverse: Inverse of each block's P, (B, b).
        length: Number of rows that count; the others fill the last block.
    """

    blocks: Tensor
    mixer: BlockMixer
    inverse: Tensor
    length: int

    def restored(self) -> Tensor:
        """Return rows of keys and values in plain, (2, N, H, length, d)."""
        rows = self.mixer.restore(self.blocks.to(self.mixer.offset), self.inverse, ())
        plain = rows.flatten(1, 2)[:, : self.length]
        return plain.view(2, self.mixer.texts, -1, *plain.shape[1:])


class CloakedRows(Tensor):
    """Keys (place 0) or values (1) of a layer, (N, H, length, d), restored only if they are read.

    `attend` does not read them. Any other operation gets them in plain, so that every attention
    works.
    """

    held: HeldBlocks
    place: int

    @classmethod
    def of(cls, held: HeldBlocks, place: int, dtype: torch.dtype) -> "CloakedRows":
        """Make rows of a precision, none of which exists yet."""
        blocks, texts = held.blocks, held.mixer.texts
        shape = (texts, len(blocks) // (2 * texts), held.length, blocks.shape[-1])
        rows: CloakedRows = Tensor._make_wrapper_subclass(
            cls, shape, dtype=dtype, device=blocks.device
        )
        rows.held, rows.place = held, place
        return rows

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, _types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        """Run the operation on the plain rows."""
        args, kwargs = tree_map_only(CloakedRows, CloakedRows._plain, (args, kwargs or {}))
        return func(*args, **kwargs)

    def _plain(self) -> Tensor:
        return self.held.restored()[self.place].to(self.dtype)


def attend(query: Tensor, held: HeldBlocks, mask: Tensor | None, scaling: float) -> Tensor:
    """Attend with one query per head and text to the rows that the blocks stand for.

    Args:
        query: G queries for each head of the cache (N, G H, 1, d).
        held: Blocks of a layer.
        mask: Rows that are seen, bool, or numbers added to scores (N or 1, G H or 1, 1, length).
        scaling: Factor of scores.

    Returns:
        (N, G H, 1, d), in the query's precision.
    """
    mixer, (z, blocks, b, d) = held.mixer, held.blocks.shape
    heads, width = z // 2, blocks * b
    keys, values = held.blocks.to(mixer.offset).view(2, heads, width, d)
    key_undo, value_undo = mixer.unscrambler.view(2, heads, b, b)
    key_offset, value_offset = mixer.offset.view(2, heads, 1, d)
    # Place of each row after P; sums over rows do not depend on order, so rows stay there.
    places = (held.inverse + b * torch.arange(blocks, device=query.device)[:, None]).flatten()
    marked = places[mixer.secret.marked :: b]

    asked = scaling * query.to(mixer.offset).view(heads, -1, d)
    scores = torch.bmm(torch.bmm(asked, keys.mT).view(heads, -1, b), key_undo.mT)
    scores = scores.view(heads, -1, width)
    lead = torch.bmm(asked, key_offset.mT)
    scores.index_add_(2, marked, lead.expand(-1, -1, blocks), alpha=-1)
    if held.length < width:
        scores.index_fill_(2, places[held.length :], -torch.inf)
    if mask is not None:
        bias = torch.zeros_like(mask, dtype=scores.dtype)
        bias = bias.masked_fill(~mask, -torch.inf) if mask.dtype == torch.bool else bias + mask
        shifted = bias.new_zeros(*bias.shape[:3], width)
        shifted.index_copy_(3, places[: held.length], bias)
        scores = scores + shifted.expand(*query.shape[:2], 1, width).reshape(scores.shape)
    weights = scores.softmax(dim=-1)
    mixed = torch.bmm(weights.view(heads, -1, b), value_undo).view(weights.shape)
    lead = weights.index_select(2, marked).sum(dim=-1, keepdim=True)
    answer = torch.baddbmm(-lead * value_offset, mixed, values)
    return answer.view(query.shape).to(query.dtype)


def _attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **more: Any,
) -> tuple[Tensor, None]:
    """Attend to a cloaked cache that was given one token, else as transformers does."""
    if isinstance(key, CloakedRows) and query.shape[2] == 1 and dropout == 0:
        scaling = query.shape[-1] ** -0.5 if scaling is None else scaling
        return attend(query, key.held, attention_mask, scaling).transpose(1, 2), None
    own: tuple[Tensor, None] = sdpa_attention_forward(
        module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
    )
    return own


AttentionInterface.register(ATTENTION, _attention)
AttentionMaskInterface.register(ATTENTION, sdpa_mask)
