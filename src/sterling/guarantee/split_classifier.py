"""Any scikit-learn classifier, with label sets that hold the true label at a stated rate."""

from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, clone
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils import Tags, _safe_indexing, get_tags, indexable
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import (
    check_consistent_length,
    check_is_fitted,
    column_or_1d,
    validate_data,
)

from sterling.errors import InputError
from sterling.guarantee.checks import Bools, Floats, check_alpha
from sterling.guarantee.label_scores import APS, LabelScore
from sterling.guarantee.sets import Condition, calibrate_label_sets


class SplitConformalClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """Split conformal classification (Papadopoulos et al., ECML 2002; Vovk et al. 2005).

    ``fit`` trains the estimator on one part of the data and calibrates on the other. For a model
    that is trained already, wrap it in ``sklearn.frozen.FrozenEstimator``: then all data given to
    ``fit`` calibrate. The estimator checks its own features, so one that imputes NaN or picks
    columns of a data frame by name works. ``predict`` gives single labels without any
    guarantee; ``predict_set`` gives the sets.

    Args:
        estimator: Classifier with ``predict_proba``; logistic regression by default.
        label_score: ``LAC()``, ``APS()`` (default), ``RAPS(...)``, ``SAPS(...)`` or your own.
        alpha: Error level in (0, 1).
        condition: Coverage over all items ("none"), within every "class", or every "group".
        randomized: Exact coverage by one random number per item; False gives larger sets.
        calibration_share: Share of the items that calibrate, in (0, 1).
        random_state: Seed of the split and of the randomised scores.

    Attributes:
        classes_: Labels (C,), the columns of the sets: those of ``y``, or of a frozen model,
            whether they occur in ``y`` or not.
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
            X: Features (n, d), in any form that the estimator takes.
            y: Labels (n,).
            groups: Group of each item, for ``condition="group"``.

        Raises:
            InputError: There are too few classes or items, or a frozen model does not know a label.
        """
        check_alpha(self.alpha)
        X = self._checked(X, reset=True)
        y = column_or_1d(y, warn=True)
        check_consistent_length(X, y)
        check_classification_targets(y)
        self.classes_ = self._labels(y)
        if len(self.classes_) < 2:
            held = ", ".join(map(str, self.classes_)) or "none"
            raise InputError(f"y holds one class, {held}; give at least two classes")
        labels = _positions(y, self.classes_, "y", "the model")
        calibrates = self._fit_estimator(X, y)
        self.rule_ = calibrate_label_sets(
            self._probabilities(_safe_indexing(X, calibrates)),
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
        X = self._checked(X, reset=False)
        labels: NDArray[Any] = self.estimator_.predict(X)
        return labels

    def predict_set(self, X: Any, groups: ArrayLike | None = None) -> Bools:  # noqa: N803
        """Return which of ``classes_`` are in the set of each item, bool (N, C)."""
        check_is_fitted(self)
        X = self._checked(X, reset=False)
        return self.rule_.sets(self._probabilities(X), groups=groups, rng=self._rng(2))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags = get_tags(self._model()).input_tags
        return tags

    def _checked(self, X: Any, *, reset: bool) -> Any:  # noqa: N803
        """Items that can be selected by position; their values are the estimator's to check."""
        (X,) = indexable(X)
        if isinstance(X, np.ndarray) and X.ndim != 2 and X.dtype.kind in "biufc":
            raise InputError(f"X has shape {X.shape}; give one row per item. Reshape your data")
        validate_data(self, X, reset=reset, skip_check_array=True)
        return X

    def _model(self) -> Any:
        return LogisticRegression() if self.estimator is None else self.estimator

    def _labels(self, y: NDArray[Any]) -> NDArray[Any]:
        if not isinstance(self.estimator, FrozenEstimator):
            return np.unique(y)
        check_is_fitted(self.estimator)
        return np.asarray(self.estimator.classes_)

    def _fit_estimator(self, X: Any, y: NDArray[Any]) -> NDArray[np.intp]:  # noqa: N803
        """Train on a random part of the items, and return the positions of the others.

        A ``FrozenEstimator`` is not trained, and all items calibrate.
        """
        model = self._model()
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
        self.estimator_ = clone(model).fit(_safe_indexing(X, trains), y[trains])
        return order[:size]

    def _probabilities(self, X: Any) -> Floats:  # noqa: N803
        # A class that only the calibration part shows has probability 0; that keeps coverage.
        columns = _positions(self.estimator_.classes_, self.classes_, "the estimator", "y")
        given = self.estimator_.predict_proba(X)
        probabilities = np.zeros((len(given), len(self.classes_)))
        probabilities[:, columns] = given
        return probabilities

    def _rng(self, stream: int) -> np.random.Generator | None:
        return np.random.default_rng((self.random_state, stream)) if self.randomized else None


def _positions(
    labels: NDArray[Any], classes: NDArray[Any], whose: str, knower: str
) -> NDArray[np.intp]:
    """Position of each label among the classes, which need not be sorted."""
    places = {name: place for place, name in enumerate(classes.tolist())}
    unknown = [label for label in labels.tolist() if label not in places]
    if unknown:
        raise InputError(
            f"{whose} holds the label {unknown[0]!r} ({type(unknown[0]).__name__}), which {knower} "
            f"does not know; its labels are {', '.join(map(repr, list(places)[:10]))}"
        )
    return np.array([places[label] for label in labels.tolist()], dtype=np.intp)
