"""Numbers that follow from a secret key and a place: the same on every machine, new at every place.

The numbers are SHAKE-256's output (FIPS 202) for the key and the place. Nobody without the key can
tell them from random ones, and nothing has to be stored to have them again.
"""

import hashlib
import struct

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri

from sterling.errors import InputError

KEY_BYTES = 32


def keyed_uniform(
    key: bytes, place: tuple[int, ...], shape: tuple[int, ...]
) -> NDArray[np.float64]:
    """Uniform numbers in (0, 1), float64 of 32 bits, shaped ``shape``.

    Args:
        key: 32 secret bytes.
        place: Integers from 0 to 2^64 - 1 that name the place. One place gives one stream.
        shape: Of the result.

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
    """Standard normal numbers; arguments and errors as in `keyed_uniform`."""
    normal: NDArray[np.float64] = ndtri(keyed_uniform(key, place, shape))
    return normal
