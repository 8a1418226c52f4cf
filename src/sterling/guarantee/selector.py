"""Which items are not of a known population, at a stated false discovery rate."""

import warnings
from typing import Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import check_is_fitted

from sterling.errors import InputError, unknown_name
from sterling.guarantee.arrays import check_alpha, check_scores
from sterling.guarantee.exchangeability import exchangeability_p_value
from sterling.guarantee.fdr import (
    benjamini_hochberg,
    benjamini_yekutieli,
    storey_benjamini_hochberg,
)
from sterling.guarantee.p_values import conformal_p_values, mondrian_p_values
from sterling.guarantee.statement import Assumption, Guarantee, ResolutionWarning

__all__ = ["ConformalSelector"]

PROCEDURES = {
    "bh": benjamini_hochberg,
    "by": benjamini_yekutieli,
    "storey": storey_benjamini_hochberg,
}


class ConformalSelector(BaseEstimator):  # type: ignore[misc]
    """Conformal p-values and a false discovery procedure, on scores of any model.

    Args:
        alpha: False discovery rate in (0, 1).
        procedure: ``"bh"``, ``"storey"`` (more power when many items are to be found), or
            ``"by"`` (any dependence, for calibration items of several origins).

    Attributes:
        guarantee_: What ``predict`` promises.
    """

    def __init__(
        self, *, alpha: float = 0.1, procedure: Literal["bh", "by", "storey"] = "bh"
    ) -> None:
        self.alpha = alpha
        self.procedure = procedure

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
            held_out: Scores (h,) of other such items, from where the test items come from: they
                check that the calibration items are like them, and the guarantee says what came
                out.
        """
        check_alpha(self.alpha)
        if self.procedure not in PROCEDURES:
            raise unknown_name("procedure", self.procedure, PROCEDURES)
        self.calibration_ = check_scores("scores", scores, minimum=1)
        self.groups_ = None if groups is None else np.asarray(groups)
        self.guarantee_ = Guarantee(
            statement=f"Of the items selected an expected share of at most {self.alpha:g} is of "
            "the population after all, averaged over calibration sets and test items.",
            assumptions=(
                Assumption(
                    "calibration items are exchangeable with the test items of the population"
                    + ("" if groups is None else ", within groups"),
                    None if held_out is None else _checked(self.calibration_, held_out),
                ),
                Assumption("the score was chosen and fitted without the calibration items"),
            ),
            n=len(self.calibration_),
            level=self.alpha,
        )
        return self

    def p_values(self, scores: ArrayLike, groups: ArrayLike | None = None) -> NDArray[np.float64]:
        """Conformal p-values of test items (T,), from scores (T,); small is unlike."""
        check_is_fitted(self, "calibration_")
        if groups is None and self.groups_ is None:
            return conformal_p_values(self.calibration_, scores)
        if groups is None or self.groups_ is None:
            raise InputError("groups: give them both to fit and to predict, or to neither")
        return mondrian_p_values(self.calibration_, scores, self.groups_, groups)

    def predict(self, scores: ArrayLike, groups: ArrayLike | None = None) -> NDArray[np.bool_]:
        """Which test items are selected as not of the population, bool (T,)."""
        p = self.p_values(scores, groups)
        n = len(self.calibration_)
        if n < len(p) / (5 * self.alpha):
            warnings.warn(
                f"{n} calibration items for {len(p)} test items: fewer than "
                f"{int(np.ceil(len(p) / ((n + 1) * self.alpha)))} discoveries cannot be made at "
                f"alpha = {self.alpha:g}; give {int(np.ceil(len(p) / (5 * self.alpha)))} to find "
                "as few as five",
                ResolutionWarning,
                stacklevel=2,
            )
        return PROCEDURES[self.procedure](p, self.alpha)


def _checked(calibration: NDArray[np.float64], held_out: ArrayLike) -> str:
    p = exchangeability_p_value(calibration, held_out)
    n = len(np.asarray(held_out))
    verdict = "NOT MET, " if p < 0.01 else ""
    return f"{verdict}two-sample Kolmogorov-Smirnov test on {n} held-out items: p = {p:.2g}"
