"""Keyed numbers for tokens in context: the same integers on every device, with no generator.

Vocabulary partitions drawn from a generator depend on the device and its library. Here a token's
number is integer arithmetic alone, so whoever has the key verifies anywhere. Contexts are mixed by
SplitMix64's finaliser (Steele, Lea and Flood, OOPSLA 2014). At every step of generation the whole
vocabulary is mixed with the context's state, so that is done in 32 bits, which cost a third: two
rounds of MurmurHash3's finaliser, between which the state's upper half comes in. Its last step is
left out: it mends the lowest bits, and colours are decided by the highest.
"""

from typing import Literal, get_args

import torch
from torch import Tensor

from sterling.errors import InputError, unknown_name

Reduction = Literal["sequence", "min", "sum"]

BITS = 32
"""Numbers lie in [-2^31, 2^31)."""

_GOLDEN = -0x61C8864680B583EB  # 2^64 over the golden ratio, as a signed number
_FIRST, _SECOND = -0x40A7B892E31B1A47, -0x6B2FB644ECCEEE15  # SplitMix64's multipliers, signed
_NARROW = -0x7A143595, -0x3D4D51CB  # MurmurHash3's multipliers, signed


def _shifted(x: Tensor, bits: int) -> Tensor:
    """Shift logically to the right; the integers of torch carry the sign along."""
    width = 8 * x.element_size()
    return (x >> bits).bitwise_and_((1 << (width - bits)) - 1)


def _mix(x: Tensor) -> Tensor:
    """Mix 64-bit numbers in place."""
    x.bitwise_xor_(_shifted(x, 30)).mul_(_FIRST)
    x.bitwise_xor_(_shifted(x, 27)).mul_(_SECOND)
    return x.bitwise_xor_(_shifted(x, 31))


def context_states(key: int, contexts: Tensor, reduction: Reduction = "sequence") -> Tensor:
    """Return one state for each context, int64 (N,).

    Args:
        key: Secret, from 0 to 2^63 - 1.
        contexts: Token ids, int64 (N, h); h may be 0, then all states are one.
        reduction: Way to reduce: "sequence" takes the h tokens in their order; "min" and "sum" the
            least one and their sum, which survive some edits of the context.

    Raises:
        InputError: The key or the reduction is not allowed.
    """
    if type(key) is not int or not 0 <= key < 2**63:
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
    """Return the part of a token's number that no context changes, int64 of the ids' shape."""
    return _mix(tokens + _GOLDEN)


def pair_codes(states: Tensor, mixed: Tensor) -> Tensor:
    """Return one int64 for each pair of context and token, the same for equal pairs only.

    Two of a million pairs share one by chance with a probability below 10^-7.
    """
    return states ^ mixed


def token_numbers(states: Tensor, mixed: Tensor) -> Tensor:
    """Return each token's number in its context, int32, uniform for a random key.

    Args:
        states: States from `context_states`.
        mixed: Tokens from `mixed_tokens`, or its int32, which saves time on reuse; shapes
            broadcast, so (N, 1) states and (V,) tokens give (N, V).
    """
    x = states.to(torch.int32) ^ mixed.to(torch.int32)
    x.bitwise_xor_(_shifted(x, 16)).mul_(_NARROW[0])
    x.bitwise_xor_((states >> 32).to(torch.int32))
    return x.bitwise_xor_(_shifted(x, 13)).mul_(_NARROW[1])
