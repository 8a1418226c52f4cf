import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import polars as pl
import pytest
from scipy import sparse, stats
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits, load_iris
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.frozen import FrozenEstimator
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from sterling.errors import InputError
from sterling.guarantee import LAC, RAPS, SplitConformalClassifier

TEN_ITEMS = "the check has ten items of three classes; half of them train, and show one class"


@pytest.mark.no_cover
@parametrize_with_checks(
    [SplitConformalClassifier()],
    expected_failed_checks=lambda _estimator: {"check_fit2d_1feature": TEN_ITEMS},
)
def test_follows_scikit_learns_contract(estimator: Any, check: Callable[[Any], None]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def test_sets_of_digits_cover_at_the_promised_rate() -> None:
    # 1,797 digits split 20 times: calibration 400, test 897. Coverage of one split has the
    # variance of a beta-binomial; the bound is three standard errors of its mean.
    X, y = load_digits(return_X_y=True)
    coverage, sizes = [], []
    for seed in range(20):
        order = np.random.default_rng(seed).permutation(len(y))
        model = SplitConformalClassifier(
            RandomForestClassifier(20, random_state=seed, max_depth=6),
            label_score=RAPS(),
            alpha=0.1,
            calibration_share=400 / 900,
            random_state=seed,
        )
        model.fit(X[order[:900]], y[order[:900]])
        sets = model.predict_set(X[order[900:]])
        coverage.append(sets[np.arange(897), y[order[900:]]].mean())
        sizes.append(sets.sum(axis=1).mean())
    law = stats.betabinom(897, 361, 40)
    assert abs(np.mean(coverage) - law.mean() / 897) < 3 * law.std() / 897 / np.sqrt(20)
    assert np.mean(sizes) < 4
    assert model.guarantee_.n == 400


def test_a_frozen_model_calibrates_on_everything() -> None:
    X, y = load_digits(return_X_y=True)
    base = LogisticRegression(max_iter=2000).fit(X[:600] / 16, y[:600])
    model = SplitConformalClassifier(FrozenEstimator(base), label_score=LAC(), alpha=0.05)
    model.fit(X[600:1200] / 16, y[600:1200])
    assert model.guarantee_.n == 600
    assert np.array_equal(model.predict(X[1200:] / 16), base.predict(X[1200:] / 16))


def test_a_class_that_only_calibration_shows_costs_no_coverage() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(400, 2))
    y = (X[:, 0] > 0).astype(int)
    y[rng.permutation(np.random.default_rng((0, 0)).permutation(400)[:200])[:10]] = 7
    model = SplitConformalClassifier(alpha=0.02).fit(X, y)
    assert list(model.estimator_.classes_) == [0, 1]
    assert model.predict_set(X).shape == (400, 3)
    assert model.predict_set(X)[:, 2].mean() > 0.5  # the limit had to rise to where 7 is kept


@pytest.mark.parametrize("lacking", ["cat", "dog", "eel"])
def test_columns_of_a_frozen_model_are_its_classes(lacking: str) -> None:
    X, y = load_iris(return_X_y=True)
    names = np.array(["eel", "cat", "dog"])[y]
    trains = np.arange(150) % 2 == 0
    base = LogisticRegression(max_iter=500).fit(X[trains], names[trains])
    rows = ~trains & (names != lacking)
    model = SplitConformalClassifier(FrozenEstimator(base), label_score=LAC(), alpha=0.1)
    model.fit(X[rows], names[rows])
    assert model.classes_.tolist() == ["cat", "dog", "eel"]
    sets = model.predict_set(X[trains])
    assert (sets & (model.classes_ == names[trains, None])).any(axis=1)[
        names[trains] != lacking
    ].mean() > 0.8
    # Every class has a column of its own: what the model is sure of is what it names.
    alone = sets.sum(axis=1) == 1
    assert (model.classes_[sets[alone].argmax(axis=1)] == base.predict(X[trains])[alone]).all()


def test_a_label_that_a_frozen_model_does_not_know_is_refused() -> None:
    X, y = load_iris(return_X_y=True)
    names = np.array(["cat", "dog", "eel"])[y]
    model = SplitConformalClassifier(
        FrozenEstimator(LogisticRegression(max_iter=500).fit(X, names))
    )
    for labels in (np.where(names == "eel", "fox", names), y, y.astype(str)):
        with pytest.raises(InputError, match="which the model does not know"):
            model.fit(X, labels)
    numbers = SplitConformalClassifier(FrozenEstimator(LogisticRegression(max_iter=500).fit(X, y)))
    assert numbers.fit(X, y.astype(float)).classes_.tolist() == [0, 1, 2]


def test_the_estimator_checks_its_own_features() -> None:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(200, 2))
    y = (X[:, 0] > 0).astype(int)
    frame = pl.DataFrame({"noise": rng.normal(size=200), "use": X[:, 0], "kind": ["a", "b"] * 100})
    by_name = ColumnTransformer(
        [("one", StandardScaler(), ["use"]), ("two", OneHotEncoder(), ["kind"])]
    )
    holes = X.copy()
    holes[rng.random((200, 2)) < 0.05] = np.nan
    for model, data in (
        (make_pipeline(SimpleImputer(), LogisticRegression()), holes),
        (HistGradientBoostingClassifier(max_iter=20), holes),
        (make_pipeline(by_name, LogisticRegression()), frame),
        (LogisticRegression(), sparse.csr_matrix(X)),
    ):
        wrapped = SplitConformalClassifier(model, label_score=LAC(), alpha=0.1).fit(data, y)
        sets = wrapped.predict_set(data)
        assert sets[np.arange(200), y].mean() > 0.85
        assert sets.sum(axis=1).mean() < 1.3
        assert (wrapped.predict(data) == y).mean() > 0.85
    with pytest.raises(ValueError, match="contains NaN"):
        SplitConformalClassifier().fit(holes, y)


def test_labels_of_text_groups_and_repeatability() -> None:
    rng = np.random.default_rng(1)
    X = rng.normal(size=(300, 3))
    y = np.where(X[:, 0] + 0.5 * rng.normal(size=300) > 0, "yes", "no")
    groups = rng.choice(["m", "f"], 300)
    model = SplitConformalClassifier(condition="group", alpha=0.2).fit(X, y, groups)
    first = model.predict_set(X, groups)
    assert list(model.classes_) == ["no", "yes"]
    assert np.array_equal(first, model.predict_set(X, groups))
    assert set(model.predict(X)) <= {"no", "yes"}
    with pytest.raises(InputError, match="y holds one class"):
        model.fit(X, np.zeros(300))
    with pytest.raises(InputError, match="training items hold one class"):
        model.fit(X, np.arange(300) == 150)
    with pytest.raises(InputError, match="calibration_share"):
        SplitConformalClassifier(calibration_share=1.5).fit(X, y)
