"""Difficulty calibration (Watson et al., 2022): how much easier is the record for the target?"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError


def difficulty_score(target: ArrayLike, reference: ArrayLike) -> NDArray[np.float64]:
    """The mean loss of reference models minus the target's loss, (records,).

    A record that every model finds easy is no sign of membership. Higher = more member.

    Args:
        target: Log-likelihoods log p_y under the target, (records,).
        reference: The same under reference models, (models, records); not a number (NaN) where
            that model was trained on that record, which is then left out of the mean.

    Raises:
        InputError: Shapes that do not fit, or a record that every reference was trained on.
    """
    own, others = np.asarray(target, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    if others.ndim != 2 or own.shape != others.shape[1:]:
        raise InputError(
            f"target has shape {own.shape}, reference {others.shape}; give (records,) and (models, "
            "records)"
        )
    known = ~np.isnan(others)
    if not known.any(axis=0).all():
        record = int((~known.any(axis=0)).argmax())
        raise InputError(f"record {record} has no reference model; give one not trained on it")
    mean = np.where(known, others, 0).sum(axis=0) / known.sum(axis=0)
    return np.asarray(own - mean)
