"""Declared members with a bound on how many of them are not.

"Membership Inference Attacks with False Discovery Rate Control" (MIAFdR, ICCV 2025): a record is
declared a member when the hypothesis that it is none is rejected, so wrong declarations are false
discoveries. The wrapper takes any attack's scores and never touches the target.
"""

import math
import warnings
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from sterling.errors import InputError
from sterling.guarantee import (
    Assumption,
    Guarantee,
    ResolutionWarning,
    adjusted_p_values,
    exchangeability_p_value,
    mondrian_p_values,
    null_share,
)

__all__ = [
    "METHODS",
    "SHIFT_LEVEL",
    "MembershipFDR",
    "Method",
    "ShiftWarning",
    "harmonic_e_values",
]

Method = Literal["bh", "by", "storey", "ebh"]
METHODS: tuple[Method, ...] = ("bh", "by", "storey", "ebh")
SHIFT_LEVEL = 0.01


class ShiftWarning(UserWarning):
    """Known non-members do not look like the calibration set, so the guarantee does not apply."""


class MembershipFDR(BaseEstimator):  # type: ignore[misc]
    """From scores of records to a list of declared members with a bounded false discovery rate.

    Scores are higher for members throughout. ``calibrate`` takes scores of records that are known
    *not* to be in the training set; ``select`` declares.

    Args:
        method: ``"bh"``: Benjamini-Hochberg, the paper's rule; for calibration and test
            non-members that are exchangeable. ``"storey"``: the same, scaled by an estimate of
            the non-members' share, which has more power. ``"by"`` (Benjamini-Yekutieli) and
            ``"ebh"`` (e-values, see :func:`harmonic_e_values`): for p-values under any
            dependence, such as pooled calibration sets of different origin.
        smooth: Break ties between scores at random. Without it ties count against membership.
        random_state: Seed of the tie-breaks.

    Attributes:
        n_calibration_: Number of calibration records.
        shift_p_: What the last :meth:`diagnose` returned; None before.
    """

    def __init__(
        self, method: Method = "bh", *, smooth: bool = False, random_state: int = 0
    ) -> None:
        self.method = method
        self.smooth = smooth
        self.random_state = random_state

    def calibrate(
        self,
        nonmember_scores: ArrayLike,
        *,
        groups: ArrayLike | None = None,
        ids: ArrayLike | None = None,
        members: ArrayLike | None = None,
        fitted_on: ArrayLike | None = None,
        scored_by: Literal["target", "surrogate"] = "target",
    ) -> Self:
        """Take the scores of known non-members.

        Args:
            nonmember_scores: (n,).
            groups: Calibrate within groups, such as the class label, (n,). Needed where
                non-members score differently from group to group and the shares of the groups
                differ between calibration and test.
            ids: What these records are called, (n,).
            members: Ids of the target's training set; none may be in `ids`.
            fitted_on: Ids of records used to fit or choose the attack; none may be in `ids`.
            scored_by: "surrogate" if the target could not be asked about these records, so that
                the scores come from a model like it. The guarantee then says so.

        Raises:
            InputError: A score is NaN, all are equal, or a record may not be used.
        """
        if self.method not in METHODS:
            raise InputError(f"method {self.method!r}: use one of {', '.join(METHODS)}")
        if scored_by not in ("target", "surrogate"):
            raise InputError(f"scored_by {scored_by!r}: use 'target' or 'surrogate'")
        scores = _scores("nonmember_scores", nonmember_scores)
        if len(scores) > 1 and (scores == scores[0]).all():
            raise InputError(
                f"nonmember_scores: all {len(scores)} are {scores[0]:g}; the attack tells nothing "
                "apart, use another"
            )
        names = None if ids is None else _column("ids", ids, len(scores))
        for other, fault in ((members, "members of the target"), (fitted_on, "used for the fit")):
            if other is not None:
                _refuse_shared(names, other, fault)
        self.scores_ = scores
        self.groups_ = _groups(groups, len(scores))
        self.grouped_ = groups is not None
        self.ids_ = names
        self.n_calibration_ = len(scores)
        self.scored_by_ = scored_by
        self.checked_members_ = members is not None
        self.checked_fit_ = fitted_on is not None
        self.shift_p_: float | None = None
        return self

    def p_values(
        self, scores: ArrayLike, *, groups: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """The non-member relative probability of each record, (T,), in (0, 1].

        ``p <= alpha`` happens with probability at most alpha for a non-member (theorem 1).

        Args:
            scores: Of records in question, (T,).
            groups: Their groups, when the calibration had groups.
        """
        self._check_calibrated()
        values = _scores("scores", scores)
        if (groups is not None) != self.grouped_:
            raise InputError("groups: give them to calibrate and to select, or to neither")
        # Conformal p-values are small for items below the population; members lie above.
        return mondrian_p_values(
            -self.scores_,
            -values,
            self.groups_,
            _groups(groups, len(values)),
            smooth=self.smooth,
            rng=np.random.default_rng(self.random_state),
        )

    def adjusted_p_values(
        self, scores: ArrayLike, *, groups: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """The least FDR level at which each record is declared a member, (T,), in (0, 1]."""
        p = self.p_values(scores, groups=groups)
        if self.method == "by":
            adjusted: NDArray[np.float64] = adjusted_p_values(p) * _harmonic(len(p))
            return np.minimum(1, adjusted)
        if self.method == "storey":
            p = p * null_share(p)
        elif self.method == "ebh":
            # e-BH on e is Benjamini-Hochberg on 1 / e.
            p = np.minimum(1, 1 / harmonic_e_values(p, self._group_sizes(groups, len(p))))
        return adjusted_p_values(p)

    def select(
        self,
        scores: ArrayLike,
        alpha: float,
        *,
        groups: ArrayLike | None = None,
        ids: ArrayLike | None = None,
    ) -> NDArray[np.bool_]:
        """Which records are declared members, (T,): those with an adjusted p of at most `alpha`.

        Args:
            scores: Of records in question, (T,).
            alpha: FDR level in (0, 1).
            groups: Their groups, when the calibration had groups.
            ids: What these records are called, (T,); none may be a calibration record.

        Raises:
            InputError: A score is NaN, a record was used to calibrate, or the calibration set is
                so small that nothing could ever be declared.
        """
        self._check_calibrated()
        if not 0 < alpha < 1:
            raise InputError(f"alpha {alpha}: give an error level between 0 and 1, such as 0.1")
        values = _scores("scores", scores)
        if ids is not None:
            _refuse_shared(
                self.ids_, _column("ids", ids, len(values)), "to be judged by this calibration"
            )
        if len(values):
            self._check_resolution(len(values), alpha)
        return self.adjusted_p_values(values, groups=groups) <= alpha

    def diagnose(self, nonmember_scores: ArrayLike, *, ids: ArrayLike | None = None) -> float:
        """Whether further known non-members look like the calibration set: a p-value.

        :func:`sterling.guarantee.exchangeability_p_value`, a two-sample Kolmogorov-Smirnov test.
        Below 0.01 the shift is flagged: a :class:`ShiftWarning` now, and in every guarantee from
        now on.

        Args:
            nonmember_scores: Of known non-members that are not in the calibration set, drawn like
                the records in question, (m,).
            ids: What they are called, (m,); none may be a calibration record.
        """
        self._check_calibrated()
        held_out = _scores("nonmember_scores", nonmember_scores)
        if ids is not None:
            _refuse_shared(self.ids_, _column("ids", ids, len(held_out)), "held out, too")
        self.shift_p_ = exchangeability_p_value(self.scores_, held_out)
        if self.shift_refuted:
            warnings.warn(
                f"{len(held_out)} known non-members differ from the calibration set (KS p = "
                f"{self.shift_p_:.2g}): the guarantee does not apply",
                ShiftWarning,
                stacklevel=2,
            )
        return self.shift_p_

    @property
    def shift_refuted(self) -> bool:
        """Whether the last diagnosis refuted the guarantee; False before any."""
        shift = getattr(self, "shift_p_", None)
        return shift is not None and shift < SHIFT_LEVEL

    def guarantee(self, alpha: float) -> Guarantee:
        """What is promised of ``select`` at this level, and on which conditions."""
        self._check_calibrated()
        shift = None
        if self.shift_p_ is not None:
            verdict = "REFUTED" if self.shift_refuted else "not refuted"
            shift = f"{verdict} on held-out non-members, KS p = {self.shift_p_:.2g}"
        within = " within each group" if self.grouped_ else ""
        assumptions = [
            Assumption(
                "calibration records and non-members in question are exchangeable" + within,
                shift,
            ),
            Assumption(
                "no calibration record is in the target's training set",
                "by record id" if self.checked_members_ else None,
            ),
            Assumption(
                "no calibration record was used to fit or choose the attack",
                "by record id" if self.checked_fit_ else None,
            ),
        ]
        if self.scored_by_ == "surrogate":
            assumptions.insert(
                0, Assumption("surrogate = target: both give a non-member scores of the same law")
            )
        bound = "alpha" if self.method == "storey" else "alpha times the non-members' share"
        return Guarantee(
            statement=f"Of the records declared members, an expected share of at most {bound} are "
            f"not (false discovery rate, alpha = {alpha:g}, {self.method}).",
            assumptions=tuple(assumptions),
            n=self.n_calibration_,
            level=alpha,
        )

    def _check_calibrated(self) -> None:
        if not hasattr(self, "scores_"):
            raise InputError("MembershipFDR: call calibrate with known non-members first")

    def _group_sizes(self, groups: ArrayLike | None, n: int) -> NDArray[np.intp]:
        """Calibration records in the group of each record in question, (T,)."""
        names, counts = np.unique(self.groups_, return_counts=True)
        return np.asarray(counts[np.searchsorted(names, _groups(groups, n))])

    def _check_resolution(self, tested: int, alpha: float) -> None:
        least = int(np.unique(self.groups_, return_counts=True)[1].min())
        strictness = {"by": _harmonic(tested), "ebh": _harmonic(least + 1)}.get(self.method, 1.0)
        # Without tie-breaks no p-value is below 1 / (n + 1), and k of T records need one of at most
        # alpha k / T. Storey's factor and tie-breaks have no such floor.
        floored = self.method == "ebh" or not (self.smooth or self.method == "storey")
        if floored and strictness / (least + 1) > alpha:
            raise InputError(
                f"{least} calibration records can declare nobody at alpha = {alpha:g}; give at "
                f"least {math.ceil(strictness / alpha)}" + " per group" * self.grouped_
            )
        if least < tested / (5 * alpha):
            together = math.ceil(strictness * tested / (alpha * (least + 1)))
            warnings.warn(
                f"{least} calibration records for {tested} records at alpha = {alpha:g}: about "
                f"{together} must stand out together before any is declared",
                ResolutionWarning,
                stacklevel=3,
            )


def harmonic_e_values(p: ArrayLike, calibration: ArrayLike) -> NDArray[np.float64]:
    """e-values from conformal p-values: (n + 1) / (r H_{n+1}) with rank r = ceil((n + 1) p), (T,).

    The rank of an exchangeable record is uniform on 1 to n + 1 (ties make it larger), so that the
    expectation is at most 1. Any decreasing function of the rank that averages 1 would do; this
    one has no parameter, and is ours.

    Args:
        p: Conformal p-values, (T,).
        calibration: n, the calibration records behind each, a number or (T,).
    """
    grid = np.asarray(calibration) + 1
    # Rounding may lift (n + 1) p above the whole number it stands for.
    rank = np.ceil(np.asarray(p, dtype=np.float64) * grid - 1e-6)
    sizes, position = np.unique(grid, return_inverse=True)
    harmonic = np.array([_harmonic(int(size)) for size in sizes])[position.reshape(grid.shape)]
    return np.asarray(grid / (np.maximum(rank, 1) * harmonic))


def _harmonic(n: int) -> float:
    return float((1 / np.arange(1, n + 1)).sum())


def _scores(name: str, values: ArrayLike) -> NDArray[np.float64]:
    scores = np.asarray(values, dtype=np.float64)
    if scores.ndim != 1:
        raise InputError(f"{name} has shape {scores.shape}; give one score per record")
    if np.isnan(scores).any():
        raise InputError(
            f"{name}: {np.isnan(scores).sum()} of {len(scores)} are NaN; leave those records out "
            "and count them"
        )
    return scores


def _column(name: str, values: ArrayLike, n: int) -> NDArray[np.str_]:
    column = np.asarray(values).astype(np.str_)
    if column.shape != (n,):
        raise InputError(f"{name} has shape {column.shape}; give one per record ({n})")
    return column


def _groups(groups: ArrayLike | None, n: int) -> NDArray[np.str_]:
    return np.full(n, "all") if groups is None else _column("groups", groups, n)


def _refuse_shared(calibration: NDArray[np.str_] | None, others: ArrayLike, fault: str) -> None:
    if calibration is None:
        raise InputError("ids: name the calibration records, so that they can be checked")
    shared = np.intersect1d(calibration, np.asarray(others).astype(np.str_))
    if len(shared):
        raise InputError(
            f"{len(shared)} calibration records are {fault} (first: {str(shared[0])!r}); the "
            "guarantee would be wrong, so leave them out"
        )
