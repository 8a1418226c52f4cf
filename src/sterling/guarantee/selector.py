"""Selection of items that are not of a known population, at a stated false discovery rate."""

import math
import warnings
from typing import TYPE_CHECKING, Literal, Self, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sterling.display import draw_list
from sterling.errors import InputError, unknown_name
from sterling.guarantee.checks import Bools, Floats, check_alpha, check_groups, check_scores
from sterling.guarantee.exchangeability import exchangeability_p_value
from sterling.guarantee.fdr import (
    adjusted_p_values,
    harmonic_e_values,
    harmonic_number,
    null_share,
    null_share_at_the_boundary,
    null_share_by_subtraction,
)
from sterling.guarantee.p_values import mondrian_p_values
from sterling.guarantee.statement import Assumption, Guarantee, ResolutionWarning

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Procedure = Literal["bh", "by", "storey", "ptdi", "ptdi_jkbb", "ebh"]
PROCEDURES: tuple[Procedure, ...] = get_args(Procedure)
SCALES = {
    "storey": null_share,
    "ptdi": null_share_by_subtraction,
    "ptdi_jkbb": null_share_at_the_boundary,
}
SHIFT_LEVEL = 0.01


class ConformalSelector(BaseEstimator):  # type: ignore[misc]
    """Conformal p-values and a false discovery procedure, on scores of any model.

    =============  ==================================================  ====================
    procedure      description                                         bound of the FDR
    =============  ==================================================  ====================
    ``bh``         Benjamini-Hochberg                                  alpha × nulls' share
    ``storey``     on p-values scaled by Storey's estimate of that     alpha
                   share: more power when many items are to be found
    ``ptdi``       scaled by the subtraction estimate, a larger one    alpha
    ``ptdi_jkbb``  scaled by the density of the p-values at 1          alpha, for many items
    ``by``         Benjamini-Yekutieli, for calibration items of       alpha × nulls' share
                   several origins: any dependence
    ``ebh``        e-values of the ranks: any dependence               alpha × nulls' share
    =============  ==================================================  ====================

    Args:
        alpha: False discovery rate in (0, 1).
        procedure: See above.
        smooth: Break ties between scores at random. Without it ties count against selection.
        random_state: Seed of the tie-breaks.

    Attributes:
        shift_p_: p-value of "the calibration items are like the held-out ones"; None unchecked.
    """

    def __init__(
        self,
        *,
        alpha: float = 0.1,
        procedure: Procedure = "bh",
        smooth: bool = False,
        random_state: int = 0,
    ) -> None:
        self.alpha = alpha
        self.procedure = procedure
        self.smooth = smooth
        self.random_state = random_state

    def fit(
        self,
        scores: ArrayLike,
        groups: ArrayLike | None = None,
        *,
        held_out: ArrayLike | None = None,
    ) -> Self:
        """Keep the scores of items known to be of the population.

        Args:
            scores: (n,); larger is more like the population.
            groups: Group of each item (n,): compare within groups only.
            held_out: Scores (h,) of other such items, from where the test items come from, for
                :meth:`diagnose`.
        """
        check_alpha(self.alpha)
        if self.procedure not in PROCEDURES:
            raise unknown_name("procedure", self.procedure, PROCEDURES)
        self.calibration_ = check_scores("scores", scores, minimum=1)
        self.grouped_ = groups is not None
        self.groups_ = _groups(groups, len(self.calibration_))
        self.shift_p_: float | None = None
        if held_out is not None:
            self.diagnose(held_out)
        return self

    def diagnose(self, held_out: ArrayLike) -> float:
        """Return the p-value of "further items of the population look like the calibration items".

        A two-sample Kolmogorov-Smirnov test; below 0.01 the guarantee says REFUTED from now on.

        Args:
            held_out: Scores (h,), drawn like the test items' and not in the calibration set.
        """
        check_is_fitted(self, "calibration_")
        self.held_out_ = len(check_scores("held_out", held_out))
        self.shift_p_ = exchangeability_p_value(self.calibration_, held_out)
        return self.shift_p_

    @property
    def shift_refuted(self) -> bool:
        """Whether the last diagnosis refuted the guarantee; False before any."""
        shift = getattr(self, "shift_p_", None)
        return shift is not None and shift < SHIFT_LEVEL

    @property
    def guarantee_(self) -> Guarantee:
        """Promise of ``predict``."""
        check_is_fitted(self, "calibration_")
        shift = None
        if self.shift_p_ is not None:
            shift = (
                f"{'REFUTED' if self.shift_refuted else 'not refuted'} by a two-sample "
                f"Kolmogorov-Smirnov test on {self.held_out_} held-out items: p = "
                f"{self.shift_p_:.2g}"
            )
        assumptions = [
            Assumption(
                "calibration items are exchangeable with the test items of the population"
                + ", within groups" * self.grouped_,
                shift,
            ),
            Assumption("the score was chosen and fitted without the calibration items"),
        ]
        if self.procedure == "ptdi_jkbb":
            assumptions.append(
                Assumption(
                    "test items are so many that the population's share is not estimated low"
                )
            )
        return Guarantee(
            statement=f"Of the items selected an expected share of at most {self.alpha:g} is of "
            "the population after all, averaged over calibration sets and test items.",
            assumptions=tuple(assumptions),
            n=len(self.calibration_),
            level=self.alpha,
        )

    def p_values(self, scores: ArrayLike, groups: ArrayLike | None = None) -> Floats:
        """Return conformal p-values (T,) of test items with scores (T,); small means unlike."""
        check_is_fitted(self, "calibration_")
        values = check_scores("scores", scores)
        if (groups is not None) != self.grouped_:
            raise InputError("groups: give them both to calibrate and to select, or to neither")
        rng = np.random.default_rng(self.random_state)
        return mondrian_p_values(
            self.calibration_,
            values,
            self.groups_,
            _groups(groups, len(values)),
            smooth=self.smooth,
            rng=rng,
        )

    def adjusted_p_values(self, scores: ArrayLike, groups: ArrayLike | None = None) -> Floats:
        """Return the least false discovery rate that selects each test item, (T,), in (0, 1]."""
        p = self.p_values(scores, groups)
        if self.procedure == "by":
            return np.minimum(1, adjusted_p_values(p) * harmonic_number(len(p)))
        if self.procedure == "ebh":
            # e-BH on e is Benjamini-Hochberg on 1 / e.
            names, counts = np.unique(self.groups_, return_counts=True)
            sizes = counts[np.searchsorted(names, _groups(groups, len(p)))]
            p = np.minimum(1, 1 / harmonic_e_values(p, sizes))
        elif self.procedure in SCALES:
            p = p * SCALES[self.procedure](p)
        return adjusted_p_values(p)

    def predict(self, scores: ArrayLike, groups: ArrayLike | None = None) -> Bools:
        """Return which test items are selected as not of the population, bool (T,).

        Raises:
            InputError: So few calibration items that nothing could ever be selected.
        """
        check_alpha(self.alpha)
        adjusted = self.adjusted_p_values(scores, groups)
        if len(adjusted):
            self._check_resolution(len(adjusted))
        return adjusted <= self.alpha

    def plot(
        self, scores: ArrayLike, groups: ArrayLike | None = None, *, ax: "Axes | None" = None
    ) -> "Axes":
        """Draw the adjusted p-values of test items in ascending order, and the level.

        Args:
            scores: Scores (T,) of the test items.
            groups: Groups, as for `predict`.
            ax: Axes to draw on; None makes a figure.

        Returns:
            The axes; items at or below the dashed line are selected.

        Raises:
            InputError: matplotlib is not installed.
        """
        return draw_list(self.adjusted_p_values(scores, groups), self.alpha, ax)

    def resolution(self, tested: int) -> tuple[int, int]:
        """Return how many items must stand out together, and the calibration items for one alone.

        No p-value is below 1 / (n + 1), and k of T items are selected by p-values of at most
        alpha k / T. The first number is the least k that can be selected now, beyond T where none
        can; the second is the least n with which k = 1 can. Procedures that estimate the
        population's share, and tie-breaks at random, have no such floor: see them as those of
        ``bh``.

        Args:
            tested: Number T of test items, 1 or more.

        Examples:
            >>> ConformalSelector(alpha=0.1).fit([0.0] * 99).resolution(200)
            (20, 1999)
        """
        check_is_fitted(self, "calibration_")
        least = int(np.unique(self.groups_, return_counts=True)[1].min())
        together = math.ceil(
            round(self._strictness(tested, least) * tested / (self.alpha * (least + 1)), 9)
        )
        n = max(1, math.ceil(round(tested / self.alpha, 9)) - 1)
        while self._strictness(tested, n) * tested > self.alpha * (n + 1) * (1 + 1e-12):
            n = math.ceil(self._strictness(tested, n) * tested / self.alpha) - 1
        return together, n

    def _strictness(self, tested: int, calibration: int) -> float:
        """Factor by which the procedure asks for smaller p-values than Benjamini-Hochberg."""
        strict = {"by": harmonic_number(tested), "ebh": harmonic_number(calibration + 1)}
        return strict.get(self.procedure, 1.0)

    def _check_resolution(self, tested: int) -> None:
        least = int(np.unique(self.groups_, return_counts=True)[1].min())
        strictness = self._strictness(tested, least)
        # Without tie-breaks no p-value is below 1 / (n + 1), and k of T items need one of at most
        # alpha k / T. An estimated share and tie-breaks have no such floor.
        floored = self.procedure == "ebh" or not (self.smooth or self.procedure in SCALES)
        if floored and strictness / (least + 1) > self.alpha:
            raise InputError(
                f"{least} calibration items can select nothing at alpha = {self.alpha:g}; give at "
                f"least {math.ceil(strictness / self.alpha)}" + " per group" * self.grouped_
            )
        if least < tested / (5 * self.alpha):
            together = self.resolution(tested)[0]
            warnings.warn(
                f"{least} calibration items for {tested} test items at alpha = {self.alpha:g}: "
                f"about {together} must stand out together before any is selected; give "
                f"{math.ceil(tested / (5 * self.alpha))} to find as few as five",
                ResolutionWarning,
                stacklevel=3,
            )


def _groups(groups: ArrayLike | None, n: int) -> NDArray[np.str_]:
    if groups is None:
        return np.full(n, "all")
    return check_groups("groups", groups, n).astype(np.str_)
