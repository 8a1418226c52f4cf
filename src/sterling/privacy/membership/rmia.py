"""The relative membership inference attack, RMIA (Zarifzadeh et al., 2024), in O(n + m) memory.

A record x counts as a member when it became more probable by training than most records z of the
population did: the score is the share of z whose likelihood ratio x beats. That share is an
empirical distribution function, so one sort of the ratios of z replaces the matrix of all pairs.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.measure import Scores, auc

GRID = tuple(round(0.1 * step, 1) for step in range(11))


def likelihood_ratio(
    target: ArrayLike,
    reference: ArrayLike,
    outside: ArrayLike,
    *,
    offline_a: float = 0.3,
    impute: bool = False,
) -> NDArray[np.float64]:
    """Return p(x | θ) / p(x), (records,), with p(x) = ((1 + a) mean_out p(x | θ') + (1 - a)) / 2.

    Args:
        target: Probability of the true class under the target, (records,), in [0, 1].
        reference: Probability under reference models, (models, records).
        outside: Whether a reference was *not* trained on a record, (models, records); one at
            least for each record.
        offline_a: Parameter a in [0, 1] that makes the mean over models trained on the record,
            which nobody has, from that over models that are not. 0.3 unless tuned.
        impute: For records that every reference was trained on, as happens with one reference,
            take mean_out = max(0, (mean_in + a - 1) / a): the relation above, read backwards.
            Privacy Meter does so without the bound at 0, which is ours: there p(x) may become
            negative, and the ratio with it. Needs a > 0.

    Raises:
        InputError: Values that are no probabilities, shapes that do not fit, or a record that
            every reference was trained on.
    """
    p, q = np.asarray(target, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    out = np.asarray(outside, dtype=np.bool_)
    if q.ndim != 2 or p.shape != q.shape[1:] or out.shape != q.shape:
        raise InputError(
            f"target has shape {p.shape}, reference {q.shape}, outside {out.shape}; give "
            "(records,) and twice (models, records)"
        )
    check_numbers(at_least=0, at_most=1, offline_a=offline_a)
    if not all(((each >= 0) & (each <= 1)).all() for each in (p, q)):
        raise InputError("target and reference: give probabilities between 0 and 1")
    count = out.sum(axis=0)
    if not count.all() and not impute:
        raise InputError(
            f"record {int(count.argmin())} is in the training set of every reference; give one "
            "that was not trained on it, or impute"
        )
    if impute and offline_a == 0:
        raise InputError("offline_a 0: imputing divides by it; give a number above 0")
    mean_out = np.where(out, q, 0).sum(axis=0) / np.maximum(count, 1)
    if impute:
        inverted = np.maximum(0, (q.mean(axis=0) + offline_a - 1) / offline_a)
        mean_out = np.where(count > 0, mean_out, inverted)
    marginal = ((1 + offline_a) * mean_out + (1 - offline_a)) / 2
    # With a = 1 a record that no reference believes in has no marginal; its ratio is then as large
    # as a float allows instead of undefined.
    return np.asarray(p / np.maximum(marginal, np.finfo(np.float64).tiny))


def rmia_score(
    ratio: ArrayLike, population_ratio: ArrayLike, *, gamma: float = 1.0
) -> NDArray[np.float64]:
    """Return the share of population records z with ratio(x) > γ ratio(z), (n,), in [0, 1].

    Args:
        ratio: Likelihood ratios of the records, (n,).
        population_ratio: Likelihood ratios of records of the population, (m,), at least one.
        gamma: Factor γ, above 0.

    Returns:
        Higher = more member. At most m + 1 different values.
    """
    x, z = np.asarray(ratio, dtype=np.float64), np.asarray(population_ratio, dtype=np.float64)
    if x.ndim != 1 or z.ndim != 1 or not z.size or gamma <= 0:
        raise InputError(
            f"ratios have shapes {x.shape} and {z.shape}, gamma is {gamma}; give (n,), (m,) with m "
            "of 1 or more, and gamma > 0"
        )
    if np.isnan(x).any() or np.isnan(z).any():
        raise InputError("ratio: a value is not a number; leave that record out")
    return np.asarray(np.searchsorted(np.sort(gamma * z), x, side="left") / z.size)


def tune_offline_a(
    paired: ArrayLike,
    member: ArrayLike,
    reference: ArrayLike,
    outside: ArrayLike,
    population: ArrayLike,
    *,
    grid: Sequence[float] = GRID,
) -> float:
    """Return the ``offline_a`` with the highest AUC against a model of known training set.

    Privacy Meter attacks the target's *paired* model, which is trained on exactly the records that
    the target is not, and leaves both out of the references.

    Args:
        paired: Probability of the true class under the paired model, (records,).
        member: Whether the paired model was trained on a record, (records,).
        reference: As in :func:`likelihood_ratio`; without the target and the paired model.
        outside: As in :func:`likelihood_ratio`.
        population: Whether a record stands for the population, (records,), and is not attacked.
        grid: Values to try; of equally good ones the first wins.
    """
    z = np.asarray(population, dtype=np.bool_)
    inside = np.asarray(member, dtype=np.bool_)

    def area(a: float) -> float:
        ratio = likelihood_ratio(paired, reference, outside, offline_a=a)
        return auc(Scores(rmia_score(ratio[~z], ratio[z]), inside[~z])).value

    return max(grid, key=area)
