"""KV-Cloak: blocks of keys and values, mixed by secret matrices and restored exactly.

"Shadow in the Cache", NDSS 2026, arXiv 2508.09442. With X a block of b rows of one head, S (b x b)
and M (d x d) secret and fixed, P a permutation that is new for each block, and A zero but for one
row, the offset a:

    obfuscated  C = S P (X M + A)
    restored    S^-1 C = P (X M + A); the row whose entries are large is a's; then M^-1

P is not stored: attention over the past does not ask for the order of its rows, as long as keys and
values share it. M rotates and scales the pairs of rotary embeddings, so that it commutes with them
and can be fused into the weights (`sterling.privacy.cache.fusion`).

A mask of ours, "dense", has no zero row in A and is new for each block, drawn with P and a scale of
each row from the key and the block's serial number. ``docs/cache.md`` gives its gain and its cost.

Numbers follow from the secret key and a place as SHAKE-256's output (FIPS 202): the same on every
machine, new at every place. Nobody without the key can tell them from random ones, and nothing has
to be stored to have them again.
"""

import hashlib
import struct
from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import ndtri
from torch import Tensor

from sterling.checks import Positive, Range, check_fields
from sterling.errors import InputError

KEY_BYTES = 32

Ratio = Annotated[float, Range(1)]

PLANE = 1.42
"""At least the root of 2: how far a rotation in a plane can enlarge an entry."""

OFFSET, PADDING = (3.0, 4.0), 1.5
"""Entries of the offset, and rows that fill a block, in units of the bound."""

# The first number of every place of the key names what is drawn there.
_SCRAMBLER, _STRETCH, _ANGLE, _SCALE, _OFFSET, _MARKED, _ORDER, _ROW_SCALE, _MASK = range(9)


def keyed_uniform(
    key: bytes, place: tuple[int, ...], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Return uniform numbers in (0, 1), float64 of 32 bits, shaped ``shape``.

    Args:
        key: 32 secret bytes.
        place: Integers from 0 to 2^64 - 1 that name the place. One place gives one stream.
        shape: Shape of the result.

    Raises:
        InputError: The key has another length.
    """
    if len(key) != KEY_BYTES:
        raise InputError(f"key of {len(key)} bytes: give {KEY_BYTES}, as secrets.token_bytes does")
    message = key + struct.pack(f"<{len(place) + 1}Q", len(place), *place)
    count = int(np.prod(shape))
    drawn = np.frombuffer(hashlib.shake_256(message).digest(4 * count), dtype="<u4")
    return (drawn.reshape(shape) + 0.5) * 2.0**-32


def keyed_normal(key: bytes, place: tuple[int, ...], shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Return standard normal numbers; arguments and errors as in `keyed_uniform`."""
    normal: NDArray[np.float64] = ndtri(keyed_uniform(key, place, shape))
    return normal


@dataclass(frozen=True)
class CloakConfig:
    """Constants of the defence; the defaults are the published ones.

    Attributes:
        block: Rows b of a block, at least 2 (16; the paper also tests 32 and 64).
        theta_ratio: Bound on an entry, in units of the largest one that was measured (2; 2.5 for
            LLaMA-7B).
        s_ratio: Bound of the scales of S, which are log-uniform in [1/s_ratio, s_ratio] (ours).
        m_ratio: Bound of the scales of M's pairs likewise; ratios are at least 1.
        mask: "row", the paper's offset of one row; "dense", ours.
        mask_ratio: Half-width of the dense mask's uniform entries, in units of the bound. Ours.
    """

    block: Annotated[int, Range(2)] = 16
    theta_ratio: Ratio = 2.0
    s_ratio: Ratio = 1.0
    m_ratio: Ratio = 1.0
    mask: Literal["row", "dense"] = "row"
    mask_ratio: Positive = 4.0

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True)
class LayerSecret:
    """Matrices that mix one layer's keys (first) and values (second), for H heads; float64.

    Attributes:
        config: Constants of the defence.
        key: The secret key, which permutations and dense masks follow from.
        layer: Number of the layer.
        layers: Number of layers of the model.
        scrambler: Matrices S (2, H, b, b).
        unscrambler: Inverses of S.
        mixer: Matrices M (2, H, d, d); rows are multiplied from the right.
        unmixer: Inverses of M.
        offset: Offsets a (2, H, d).
        bound: Largest absolute entry of X M (2, H).
        marked: Row of a block, before P, that the offset is added to.
    """

    config: CloakConfig
    key: bytes
    layer: int
    layers: int
    scrambler: Tensor
    unscrambler: Tensor
    mixer: Tensor
    unmixer: Tensor
    offset: Tensor
    bound: Tensor
    marked: int

    def inverse_order(self, serial: tuple[int, ...]) -> Tensor:
        """Return P's inverse for a block, int64 (b,): row r of X is row ``inverse[r]`` of P X."""
        return _inverse_orders(self.key, serial, self.layers, self.config.block)[self.layer]

    def row_scales(self, serial: tuple[int, ...]) -> NDArray[np.float64]:
        """Return the scales (2, H, b) of a block's rows under the dense mask."""
        heads = self.bound.shape[1]
        place = (_ROW_SCALE, self.layer, *serial)
        return _scales(self.key, place, (2, heads, self.config.block), self.config.s_ratio)

    def dense_mask(self, serial: tuple[int, ...]) -> Tensor:
        """Return A of a block under the dense mask, (2, H, b, d)."""
        shape = (*self.bound.shape, self.config.block, self.offset.shape[-1])
        numbers = keyed_uniform(self.key, (_MASK, self.layer, *serial), shape)
        unit = torch.from_numpy(2 * numbers - 1).to(self.bound)
        return unit * (self.config.mask_ratio * self.bound[:, :, None, None])


