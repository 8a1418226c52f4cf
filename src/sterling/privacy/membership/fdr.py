"""Declared members with a bound on how many of them are not, and the audit of such a list.

"Membership Inference Attacks with False Discovery Rate Control" (MIAFdR, ICCV 2025): a record is
declared a member when the hypothesis that it is none is rejected, so wrong declarations are false
discoveries. The wrapper takes any attack's scores and never touches the target.

The paper's theorem and its released code differ: Benjamini-Hochberg at alpha keeps the FDR at alpha
times the non-members' share, and the released code runs it at alpha divided by that share, which it
takes as known. Reported FDRs near alpha, such as LiRA's 0.145 at 0.15, are of the second kind.
"""

import warnings
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator

from sterling.display import draw_list, line
from sterling.errors import InputError, unknown_name
from sterling.guarantee import Assumption, ConformalSelector, Guarantee, Procedure
from sterling.guarantee.selector import SCALES
from sterling.measure import Rate

if TYPE_CHECKING:
    import polars as pl
    from matplotlib.axes import Axes


class ShiftWarning(UserWarning):
    """Known non-members do not look like the calibration set, so the guarantee does not apply."""


class MembershipFDR(BaseEstimator):  # type: ignore[misc]
    """Declares members with a bounded false discovery rate, from scores of records.

    :class:`sterling.guarantee.ConformalSelector` with the population of known non-members. Scores
    are higher for members throughout. ``calibrate`` takes scores of records that are known *not*
    to be in the training set; ``select`` declares.

    Args:
        method: ``"bh"``, the paper's rule, or another procedure of the selector: ``"storey"`` and
            ``"ptdi"`` (arXiv 2510.09717) have more power, ``"by"`` and ``"ebh"`` are for p-values
            under any dependence, such as pooled calibration sets of different origin.
        smooth: Break ties between scores at random. Without it ties count against membership.
        random_state: Seed of the tie-breaks.
        level: ``"alpha"`` runs the procedure at alpha, so that the FDR is at most alpha times the
            non-members' share. ``"declared share"`` runs it at alpha / `nonmember_share`, as the
            paper's released code does: more power, and an FDR of at most alpha if that share is
            no larger than declared.
        nonmember_share: Share of non-members among the records in question, in (0, 1]; needed for
            ``"declared share"`` and of no effect otherwise.

    Attributes:
        selector_: The calibrated selector, whose scores are higher for non-members.
        shift_p_: P-value of the last :meth:`diagnose`; None before.
    """

    def __init__(
        self,
        method: Procedure = "bh",
        *,
        smooth: bool = False,
        random_state: int = 0,
        level: Literal["alpha", "declared share"] = "alpha",
        nonmember_share: float | None = None,
    ) -> None:
        self.method = method
        self.smooth = smooth
        self.random_state = random_state
        self.level = level
        self.nonmember_share = nonmember_share

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
            nonmember_scores: Scores of known non-members, (n,).
            groups: Groups to calibrate within, such as the class label, (n,). Needed where
                non-members score differently from group to group and the shares of the groups
                differ between calibration and test.
            ids: Ids of these records, (n,).
            members: Ids of the target's training set; none may be in `ids`.
            fitted_on: Ids of records used to fit or choose the attack; none may be in `ids`.
            scored_by: "surrogate" if the target could not be asked about these records, so that
                the scores come from a model like it. The guarantee then says so.

        Raises:
            InputError: A score is NaN, all are equal, a record may not be used, or the level asks
                for a share that is missing or that the method estimates itself.
        """
        self._share()
        if scored_by not in ("target", "surrogate"):
            raise unknown_name("scored_by", scored_by, ("target", "surrogate"))
        selector = ConformalSelector(
            procedure=self.method, smooth=self.smooth, random_state=self.random_state
        ).fit(_negated(nonmember_scores), groups)
        scores = selector.calibration_
        if len(scores) > 1 and (scores == scores[0]).all():
            raise InputError(
                f"nonmember_scores: all {len(scores)} are {-scores[0]:g}; the attack tells nothing "
                "apart, use another"
            )
        names = None if ids is None else _ids(ids, len(scores))
        for other, fault in ((members, "members of the target"), (fitted_on, "used for the fit")):
            if other is not None:
                _refuse_shared(names, other, fault)
        self.selector_ = selector
        self.ids_ = names
        self.scored_by_ = scored_by
        self.checked_members_ = members is not None
        self.checked_fit_ = fitted_on is not None
        return self

    def p_values(
        self, scores: ArrayLike, *, groups: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the non-member relative probability of each record, (T,), in (0, 1].

        ``p <= alpha`` happens with probability at most alpha for a non-member (theorem 1).

        Args:
            scores: Scores of the records in question, (T,).
            groups: Groups of the records, when the calibration had groups.
        """
        return self._calibrated().p_values(_negated(scores), groups)

    def adjusted_p_values(
        self, scores: ArrayLike, *, groups: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Return the least FDR level at which each record is declared a member, (T,)."""
        adjusted = self._calibrated().adjusted_p_values(_negated(scores), groups)
        return adjusted * self._share()

    def select(
        self,
        scores: ArrayLike,
        alpha: float,
        *,
        groups: ArrayLike | None = None,
        ids: ArrayLike | None = None,
    ) -> NDArray[np.bool_]:
        """Return the mask of declared members, (T,): those with an adjusted p of at most `alpha`.

        Args:
            scores: Scores of the records in question, (T,).
            alpha: FDR level in (0, 1).
            groups: Groups of the records, when the calibration had groups.
            ids: Ids of the records, (T,); none may be a calibration record.

        Raises:
            InputError: A score is NaN, a record was used to calibrate, or the calibration set is
                so small that nothing could ever be declared.
        """
        selector = self._calibrated().set_params(alpha=self._spent(alpha))
        values = _negated(scores)
        if ids is not None:
            _refuse_shared(self.ids_, _ids(ids, len(values)), "to be judged by this calibration")
        declared: NDArray[np.bool_] = selector.predict(values, groups)
        return declared

    def to_frame(
        self,
        scores: ArrayLike,
        alpha: float,
        *,
        groups: ArrayLike | None = None,
        ids: ArrayLike | None = None,
    ) -> "pl.DataFrame":
        """Return the list as a frame, one row per record, in the order of the scores.

        Columns: ``record``, ``score``, ``p_value``, ``adjusted_p`` and ``declared``.

        Args:
            scores: Scores of the records in question, (T,).
            alpha: FDR level in (0, 1).
            groups: Groups of the records, when the calibration had groups.
            ids: Ids of the records, (T,); their positions by default.

        Raises:
            InputError: As for `select`.

        Example:
            >>> fdr = MembershipFDR().calibrate(range(99))
            >>> fdr.to_frame([200, 50], 0.1)["declared"].to_list()
            [True, False]
        """
        import polars as pl

        declared = self.select(scores, alpha, groups=groups, ids=ids)
        return pl.DataFrame(
            {
                "record": np.arange(len(declared)) if ids is None else np.asarray(ids),
                "score": np.asarray(scores, dtype=np.float64),
                "p_value": self.p_values(scores, groups=groups),
                "adjusted_p": self.adjusted_p_values(scores, groups=groups),
                "declared": declared,
            }
        )

    def plot(
        self,
        scores: ArrayLike,
        alpha: float,
        *,
        groups: ArrayLike | None = None,
        ax: "Axes | None" = None,
    ) -> "Axes":
        """Draw the adjusted p-values of records in ascending order, and the level.

        Args:
            scores: Scores of the records in question, (T,).
            alpha: FDR level in (0, 1).
            groups: Groups of the records, when the calibration had groups.
            ax: Axes to draw on; None makes a figure.

        Returns:
            The axes; records at or below the dashed line are declared.

        Raises:
            InputError: matplotlib is not installed.
        """
        return draw_list(self.adjusted_p_values(scores, groups=groups), alpha, ax)

    def resolution(self, tested: int, alpha: float) -> tuple[int, int]:
        """Return how many records must stand out together, and the non-members for one alone.

        See :meth:`sterling.guarantee.ConformalSelector.resolution`.

        Args:
            tested: Number of records in question, 1 or more.
            alpha: FDR level in (0, 1).
        """
        selector: ConformalSelector = self._calibrated().set_params(alpha=self._spent(alpha))
        return selector.resolution(tested)

    def diagnose(self, nonmember_scores: ArrayLike, *, ids: ArrayLike | None = None) -> float:
        """Test whether further known non-members look like the calibration set; return a p-value.

        :meth:`sterling.guarantee.ConformalSelector.diagnose`, with a :class:`ShiftWarning` where
        the guarantee is refuted.

        Args:
            nonmember_scores: Scores of known non-members that are not in the calibration set,
                drawn like the records in question, (m,).
            ids: Ids of these records, (m,); none may be a calibration record.
        """
        selector = self._calibrated()
        held_out = _negated(nonmember_scores)
        if ids is not None:
            _refuse_shared(self.ids_, _ids(ids, len(held_out)), "held out, too")
        p = selector.diagnose(held_out)
        if selector.shift_refuted:
            warnings.warn(
                f"{len(held_out)} known non-members differ from the calibration set (KS p = "
                f"{p:.2g}): the guarantee does not apply",
                ShiftWarning,
                stacklevel=2,
            )
        return p

    @property
    def shift_p_(self) -> float | None:
        """P-value of the last :meth:`diagnose`; None before."""
        return self._calibrated().shift_p_

    @property
    def shift_refuted(self) -> bool:
        """Whether the last diagnosis refuted the guarantee; False before any."""
        return self._calibrated().shift_refuted

    def guarantee(self, alpha: float) -> Guarantee:
        """Return the guarantee of ``select`` at this level, with its conditions."""
        promised = self._calibrated().set_params(alpha=self._spent(alpha)).guarantee_
        assumptions = [
            *(one for one in promised.assumptions if "fitted" not in one.text),
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
        if self.level == "declared share":
            assumptions.append(
                Assumption(
                    "the share of non-members among the records in question is at most "
                    f"{self.nonmember_share:g}"
                )
            )
        # A share of non-members, estimated or declared, spends what it leaves of alpha.
        scaled = self.method in SCALES or self.level == "declared share"
        bound = "alpha" if scaled else "alpha times the non-members' share"
        return Guarantee(
            statement=f"Of the records declared members, an expected share of at most {bound} are "
            f"not (false discovery rate, alpha = {alpha:g}, {self.method}).",
            assumptions=tuple(assumptions),
            n=promised.n,
            level=alpha,
        )

    def _share(self) -> float:
        """Return the declared share of non-members, 1 where none is."""
        if self.level == "alpha":
            return 1.0
        if self.level != "declared share":
            raise unknown_name("level", self.level, ("alpha", "declared share"))
        if self.method in SCALES:
            raise InputError(
                f"method {self.method}: estimates the share of non-members; give level 'alpha'"
            )
        if self.nonmember_share is None or not 0 < self.nonmember_share <= 1:
            raise InputError(
                f"nonmember_share {self.nonmember_share}: level 'declared share' needs the share "
                "of non-members among the records in question, above 0 and at most 1"
            )
        return self.nonmember_share

    def _spent(self, alpha: float) -> float:
        """Return the level that the procedure runs at."""
        spent = alpha / self._share()
        if self.level == "declared share" and spent >= 1:
            raise InputError(
                f"alpha {alpha:g}: at a non-members' share of {self.nonmember_share:g} every list "
                "keeps it; give less than that share"
            )
        return spent

    def _calibrated(self) -> ConformalSelector:
        if not hasattr(self, "selector_"):
            raise InputError("MembershipFDR: call calibrate with known non-members first")
        return self.selector_


def _negated(scores: ArrayLike) -> NDArray[np.float64]:
    # The selector finds items below its population; members lie above the non-members.
    return -np.asarray(scores, dtype=np.float64)


def _ids(ids: ArrayLike, n: int) -> NDArray[np.str_]:
    column = np.asarray(ids).astype(np.str_)
    if column.shape != (n,):
        raise InputError(f"ids has shape {column.shape}; give one per record ({n})")
    return column


def _refuse_shared(calibration: NDArray[np.str_] | None, others: ArrayLike, fault: str) -> None:
    if calibration is None:
        raise InputError("ids: name the calibration records, so that they can be checked")
    shared = np.intersect1d(calibration, np.asarray(others).astype(np.str_))
    if len(shared):
        raise InputError(
            f"{len(shared)} calibration records are {fault} (first: {str(shared[0])!r}); the "
            "guarantee would be wrong, so leave them out"
        )


@dataclass(frozen=True)
class MembershipAudit:
    """Error rates of one declared list; the guarantee is about the mean of ``fdp`` over many.

    Attributes:
        false_discoveries: Non-members among the declared; None when nobody is declared.
        power: Declared members among the members; None when there is no member.
        marginal_error: Declared non-members among the non-members; None when there is none.
    """

    false_discoveries: Rate | None
    power: Rate | None
    marginal_error: Rate | None

    def __repr__(self) -> str:
        wrong, found = self.false_discoveries, self.power
        return line(
            self,
            f"{wrong.errors} of {wrong.trials} declared are not members"
            if wrong
            else "none declared",
            f"{found.errors} of {found.trials} members declared" if found else "",
        )

    @property
    def fdp(self) -> float:
        """False discovery proportion, 0 when nobody is declared; lower is better."""
        return self.false_discoveries.value if self.false_discoveries else 0.0


def audit(mask: ArrayLike, truth: ArrayLike) -> MembershipAudit:
    """Compare a declared list with the truth; the rates carry exact intervals.

    Args:
        mask: Whether a record was declared a member, bool (T,), at least one record.
        truth: Whether it is one, bool (T,).
    """
    declared, member = np.asarray(mask), np.asarray(truth)
    if (
        declared.dtype != np.bool_
        or member.dtype != np.bool_
        or declared.ndim != 1
        or declared.shape != member.shape
        or not len(declared)
    ):
        raise InputError(
            f"mask is {declared.dtype} {declared.shape}, truth {member.dtype} {member.shape}; give "
            "true or false for each of the same records"
        )

    def rate(errors: int, trials: int) -> Rate | None:
        return Rate(errors, trials) if trials else None

    wrong = int((declared & ~member).sum())
    return MembershipAudit(
        false_discoveries=rate(wrong, int(declared.sum())),
        power=rate(int((declared & member).sum()), int(member.sum())),
        marginal_error=rate(wrong, int((~member).sum())),
    )
