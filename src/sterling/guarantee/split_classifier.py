"""Any scikit-learn classifier, with label sets that hold the true label at a stated rate."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from sterling.errors import InputError
from sterling.guarantee.checks import Bools, Floats, check_alpha
from sterling.guarantee.label_scores import APS, LabelScore
from sterling.guarantee.sets import Condition, calibrate_label_sets


class SplitConformalClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Split conformal classification (Papadopoulos et al., ECML 2002; Vovk et al. 2005).

    ``fit`` trains the estimator on one part of the data and calibrates on the other. For a model
    that is trained already, wrap it in ``sklearn.frozen.FrozenEstimator``: then all data given to
    ``fit`` calibrate. ``predict`` gives single labels without any guarantee; ``predict_set`` gives
    the sets.

    Args:
        estimator: Classifier with ``predict_proba``; logistic regression by default.
        label_score: ``LAC()``, ``APS()`` (default), ``RAPS(...)``, ``SAPS(...)`` or your own.
        alpha: Error level in (0, 1).
        condition: Coverage over all items ("none"), within every "class", or every "group".
        randomized: Exact coverage by one random number per item; False gives larger sets.
        calibration_share: Share of the items that calibrate, in (0, 1).
        random_state: Seed of the split and of the randomised scores.

    Attributes:
        classes_: Labels (C,), the columns of the sets.
        estimator_: The fitted classifier.
        rule_: The calibrated :class:`LabelSetRule`.
        guarantee_: Promise of ``predict_set``.
    """

    def __init__(
        self,
        estimator: Any = None,
        *,
        label_score: LabelScore | None = None,
        alpha: float = 0.1,
        condition: Condition = "none",
        randomized: bool = True,
        calibration_share: float = 0.5,
        random_state: int = 0,
    ) -> None:
        self.estimator = estimator
        self.label_score = label_score
        self.alpha = alpha
        self.condition = condition
        self.randomized = randomized
        self.calibration_share = calibration_share
        self.random_state = random_state

    def fit(self, X: Any, y: Any, groups: ArrayLike | None = None) -> Self:  # noqa: N803
        """Train on one part of the items and calibrate on the rest.

        Args:
            X: Features (n, d).
            y: Labels (n,).
            groups: Group of each item, for ``condition="group"``.
        """
        check_alpha(self.alpha)
        X, y = validate_data(self, X, y)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise InputError(f"y holds one class, {self.classes_[0]!s}; give at least two classes")
        calibrates = self._fit_estimator(X, y)
        self.rule_ = calibrate_label_sets(
            self._probabilities(X[calibrates]),
            labels[calibrates],
            self.alpha,
            APS() if self.label_score is None else self.label_score,
            condition=self.condition,
            groups=None if groups is None else np.asarray(groups)[calibrates],
            rng=self._rng(1),
        )
        self.guarantee_ = self.rule_.guarantee
        return self

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803
        """Return the most probable label of each item, (N,)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        labels: NDArray[Any] = self.estimator_.predict(X)
        return labels

    def predict_set(self, X: Any, groups: ArrayLike | None = None) -> Bools:  # noqa: N803
        """Return which of ``classes_`` are in the set of each item, bool (N, C)."""
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        return self.rule_.sets(self._probabilities(X), groups=groups, rng=self._rng(2))

    def _fit_estimator(self, X: NDArray[Any], y: NDArray[Any]) -> NDArray[np.intp]:  # noqa: N803
        """Train on a random part of the items, and return the positions of the others.

        A ``FrozenEstimator`` is not trained, and all items calibrate.
        """
        model = LogisticRegression() if self.estimator is None else self.estimator
        if isinstance(model, FrozenEstimator):
            self.estimator_ = model
            return np.arange(len(y))
        check_alpha(self.calibration_share, "calibration_share")
        order = np.random.default_rng((self.random_state, 0)).permutation(len(y))
        size = round(self.calibration_share * len(y))
        trains = order[size:]
        if not 0 < size < len(y):
            raise InputError(
                f"{len(y)} sample(s) cannot be split by calibration_share = "
                f"{self.calibration_share:g}; give more"
            )
        if len(np.unique(y[trains])) < 2:
            raise InputError(
                f"the {len(trains)} training items hold one class, {y[trains[0]]!s}; give more "
                "items, or a smaller calibration_share"
            )
        self.estimator_ = clone(model).fit(X[trains], y[trains])
        return order[:size]

    def _probabilities(self, X: NDArray[Any]) -> Floats:  # noqa: N803
        # A class that only the calibration part shows has probability 0; that keeps coverage.
        columns = np.searchsorted(self.classes_, self.estimator_.classes_)
        probabilities = np.zeros((len(X), len(self.classes_)))
        probabilities[:, columns] = self.estimator_.predict_proba(X)
        return probabilities

    def _rng(self, stream: int) -> np.random.Generator | None:
        return np.random.default_rng((self.random_state, stream)) if self.randomized else None
