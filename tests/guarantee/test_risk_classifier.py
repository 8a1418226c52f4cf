import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LogisticRegression
from sklearn.utils.estimator_checks import parametrize_with_checks

from sterling.errors import InputError
from sterling.guarantee import ResolutionWarning, RiskControlledClassifier


@pytest.mark.no_cover
@parametrize_with_checks(
    [RiskControlledClassifier()],
    expected_failed_checks=lambda _estimator: {
        "check_fit2d_1feature": "the check has ten items; half of them train, and show one class"
    },
)
def test_follows_scikit_learns_contract(estimator: Any, check: Callable[[Any], None]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


def draw(rng: np.random.Generator, n: int) -> tuple[NDArray[Any], NDArray[Any]]:
    y = (rng.random(n) < 0.4).astype(int)
    return rng.normal(size=(n, 1)) + 2 * y[:, None], y


def true_rates(model: RiskControlledClassifier) -> dict[str, float]:
    """Exact rates of a threshold on one normal feature, from where it falls on the axis."""
    if np.isinf(model.threshold_):
        return {"false_discovery": 0.0}
    base = model.estimator_.estimator
    logit = np.log(model.threshold_) - np.log1p(-model.threshold_)
    cut = float((logit - base.intercept_[0]) / base.coef_[0, 0])
    miss, alarm = stats.norm(2).cdf(cut), stats.norm(0).sf(cut)
    discoveries = 0.4 * (1 - miss) + 0.6 * alarm
    return {
        "false_negative": miss,
        "false_positive": alarm,
        "false_discovery": 0.6 * alarm / discoveries,
    }


# Two of the 300 draws certify no threshold for false discoveries: then no item is positive.
@pytest.mark.filterwarnings("ignore:no threshold can be certified")
@pytest.mark.parametrize("risk", ["false_negative", "false_positive", "false_discovery"])
def test_the_true_rate_exceeds_the_bound_as_rarely_as_promised(risk: Any) -> None:
    rng = np.random.default_rng(0)
    base = FrozenEstimator(LogisticRegression().fit(*draw(rng, 2000)))
    model = RiskControlledClassifier(base, risk=risk, epsilon=0.15, delta=0.1)
    rates = []
    for _ in range(300):
        model.fit(*draw(rng, 1000))
        rates.append(true_rates(model)[risk])
    exceeded = sum(rate > 0.15 for rate in rates)
    assert stats.binomtest(exceeded, 300, 0.1, alternative="greater").pvalue > 1e-6
    assert np.mean(rates) > 0.05  # it does not buy safety by giving everything up


def test_too_few_items_give_the_safe_answer_and_a_warning() -> None:
    rng = np.random.default_rng(1)
    X, y = draw(rng, 60)
    for risk, answer in (("false_negative", 1), ("false_positive", 0), ("false_discovery", 0)):
        model = RiskControlledClassifier(risk=risk, epsilon=0.01)  # type: ignore[arg-type]
        with pytest.warns(ResolutionWarning, match=f"every item is called {answer}"):
            model.fit(X, y)
        assert (model.predict(X) == answer).all()


def test_bad_input_is_refused() -> None:
    X, y = draw(np.random.default_rng(2), 40)
    with pytest.raises(InputError, match="did you mean false_negative"):
        RiskControlledClassifier(risk="false_negatives").fit(X, y)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="epsilon 0"):
        RiskControlledClassifier(epsilon=0).fit(X, y)
    with pytest.raises(InputError, match="Only binary"):
        RiskControlledClassifier().fit(X, np.arange(40) % 3)
    with pytest.raises(InputError, match="one class"):
        RiskControlledClassifier().fit(X, np.zeros(40))
