"""The likelihood-ratio attack, LiRA, online and offline.

Carlini et al., "Membership Inference Attacks From First Principles", 2022.

For each record the shadow models' φ are taken as normal, with one mean where the record was in the
training set and one where it was out. The score is the log-ratio of the two at the target's φ.
"""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sterling.errors import InputError

PER_EXAMPLE_FROM = 64
Variance = Literal["auto", "global", "per_example"]


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and variance of φ over the models that count for each record.

    Attributes:
        mean: Mean of φ, (..., records).
        variance: Unbiased variance, (..., records). NaN where a record has one model only.
        pooled: One variance within records over all of them, (...).
        count: Number of models per record, (records,).
    """

    mean: NDArray[np.float64]
    variance: NDArray[np.float64]
    pooled: NDArray[np.float64]
    count: NDArray[np.intp]


def masked_moments(values: ArrayLike, mask: ArrayLike) -> Moments:
    """Return moments over the first axis of the entries that a mask picks, per record.

    Args:
        values: Values (models, ..., records).
        mask: Whether a model counts for a record, (models, records); one at least for each record,
            and two for some.

    Raises:
        InputError: Shapes that do not fit, or a record without a model.
    """
    x, picked = np.asarray(values, dtype=np.float64), np.asarray(mask, dtype=np.bool_)
    if x.ndim < 2 or picked.shape != (x.shape[0], x.shape[-1]):
        raise InputError(
            f"values have shape {x.shape}, mask {picked.shape}; give (models, ..., records) and "
            "(models, records)"
        )
    count = picked.sum(axis=0)
    if not count.all() or count.max() < 2:
        raise InputError(
            f"record {int(count.argmin())} is covered by {count.min()} shadow models of one kind; "
            "train more, each record in half of them"
        )
    weight = picked.astype(np.float64)
    mean = np.einsum("m...r,mr->...r", x, weight) / count
    squares = np.einsum("m...r,mr->...r", (x - mean) ** 2, weight)
    with np.errstate(invalid="ignore"):
        variance = squares / np.where(count > 1, count - 1, np.nan)
    pooled = squares.sum(axis=-1) / (count - 1).sum()
    return Moments(mean, variance, pooled, count)


def lira_online(
    target: ArrayLike, shadow: ArrayLike, membership: ArrayLike, *, variance: Variance = "auto"
) -> NDArray[np.float64]:
    """Return log N(φ; μ_in, σ_in) - log N(φ; μ_out, σ_out), (records,); higher = more member.

    Args:
        target: Confidence φ under the target, (records,), or (views, records) for several augmented
            views, whose log-ratios are added (a normal with diagonal covariance).
        shadow: Confidence φ under the shadow models, (models, [views,] records).
        membership: Whether a shadow was trained on a record, (models, records); each record in
            some and out of some. The target must not be among them.
        variance: "per_example", "global" (one for all records, pooled within records: ours), or
            "auto": per example from 64 shadow models on.

    Raises:
        InputError: Shapes that do not fit, a record that is always in or always out, or shadow
            models that all agree, so that there is no variance.
    """
    inside = np.asarray(membership, dtype=np.bool_)
    phi = _views(target, shadow)
    shape = masked_moments(shadow, inside), masked_moments(shadow, ~inside)
    within, without = (
        stats.norm.logpdf(phi, each.mean, _deviation(each, variance, len(inside))) for each in shape
    )
    return _over_views(within - without)


def lira_offline(
    target: ArrayLike, shadow: ArrayLike, membership: ArrayLike, *, variance: Variance = "auto"
) -> NDArray[np.float64]:
    """Return the z-score (φ - μ_out) / σ_out over shadows not trained on the record, (records,).

    Φ(z), the paper's score, orders records in the same way but rounds to 1 beyond z = 8. Several
    views are added. Higher = more member. Arguments and errors as for :func:`lira_online`; only
    the models that a record is out of are used.
    """
    outside = ~np.asarray(membership, dtype=np.bool_)
    phi = _views(target, shadow)
    moments = masked_moments(shadow, outside)
    return _over_views((phi - moments.mean) / _deviation(moments, variance, len(outside)))


def lira_released(
    target: ArrayLike,
    shadow: ArrayLike,
    membership: ArrayLike,
    *,
    online: bool = True,
    fixed_variance: bool = False,
) -> NDArray[np.float64]:
    """Return LiRA's score as the authors' released code computes it, (records,).

    It differs from the paper's formula (:func:`lira_online`, :func:`lira_offline`): centres are
    medians, deviations those of a population, and views are averaged. Offline it is minus the
    log-density of the out-models, which also calls a record a member where φ is *below* theirs.

    Args:
        target: As in :func:`lira_online`.
        shadow: As in :func:`lira_online`.
        membership: As in :func:`lira_online`.
        online: Whether models that were trained on a record are used.
        fixed_variance: Take one deviation for all records, that of all in-scores together, within
            and between records, for both laws (offline, of all out-scores).

    Returns:
        Higher = more member.

    Raises:
        InputError: As for :func:`lira_online`.
    """
    inside = np.asarray(membership, dtype=np.bool_)
    phi, others = _views(target, shadow), np.asarray(shadow, dtype=np.float64)
    laws = []
    for picked in (inside, ~inside) if online else (~inside,):
        masked_moments(others, picked)  # refuses what has no moments
        counted = np.expand_dims(picked, tuple(range(1, others.ndim - 1)))
        chosen = np.where(counted, others, np.nan)
        laws.append((np.nanmedian(chosen, axis=0), np.nanstd(chosen, axis=0), np.nanstd(chosen)))
    deviations = [laws[0][2]] * len(laws) if fixed_variance else [one[1] for one in laws]
    if not all((np.asarray(one) > 0).all() for one in deviations):
        raise InputError("a record's shadow models give no variance; use fixed_variance=True")
    densities = [
        stats.norm.logpdf(phi, law[0], one) for law, one in zip(laws, deviations, strict=True)
    ]
    scores = np.asarray(densities[0] - densities[1] if online else -densities[0])
    return scores if scores.ndim == 1 else scores.mean(axis=0)


def _views(target: ArrayLike, shadow: ArrayLike) -> NDArray[np.float64]:
    phi, others = np.asarray(target, dtype=np.float64), np.asarray(shadow, dtype=np.float64)
    if phi.shape != others.shape[1:]:
        raise InputError(
            f"target has shape {phi.shape}, shadow {others.shape}; all but the first axis of "
            "shadow must be the target's"
        )
    if not (np.isfinite(phi).all() and np.isfinite(others).all()):
        raise InputError("a φ is not finite; compute it from logits, or leave that record out")
    return phi


def _over_views(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    return scores if scores.ndim == 1 else scores.sum(axis=0)


def _deviation(moments: Moments, variance: Variance, models: int) -> NDArray[np.float64]:
    if variance == "auto":
        variance = "per_example" if models >= PER_EXAMPLE_FROM else "global"
    chosen = moments.variance if variance == "per_example" else moments.pooled[..., None]
    if not (chosen > 0).all():
        raise InputError(
            "a record's shadow models give no variance; train more or use variance='global'"
        )
    return np.sqrt(chosen)
