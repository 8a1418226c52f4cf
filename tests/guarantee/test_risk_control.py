from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from sterling.errors import InputError
from sterling.guarantee import (
    LAC,
    betting_p_values,
    binomial_p_values,
    calibrate_label_sets,
    conformal_risk_control,
    fixed_sequence,
    graphical,
    hoeffding_bentkus_p_values,
    learn_then_test,
    risk_controlling_sets,
)

DIAL = np.linspace(0, 1, 41)


def dial_losses(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """Losses that fall along a dial, of true mean (1 - x)**2 / 2 (uniform scale, uniform start)."""
    return np.maximum(0, rng.random((n, 1)) - DIAL)


def true_risk(setting: int) -> float:
    return float((1 - DIAL[setting]) ** 2 / 2)


def test_expected_loss_is_controlled_and_not_wasted() -> None:
    rng = np.random.default_rng(0)
    risks = np.array(
        [true_risk(conformal_risk_control(dial_losses(rng, 60), 0.1).setting) for _ in range(1000)]
    )
    assert risks.mean() <= 0.1 + 3 * risks.std() / np.sqrt(1000)
    assert risks.mean() > 0.07


def test_with_the_loss_of_a_missed_label_it_is_split_conformal_prediction() -> None:
    rng = np.random.default_rng(1)
    probabilities = rng.dirichlet(np.ones(4), size=99)
    labels = rng.integers(0, 4, size=99)
    rule = calibrate_label_sets(probabilities, labels, 0.1, LAC())
    scores = 1 - probabilities[np.arange(99), labels]
    thresholds = np.sort(scores)
    chosen = conformal_risk_control(scores[:, None] > thresholds, 0.1)
    assert thresholds[chosen.setting] == pytest.approx(rule.limits[0])


@pytest.mark.parametrize("risk_test", [hoeffding_bentkus_p_values, betting_p_values])
def test_risk_exceeds_epsilon_as_rarely_as_promised(
    risk_test: Callable[..., NDArray[np.float64]],
) -> None:
    rng = np.random.default_rng(2)
    settings = [
        risk_controlling_sets(dial_losses(rng, 200), 0.1, 0.1, risk_test=risk_test).setting
        for _ in range(500)
    ]
    exceeded = sum(true_risk(setting) > 0.1 for setting in settings)
    assert stats.binomtest(exceeded, 500, 0.1, alternative="greater").pvalue > 1e-6
    assert np.mean([true_risk(setting) for setting in settings]) > 0.03


def sampler_losses(rng: np.random.Generator, n: int) -> NDArray[np.float64]:
    """0/1 losses on an 8 x 13 grid: item i fails unless one of its first k samples passes a bar."""
    solvable = rng.beta(2, 1.2, size=(n, 1))
    right = rng.random((n, 16)) < solvable
    quality = rng.random((n, 16)) + 0.5 * right
    losses = []
    for bar in np.linspace(0, 0.8, 8):
        kept = right & (quality >= bar)
        first = np.where(kept.any(axis=1), kept.argmax(axis=1), 99)
        losses += [first >= k for k in np.linspace(1, 16, 13).round()]
    return np.array(losses, dtype=float).T


def test_learn_then_test_on_a_sampling_grid_keeps_its_promise() -> None:
    rng = np.random.default_rng(3)
    risk = sampler_losses(rng, 200_000).mean(axis=0)
    order = np.argsort(sampler_losses(rng, 1000).mean(axis=0))  # chosen on other data
    n_settings = len(risk)
    chain = partial(graphical, weights=np.eye(n_settings)[0], transitions=np.eye(n_settings, k=1))
    exceeded = {"bonferroni": 0, "sequence": 0, "chain": 0}
    certified = dict.fromkeys(exceeded, 0)
    for _ in range(100):
        losses = sampler_losses(rng, 500)[:, order]
        found = {
            "bonferroni": learn_then_test(losses, 0.2, 0.05, risk_test=binomial_p_values),
            "sequence": learn_then_test(
                losses, 0.2, 0.05, risk_test=binomial_p_values, correction=fixed_sequence
            ),
            "chain": learn_then_test(
                losses, 0.2, 0.05, risk_test=binomial_p_values, correction=chain
            ),
        }
        for name, result in found.items():
            exceeded[name] += int((risk[order][result.safe] > 0.2).any())
            certified[name] += int(result.safe.sum())
        assert np.array_equal(found["sequence"].safe, found["chain"].safe)
    for errors in exceeded.values():
        assert stats.binomtest(errors, 100, 0.05, alternative="greater").pvalue > 1e-6
    assert certified["sequence"] > 0
    assert found["sequence"].guarantee.confidence == 0.95


def test_settings_that_cannot_be_certified_are_refused_with_the_reason() -> None:
    flat = np.ones((50, 3))
    with pytest.raises(InputError, match="cannot be certified"):
        risk_controlling_sets(flat, 0.1, 0.1)
    with pytest.raises(InputError, match="mean loss 1 on 50 items"):
        conformal_risk_control(flat, 0.1)
    with pytest.raises(InputError, match="at least 9"):
        conformal_risk_control(np.zeros((8, 2)), 0.1)
    assert conformal_risk_control(np.zeros((9, 2)), 0.1).setting == 0
    assert not learn_then_test(flat, 0.1, 0.1).safe.any()


def test_losses_that_rise_along_the_dial_are_refused() -> None:
    with pytest.raises(InputError, match="item 1 rises from setting 0 to 1"):
        conformal_risk_control([[0.5, 0.2], [0.1, 0.3]], 0.5)
    with pytest.raises(InputError, match="alpha 2"):
        conformal_risk_control([[0.5, 0.2]], 2)
