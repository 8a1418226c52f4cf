"""Any binary scikit-learn classifier, with a threshold whose error rate is bounded."""

import warnings
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from scipy import stats
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.linear_model import LogisticRegression
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import check_is_fitted, validate_data

from sterling.errors import InputError, unknown_name
from sterling.guarantee.arrays import check_alpha
from sterling.guarantee.family_wise import bonferroni
from sterling.guarantee.split_fit import fit_apart
from sterling.guarantee.statement import Assumption, Guarantee, ResolutionWarning
from sterling.guarantee.tolerance_limit import tolerance_limit

Risk = Literal["false_negative", "false_positive", "false_discovery"]
RISKS = {
    "false_negative": "positives that are called negative",
    "false_positive": "negatives that are called positive",
    "false_discovery": "items called positive that are negative",
}
# Thresholds that precision is tested at; fixed beforehand, so that the data do not choose them.
GRID = np.arange(0.01, 1.0, 0.02)


class RiskControlledClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A decision threshold with, at confidence 1 - delta, at most a share epsilon of one error.

    The threshold is the one that errs least on the other side. False negatives and positives:
    a tolerance limit (Wilks 1941) on the scores of that class. False discoveries, which bounds
    precision from below: Learn then Test (Angelopoulos et al. 2021) over fifty thresholds, each by
    the binomial law of the errors among the items it calls positive.

    When there are too few calibration items for any promise, the only safe threshold is taken, at
    which the error cannot happen, with a :class:`ResolutionWarning`.

    Args:
        estimator: Classifier with ``predict_proba``; logistic regression by default. Wrapped in
            ``sklearn.frozen.FrozenEstimator`` it is not trained, and all data calibrate.
        risk: ``"false_negative"``, ``"false_positive"`` or ``"false_discovery"``; positive is the
            second of ``classes_``.
        epsilon: Bound of the rate, in (0, 1).
        delta: Allowed probability, over the draw of the calibration items, that it is larger.
        calibration_share: Share of the items that calibrate, in (0, 1).
        random_state: Seed of the split.

    Attributes:
        classes_: The two labels, sorted.
        estimator_: The fitted classifier.
        threshold_: Items whose probability of the second label is at least this are positive.
        guarantee_: What ``predict`` promises.
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        risk: Risk = "false_negative",
        epsilon: float = 0.1,
        delta: float = 0.05,
        calibration_share: float = 0.5,
        random_state: int = 0,
    ) -> None:
        self.estimator = estimator
        self.risk = risk
        self.epsilon = epsilon
        self.delta = delta
        self.calibration_share = calibration_share
        self.random_state = random_state

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        """Train on one part of the items (n, d) with labels (n,), and calibrate on the rest."""
        if self.risk not in RISKS:
            raise unknown_name("risk", self.risk, RISKS)
        check_alpha(self.epsilon, "epsilon")
        check_alpha(self.delta, "delta")
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        if type_of_target(y) != "binary":
            raise InputError("Only binary classification is supported; y holds other labels")
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise InputError(f"y holds one class, {self.classes_[0]!s}; give two")
        estimator = LogisticRegression() if self.estimator is None else self.estimator
        self.estimator_, calibrates = fit_apart(
            estimator,
            X,
            y,
            self.calibration_share,
            np.random.default_rng(self.random_state),
            least_classes=2,
        )
        positive = y[calibrates] == self.classes_[1]
        scores = self._scores(X[calibrates])
        self.threshold_, counted = self._choose(scores, positive)
        self.guarantee_ = Guarantee(
            statement=f"With confidence {1 - self.delta:g} over the draw of the calibration items, "
            f"at most {self.epsilon:g} are {RISKS[self.risk]}.",
            assumptions=(
                Assumption("calibration and later items are independent draws of one kind"),
                Assumption("the model was fitted without the calibration items"),
            ),
            n=counted,
            level=self.epsilon,
            confidence=1 - self.delta,
        )
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Labels (N,) at the threshold."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        labels: NDArray[Any] = self.classes_[(self._scores(X) >= self.threshold_).astype(int)]
        return labels

    def _scores(self, X: NDArray[Any]) -> NDArray[np.float64]:  # noqa: N803
        return np.asarray(self.estimator_.predict_proba(X)[:, 1], dtype=np.float64)

    def _choose(
        self, scores: NDArray[np.float64], positive: NDArray[np.bool_]
    ) -> tuple[float, int]:
        """The threshold, and how many items speak for it."""
        own = scores[positive] if self.risk == "false_negative" else scores[~positive]
        try:
            if self.risk == "false_negative":
                return tolerance_limit(own, self.epsilon, 1 - self.delta).value, len(own)
            if self.risk == "false_positive":
                largest = -tolerance_limit(-own, self.epsilon, 1 - self.delta).value
                return float(np.nextafter(largest, np.inf)), len(own)
        except InputError as error:
            self._warn(str(error))
            return (-np.inf if self.risk == "false_negative" else np.inf), len(own)
        called = (scores[:, None] >= GRID).sum(axis=0)
        wrong = (own[:, None] >= GRID).sum(axis=0)
        # Given how many are called positive, the wrong ones among them are binomial.
        p = np.where(called > 0, stats.binom.cdf(wrong, called, self.epsilon), 1.0)
        safe = np.flatnonzero(bonferroni(p, self.delta))
        if len(safe):
            return float(GRID[safe[0]]), len(scores)
        self._warn(f"no threshold can be certified on {len(scores)} calibration items")
        return np.inf, len(scores)

    def _warn(self, reason: str) -> None:
        label = self.classes_[1 if self.risk == "false_negative" else 0]
        warnings.warn(
            f"{reason}; every item is called {label!s}, which keeps the promise and says nothing",
            ResolutionWarning,
            stacklevel=4,
        )
