"""RMIA against an unlearned model, by an attacker who does not know that anything was forgotten.

Zarifzadeh et al., "Low-Cost High-Power Membership Inference Attacks", ICML 2024. The references are
the shadow models before unlearning; records that no model learned stand for the population.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.privacy.membership.rmia import likelihood_ratio, rmia_score


def rmia_after_unlearning(
    after: ArrayLike, reference: ArrayLike, membership: ArrayLike
) -> NDArray[np.float64]:
    """Every model attacked with all others but its complement as references, (models, records).

    Args:
        after: Probability of each record's label under every unlearned model, (models, records +
            population); those of the population come last and were in no training set.
        reference: The same before unlearning.
        membership: Whether the model learned and forgot the record, bool (models, records); models
            2i and 2i + 1 are complements.

    Returns:
        Shares of the population that a record beats, in [0, 1]; higher = more like a member.

    Raises:
        InputError: On shapes that do not fit, no population, or fewer than four models.
    """
    p, q = np.asarray(after, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    inside = np.asarray(membership, dtype=np.bool_)
    models, records = inside.shape
    if p.shape != q.shape or len(p) != models or p.shape[1] <= records or models < 4:
        raise InputError(
            f"after {p.shape}, reference {q.shape}, membership {inside.shape}: give (models, "
            "records + population) twice and (models, records), 4 models and a population of 1 or "
            "more"
        )
    outside = np.concatenate([~inside, np.ones((models, p.shape[1] - records), np.bool_)], axis=1)
    rows = np.arange(models)
    scores = np.empty(inside.shape)
    for row in rows:
        others = rows // 2 != row // 2
        ratio = likelihood_ratio(p[row], q[others], outside[others])
        scores[row] = rmia_score(ratio[:records], ratio[records:])
    return scores
