"""A linear probe: can a layer's activations tell forgotten items from items never seen?"""

import numpy as np
from numpy.typing import ArrayLike
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sterling.errors import InputError
from sterling.measure import Estimate
from sterling.privacy.unlearning_attacks.separation import attack_area


def linear_probe(
    forgotten: ArrayLike,
    never_seen: ArrayLike,
    groups: ArrayLike,
    *,
    folds: int = 4,
    strength: float = 0.1,
) -> Estimate:
    """Area of a logistic regression on standardised activations, each item held out once.

    Args:
        forgotten: Activations (A, d).
        never_seen: Of items of the same kind that were in no training set, (B, d).
        groups: Of all A + B items, those of ``forgotten`` first: items of one group (an author)
            are held out together, so that the probe cannot know it by name.
        folds: Parts that are held out in turn, each of whole groups.
        strength: C of the regression, the inverse of its ridge; ours.

    Raises:
        InputError: On shapes that do not fit, or fewer groups than folds on either side.
    """
    first, second = (np.asarray(side, dtype=np.float64) for side in (forgotten, never_seen))
    group = np.asarray(groups)
    if first.ndim != 2 or second.ndim != 2 or group.shape != (len(first) + len(second),):
        raise InputError(
            f"forgotten {first.shape}, never_seen {second.shape}, groups {group.shape}: give "
            "(A, d), (B, d), (A + B,)"
        )
    sides = group[: len(first)], group[len(first) :]
    fewest = min(len(np.unique(side)) for side in sides)
    if fewest < folds:
        raise InputError(f"groups: one side has {fewest}, {folds} folds need as many; give more")
    # A fold holds out as many groups of one side as of the other.
    place = np.concatenate([np.unique(side, return_inverse=True)[1] for side in sides])
    probe = make_pipeline(StandardScaler(), LogisticRegression(C=strength, max_iter=1000))
    scores = cross_val_predict(
        probe,
        np.concatenate([first, second]),
        np.arange(len(group)) < len(first),
        groups=place % folds,
        cv=GroupKFold(folds),
        method="decision_function",
    )
    return attack_area(scores[: len(first)], scores[len(first) :])
