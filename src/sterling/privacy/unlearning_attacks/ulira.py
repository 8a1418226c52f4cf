"""U-LiRA: the likelihood-ratio attack for unlearned models.

Hayes et al., "Inexact Unlearning Needs More Careful Evaluations to Avoid a False Sense of Privacy",
2024. The attacker trains shadow models and runs the unlearning method on them: one normal
distribution of φ where the record was learned and then forgotten, one where it was never seen.
U-LiRA+ is the same on records with wrong labels, which a model must memorise: the worst case.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.errors import InputError
from sterling.privacy.membership.lira import lira_online


def ulira(
    after: ArrayLike, membership: ArrayLike, *, shadow: ArrayLike | None = None
) -> NDArray[np.float64]:
    """Every model attacked with all others but its complement as shadow models, (models, records).

    Models 2i and 2i + 1 are complements: where one learned and forgot a record, the other never saw
    it. Leaving both out keeps the two distributions equally well known, so that records of exactly
    retrained models score with an area of 0.5 in expectation.

    Args:
        after: φ of every record under every unlearned model, (models, records).
        membership: Whether the model learned and forgot the record, bool (models, records).
        shadow: φ of the models that the distributions are fitted on. None takes ``after``, which is
            U-LiRA; the models before unlearning make it plain LiRA, whose attacker does not know
            that anything was forgotten.

    Returns:
        Log-likelihood ratios; higher = more like learned and forgotten.

    Raises:
        InputError: When models are not complementary pairs, or fewer than six.
    """
    values = np.asarray(after, dtype=np.float64)
    inside = np.asarray(membership, dtype=np.bool_)
    known = values if shadow is None else np.asarray(shadow, dtype=np.float64)
    if values.ndim != 2 or values.shape != inside.shape or known.shape != values.shape:
        raise InputError(
            f"after {values.shape}, membership {inside.shape}, shadow {known.shape}: give (models, "
            "records) for each"
        )
    models = len(values)
    if models < 6 or models % 2 or not np.array_equal(inside[::2], ~inside[1::2]):
        raise InputError(
            f"membership of {models} models: give 6 models or more as complementary pairs, as "
            "balanced_membership draws them"
        )
    rows = np.arange(models)
    return np.stack(
        [
            lira_online(values[row], known[others], inside[others])
            for row in rows
            for others in [rows[rows // 2 != row // 2]]
        ]
    )
