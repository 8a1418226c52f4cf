"""Snapshots of a cache at rest, and the largest entries, measured before a secret is drawn."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.privacy.cache.cloak import CloakSecret

if TYPE_CHECKING:
    from transformers import Cache, PreTrainedModel


@dataclass(frozen=True)
class CacheSnapshot:
    """Keys and values of one text, as they are held.

    Attributes:
        keys: Keys of each layer (H, T, d). A cloaked cache has whole blocks, T rounded up.
        values: Values of each layer.
    """

    keys: tuple[Tensor, ...]
    values: tuple[Tensor, ...]

    @property
    def length(self) -> int:
        """Number of rows T."""
        return int(self.keys[0].shape[-2])


def snapshot(cache: "Cache", text: int = 0) -> CacheSnapshot:
    """Copy what a cache of transformers holds of one text of its batch.

    Raises:
        InputError: The cache holds nothing yet.
    """
    if cache.get_seq_length() == 0:
        raise InputError("cache: holds no position yet; run the model with it first")
    return CacheSnapshot(
        keys=tuple(layer.keys[text].clone() for layer in cache.layers),
        values=tuple(layer.values[text].clone() for layer in cache.layers),
    )


def plain_snapshot(model: "PreTrainedModel", ids: Tensor) -> CacheSnapshot:
    """Return the plain cache of token ids (T,)."""
    from transformers import DynamicCache

    return _prefilled(model, ids, DynamicCache())


def cloaked_snapshot(
    fused: "PreTrainedModel", secret: CloakSecret, ids: Tensor, nonce: tuple[int, int] | None = None
) -> CacheSnapshot:
    """Return the cloaked cache of token ids (T,), of a model with ``secret``'s M in its weights."""
    from sterling.privacy.cache.cloaked_cache import KVCloakCache

    return _prefilled(fused, ids, KVCloakCache(secret, fused=True, nonce=nonce))


def _prefilled(model: "PreTrainedModel", ids: Tensor, cache: "Cache") -> CacheSnapshot:
    with torch.no_grad():
        model(input_ids=ids[None], past_key_values=cache, use_cache=True, logits_to_keep=1)
    return snapshot(cache)


def largest_entries(snapshots: Sequence[CacheSnapshot]) -> Tensor:
    """Return the largest absolute entry of keys and values per layer and head, (L, 2, H).

    The paper measures one fixed long text.

    Raises:
        InputError: No snapshot is given.
    """
    if not snapshots:
        raise InputError("snapshots: none given; take one of a long text")
    measured = [
        torch.stack(
            [
                torch.stack((keys, values)).abs().amax(dim=(2, 3))
                for keys, values in zip(one.keys, one.values, strict=True)
            ]
        )
        for one in snapshots
    ]
    return torch.stack(measured).amax(dim=0)