@dataclass(frozen=True)
class CloakSecret:
    """The secret of a whole model, one entry per layer."""

    config: CloakConfig
    layers: tuple[LayerSecret, ...]


def draw_secret(largest: Tensor, head_dim: int, config: CloakConfig, key: bytes) -> CloakSecret:
    """Draw every matrix from the key.

    Args:
        largest: Largest absolute entry of keys and of values that was measured on a text, per
            layer and head (L, 2, H), as from `sterling.privacy.cache.largest_entries`.
        head_dim: Number d of entries of a key; even.
        config: Constants of the defence.
        key: 32 secret bytes, from ``secrets.token_bytes(32)``. Whoever holds it reads the cache.

    Raises:
        InputError: An entry of ``largest`` is not above 0, d is odd, or the key is too short.
    """
    if largest.ndim != 3 or largest.shape[1] != 2:
        raise InputError(f"largest of shape {tuple(largest.shape)}: (layers, 2, heads)")
    if not bool((largest > 0).all()):
        raise InputError("largest: an entry is not above 0; measure it on a longer text")
    if head_dim % 2:
        raise InputError(f"head_dim {head_dim}: rotary embeddings rotate pairs, so it is even")
    b, heads = config.block, largest.shape[2]
    bound = PLANE * config.m_ratio * config.theta_ratio * largest.double().cpu()
    marked = int(keyed_uniform(key, (_MARKED,), (1,))[0] * b)
    layers = []
    for layer in range(len(largest)):
        normal = torch.from_numpy(keyed_normal(key, (_SCRAMBLER, layer), (2, heads, b, b)))
        stretch = _scales(key, (_STRETCH, layer), (2, heads, b), config.s_ratio)
        scrambler = torch.from_numpy(stretch)[..., None] * torch.linalg.qr(normal).Q
        pairs = (2, heads, head_dim // 2)
        angles = 2 * np.pi * keyed_uniform(key, (_ANGLE, layer), pairs)
        scales = _scales(key, (_SCALE, layer), pairs, config.m_ratio)
        mixer = pair_rotation(torch.from_numpy(angles), torch.from_numpy(scales))
        low, high = OFFSET
        unit = torch.from_numpy(keyed_uniform(key, (_OFFSET, layer), (2, heads, head_dim)))
        layers.append(
            LayerSecret(
                config=config,
                key=key,
                layer=layer,
                layers=len(largest),
                scrambler=scrambler,
                unscrambler=torch.linalg.inv(scrambler),
                mixer=mixer,
                unmixer=torch.linalg.inv(mixer),
                offset=(low + (high - low) * unit) * bound[layer, :, :, None],
                bound=bound[layer],
                marked=marked,
            )
        )
    return CloakSecret(config, tuple(layers))


def pair_rotation(angles: Tensor, scales: Tensor) -> Tensor:
    """Return matrices (..., d, d) that rotate and scale the pairs (i, i + d/2), from (..., d/2).

    It is the pairing of rotary embeddings, so these matrices commute with them.
    """
    half = angles.shape[-1]
    cosine, sine = scales * angles.cos(), scales * angles.sin()
    matrix = angles.new_zeros(*angles.shape[:-1], 2 * half, 2 * half)
    i = torch.arange(half)
    matrix[..., i, i] = matrix[..., i + half, i + half] = cosine
    matrix[..., i, i + half] = sine
    matrix[..., i + half, i] = -sine
    return matrix


@lru_cache(maxsize=64)
def _inverse_orders(key: bytes, serial: tuple[int, ...], layers: int, block: int) -> Tensor:
    """For every layer at once, as layers write under one serial number in turn."""
    # The inverse of a permutation that is drawn uniformly is drawn uniformly, too.
    drawn = keyed_uniform(key, (_ORDER, *serial), (layers, block))
    return torch.from_numpy(drawn.argsort(axis=1))


def _scales(
    key: bytes, place: tuple[int, ...], shape: tuple[int, ...], ratio: float
) -> NDArray[np.float64]:
    """Log-uniform in [1/ratio, ratio]."""
    exponent: NDArray[np.float64] = 2 * keyed_uniform(key, place, shape) - 1
    return ratio**exponent
