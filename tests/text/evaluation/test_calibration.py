"""Platt scaling against scikit-learn, and thresholds against their definition."""

import math
from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression

from sterling.errors import InputError
from sterling.measure import Scores
from sterling.text.evaluation.calibration import (
    L2,
    Platt,
    ThresholdMode,
    choose_threshold,
    fit_platt,
)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("direction", [1, -1])
def test_platt_is_scikit_learns_regression(seed: int, direction: int) -> None:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, 80)
    scores = direction * (rng.normal(size=80) + 1.5 * labels) * 7 + 30
    platt = fit_platt(scores, labels)
    z = (scores - scores.mean()) / scores.std()
    reference = LogisticRegression(C=1 / L2, tol=1e-10, max_iter=1000).fit(z[:, None], labels)
    assert platt.slope == pytest.approx(reference.coef_[0, 0], abs=1e-4)
    assert platt.intercept == pytest.approx(reference.intercept_[0], abs=1e-4)
    assert platt.slope * direction > 0
    expected = reference.predict_proba(z[:, None])[:, 1]
    assert platt.probability(scores) == pytest.approx(expected, abs=1e-4)


def test_separated_scores_have_a_finite_map() -> None:
    platt = fit_platt([0.0, 0.1, 5.0, 5.1], [0, 0, 1, 1])
    assert math.isfinite(platt.slope)
    assert platt.probability([0.05])[0] < 0.1 < 0.9 < platt.probability([5.0])[0]


def test_probabilities_stay_off_the_ends_and_what_is_not_scored_stays_so() -> None:
    platt = Platt(0.0, 1.0, 1.0, 0.0)
    assert platt.probability([1e9, -1e9]).tolist() == [1 - 1e-6, 1e-6]
    assert np.isnan(platt.probability([np.nan]))[0]


@pytest.mark.parametrize(
    ("scores", "labels", "message"),
    [
        ([1.0, 2.0], [1, 1], "people .0. and of machines"),
        ([1.0, 1.0], [0, 1], "all are equal"),
        ([1.0, math.nan], [0, 1], "finite"),
        ([1.0, 2.0], [0], "labels"),
    ],
)
def test_what_cannot_be_calibrated_is_named(
    scores: list[float], labels: list[int], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        fit_platt(scores, labels)


ROWS = st.lists(st.tuples(st.integers(-5, 5), st.booleans()), min_size=2, max_size=30).filter(
    lambda rows: len({label for _, label in rows}) == 2
)


@given(ROWS)
def test_thresholds_are_the_best_there_are(rows: list[tuple[int, bool]]) -> None:
    values = np.array([float(value) for value, _ in rows])
    label = np.array([one for _, one in rows])
    scores = Scores(values, label)
    cuts = [*np.unique(values), values.max() + 1]

    def accuracy(cut: float) -> float:
        return float(((values >= cut) == label).mean())

    def f1(cut: float) -> float:
        hits = int((label & (values >= cut)).sum())
        return 2 * hits / (int((values >= cut).sum()) + int(label.sum()))

    def tpr(cut: float) -> float:
        alarms = (values[~label] >= cut).mean()
        return float((values[label] >= cut).mean()) if alarms <= 0.01 else -1.0

    for mode, merit in (("accuracy", accuracy), ("f1", f1), ("low_fpr", tpr)):
        chosen = choose_threshold(scores, mode)  # type: ignore[arg-type]
        assert merit(chosen.value) == pytest.approx(max(map(merit, cuts))), mode
        assert chosen.overlap(scores) == len(scores)
    assert set(get_args(ThresholdMode)) == {"accuracy", "f1", "low_fpr"}


def test_an_unknown_mode_is_named() -> None:
    with pytest.raises(InputError, match="did you mean accuracy"):
        choose_threshold(Scores([0.0, 1.0], [False, True]), "acuracy")  # type: ignore[arg-type]
