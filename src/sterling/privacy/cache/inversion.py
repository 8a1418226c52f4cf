"""Inversion: token ids from the first layer's keys and values, by solving its projections.

"Shadow in the Cache" (arXiv 2508.09442). Whoever knows the weights undoes the rotary embedding,
solves W_k h = k and W_v h = v (by least squares where there are fewer equations than unknowns, as
with grouped queries), takes the mean of both, and looks for the nearest token embedding.

With fewer equations than unknowns h is known only within the space of W's rows, and the nearest
embedding is often another one. So there is a second way, ours: project the embeddings by W
instead, and look for the token whose key and value point where the observed ones do.
"""

from typing import TYPE_CHECKING, Any, Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.privacy.cache.fusion import attention_layers
from sterling.privacy.cache.snapshot import CacheSnapshot
from sterling.research_use import require_research_use

if TYPE_CHECKING:
    from transformers import PreTrainedModel


@torch.no_grad()
def invert(
    model: "PreTrainedModel",
    stolen: CacheSnapshot,
    layer: int = 0,
    *,
    research_use: bool,
    by: Literal["solving", "projecting"] = "solving",
) -> Tensor:
    """The token id that each row looks like, int64 (T,).

    Beyond layer 0 the input of a layer is no token embedding any more, and the attack fails.

    Args:
        model: With the public weights.
        stolen: What was found.
        layer: Whose rows to invert.
        research_use: See `sterling.research_use`.
        by: "solving", the paper's, or "projecting", ours.

    Raises:
        InputError: The switch is off, or the model has other attention than this inverts.
    """
    require_research_use(research_use)
    decoder: Any = model.get_decoder()
    attention = attention_layers(model)[layer]
    pairs = [
        (projection.weight, _without_bias(projection, rows))
        for projection, rows in (
            (attention.k_proj, _unrotated(decoder, stolen.keys[layer].float())),
            (attention.v_proj, stolen.values[layer].float()),
        )
    ]
    embeddings, scale = decoder.embed_tokens.weight, decoder.layers[layer].input_layernorm.weight
    if by == "projecting":
        weight, rows = (
            torch.cat(parts, dim=dim) for dim, parts in enumerate(zip(*pairs, strict=True))
        )
        return _nearest(rows, (embeddings * scale) @ weight.T)
    solved = [
        torch.linalg.lstsq(weight, rows.T, driver="gelsd").solution.T for weight, rows in pairs
    ]
    return _nearest((solved[0] + solved[1]) / 2 / scale, embeddings)


def _nearest(rows: Tensor, references: Tensor) -> Tensor:
    """Of which reference each row has the largest cosine."""
    return (F.normalize(rows, dim=-1) @ F.normalize(references, dim=-1).T).argmax(dim=-1)


def _unrotated(decoder: Any, keys: Tensor) -> Tensor:
    """Keys (H, T, d) before the rotary embedding of positions 0 ... T - 1."""
    positions = torch.arange(keys.shape[1], device=keys.device)[None]
    cosine, sine = decoder.rotary_emb(keys, positions)
    first, second = keys.chunk(2, dim=-1)
    turned_back = torch.cat((second, -first), dim=-1)
    scale = cosine.square() + sine.square()  # 1, or the square of the embedding's own scaling
    unrotated: Tensor = (keys * cosine + turned_back * sine) / scale
    return unrotated


def _without_bias(projection: Any, rows: Tensor) -> Tensor:
    """Rows (H, T, d) as (T, H d), less the projection's bias."""
    flat = rows.transpose(0, 1).flatten(1)
    return flat if projection.bias is None else flat - projection.bias
