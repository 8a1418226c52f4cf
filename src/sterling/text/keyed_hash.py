"""Keyed numbers for tokens in context: the same integers on every device, with no generator.

Vocabulary partitions drawn from a generator depend on the device and its library. Here a token's
number is integer arithmetic alone, so whoever has the key verifies anywhere. The mixing step is
SplitMix64's finaliser (Steele, Lea and Flood, OOPSLA 2014), on int64 that wraps.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from sterling.errors import InputError, unknown_name

__all__ = ["BITS", "Reduction", "context_states", "mixed_tokens", "token_numbers"]

Reduction = Literal["sequence", "min", "sum"]

BITS = 63
"""Numbers lie in [0, 2^63)."""

_GOLDEN = -0x61C8864680B583EB  # 2^64 over the golden ratio, as a signed number
_FIRST, _SECOND = -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15  # SplitMix64's multipliers, signed


def _shifted(x: Tensor, bits: int) -> Tensor:
    """Logical shift to the right; int64's own carries the sign along."""
    return (x >> bits).bitwise_and_((1 << (64 - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    """Mixes its argument in place: at every step of generation it has the vocabulary's size."""
    x.bitwise_xor_(_shifted(x, 30)).mul_(_FIRST)
    x.bitwise_xor_(_shifted(x, 27)).mul_(_SECOND)
    return x.bitwise_xor_(_shifted(x, 31))


def context_states(key: int, contexts: Tensor, reduction: Reduction = "sequence") -> Tensor:
    """One state for each context, int64 (N,).

    Args:
        key: From 0 to 2^63 - 1.
        contexts: Token ids, int64 (N, h); h may be 0, then all states are one.
        reduction: "sequence" takes the h tokens in their order; "min" and "sum" the least one and
            their sum, which survive some edits of the context.

    Raises:
        InputError: The key or the reduction is not allowed.
    """
    if type(key) is not int or not 0 <= key < 2**BITS:
        raise InputError(f"key {key!r}: an integer from 0 to 2^63 - 1")
    if reduction not in get_args(Reduction):
        raise unknown_name("reduction of the context", str(reduction), get_args(Reduction))
    if contexts.shape[1] and reduction == "min":
        contexts = contexts.amin(dim=1, keepdim=True)
    elif contexts.shape[1] and reduction == "sum":
        contexts = contexts.sum(dim=1, keepdim=True)
    state = torch.full(contexts.shape[:1], key, dtype=torch.int64, device=contexts.device)
    state = _mix(state + _GOLDEN)
    for token in contexts.unbind(dim=1):
        state = _mix(state + _GOLDEN ^ _mix(token + _GOLDEN))
    return state


def mixed_tokens(tokens: Tensor) -> Tensor:
    """The part of a token's number that no context changes, int64 of the ids' shape."""
    return _mix(tokens + _GOLDEN)


def token_numbers(states: Tensor, mixed: Tensor) -> Tensor:
    """The number of each token in its context, int64 in [0, 2^63); uniform for a random key.

    Args:
        states: From `context_states`.
        mixed: From `mixed_tokens`; shapes broadcast, so (N, 1) states and (V,) tokens give (N, V).
    """
    return _shifted(_mix(states ^ mixed), 1)
