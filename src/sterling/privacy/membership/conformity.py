"""The non-member conformity score of MIAFdR."""

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logit

from sterling.errors import InputError

CLAMP = 1e-6


def nonmember_conformity(
    nonmember_probability: ArrayLike, *, mixing: float = 0.5
) -> NDArray[np.float64]:
    """S = λ log(u / (1 - u)) + (1 - λ) u; higher = more like a non-member.

    S grows with u for every λ, so λ changes neither the order of the records nor, therefore, any
    p-value or declared list. It is here because the paper's score has it.

    Args:
        nonmember_probability: u in [0, 1], (records,); clamped to [1e-6, 1 - 1e-6].
        mixing: λ in [0, 1]; 0.5 is ours.

    Raises:
        InputError: λ or a u lies outside [0, 1].
    """
    u = np.asarray(nonmember_probability, dtype=np.float64)
    if not ((u >= 0) & (u <= 1)).all():
        raise InputError("nonmember_probability: give values between 0 and 1")
    if not 0 <= mixing <= 1:
        raise InputError(f"mixing {mixing}: give a number between 0 and 1")
    u = np.clip(u, CLAMP, 1 - CLAMP)
    return np.asarray(mixing * logit(u) + (1 - mixing) * u)
