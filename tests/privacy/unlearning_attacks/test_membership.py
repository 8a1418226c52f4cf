"""Attacks that tell forgotten records from records never seen, on models trained here."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from sklearn.tree import DecisionTreeClassifier
from tests.privacy.small import examples, with_descent

from sterling.errors import InputError
from sterling.privacy.membership.output_scores import phi
from sterling.privacy.targets.models import mlp
from sterling.privacy.targets.training import Recipe, balanced_membership
from sterling.privacy.unlearning import Descent, train_by_recipe, unlearning_methods
from sterling.privacy.unlearning_attacks import (
    attack_area,
    attack_two_models,
    degradation,
    posteriors,
    rmia_after_unlearning,
    ulira,
)
from sterling.privacy.unlearning_attacks.membership import FEATURES
from sterling.privacy.unlearning_attacks.shadow_models import (
    Shadows,
    forget_own_half,
    train_shadows,
)

Logits = NDArray[np.float32]
RECIPE = Recipe(epochs=30)
METHODS = unlearning_methods(train_by_recipe(RECIPE), Descent(steps=40, learning_rate=3e-3))


@pytest.fixture(scope="module")
def shadows() -> Shadows:
    everything = examples(300, classes=4, features=16, seed=5)
    return train_shadows(
        lambda: mlp((16,), 4, width=32),
        everything.select(torch.arange(200, 300)),
        everything.select(torch.arange(200)),
        RECIPE,
        models=12,
        seed=0,
    )


def phis(shadows: Shadows, logits: Logits) -> NDArray[np.float64]:
    return phi(logits, shadows.pool.labels.numpy())


def area(scores: NDArray[np.float64], membership: NDArray[np.bool_]) -> float:
    return attack_area(scores[membership], scores[~membership]).value


@pytest.fixture(scope="module")
def before(shadows: Shadows) -> Logits:
    logits: Logits = shadows.models.logits(shadows.pool.inputs).numpy().astype(np.float32)
    return logits


@pytest.fixture(scope="module")
def retrained(shadows: Shadows) -> Logits:
    return forget_own_half(shadows, METHODS["retrain"], shadows.pool.inputs, seed=0)


def test_ulira_cannot_tell_what_was_exactly_retrained(
    shadows: Shadows, before: Logits, retrained: Logits
) -> None:
    """0.5 ± 0.03 over 200 records and 12 models.

    One area of 2,400 scores has a standard error of about 0.012 (were they independent), so the
    bound is 2.5 of them.
    """
    inside = shadows.membership
    assert area(ulira(phis(shadows, retrained), inside), inside) == pytest.approx(0.5, abs=0.03)
    # The same attack on the models that did not forget does tell.
    assert area(ulira(phis(shadows, before), inside), inside) > 0.6


def test_ascent_of_zero_steps_leaks_what_the_model_itself_leaks(
    shadows: Shadows, before: Logits
) -> None:
    method = with_descent(METHODS["GA"], Descent(steps=0))
    still = forget_own_half(shadows, method, shadows.pool.inputs, seed=0)
    inside = shadows.membership
    on_it = ulira(phis(shadows, still), inside, shadow=phis(shadows, before))
    plain = ulira(phis(shadows, before), inside)
    np.testing.assert_allclose(on_it, plain, rtol=1e-3, atol=1e-3)
    assert area(on_it, inside) == pytest.approx(area(plain, inside), abs=1e-4)


def test_two_models_tell_what_one_exactly_retrained_model_does_not(
    shadows: Shadows, before: Logits, retrained: Logits
) -> None:
    inside = shadows.membership
    pair = attack_two_models(posteriors(before), posteriors(retrained), inside)
    assert area(pair, inside) > 0.6
    alone = attack_two_models(
        posteriors(before), posteriors(before), inside, features="direct concatenation"
    )
    count, rate = degradation(pair, alone, inside)
    assert count > 0.5
    assert rate > 0


def test_ulira_under_the_null_is_at_one_half_whatever_the_number_of_models() -> None:
    """Complementary pairs left out together keep the area at 1/2; one model alone would not."""
    areas = []
    for seed in range(60):
        rng = np.random.default_rng(seed)
        inside = balanced_membership(6, 40, rng)
        areas.append(area(ulira(rng.normal(size=(6, 40)), inside), inside))
    error = np.std(areas, ddof=1) / np.sqrt(60)
    assert abs(np.mean(areas) - 0.5) < 4 * error  # a false alarm in 10,000 seeds
    assert error < 0.02


def test_what_cannot_be_attacked_is_told() -> None:
    inside = balanced_membership(6, 10, np.random.default_rng(0))
    values, sure = np.zeros((6, 10)), np.full((6, 10, 3), 1 / 3)
    for message, call in (
        ("complementary pairs", lambda: ulira(values, inside[[0, 2, 1, 3, 4, 5]])),
        ("6 models or more", lambda: ulira(values[:4], inside[:4])),
        ("membership", lambda: ulira(values, inside[:, :9])),
        ("mean sorted", lambda: attack_two_models(sure, sure, inside, features="sorted")),
        ("after: a row is no prob", lambda: attack_two_models(sure, sure * 2, inside)),
        ("2 models: two folds", lambda: attack_two_models(sure[:2], sure[:2], inside[:2])),
        ("a value is not finite", lambda: posteriors([[np.nan, 0.0]])),
        ("equal shapes", lambda: degradation([0.1], [0.1, 0.2], [True])),
        ("a population of 1", lambda: rmia_after_unlearning(values, values, inside)),
    ):
        with pytest.raises(InputError, match=message):
            call()


def test_feature_maps_by_hand() -> None:
    before, after = np.array([[0.2, 0.5, 0.3]]), np.array([[0.3, 0.3, 0.4]])
    expected = {
        "direct concatenation": [0.2, 0.5, 0.3, 0.3, 0.3, 0.4],
        "sorted concatenation": [0.5, 0.3, 0.2, 0.3, 0.4, 0.3],
        "direct difference": [-0.1, 0.2, -0.1],
        "sorted difference": [0.2, -0.1, -0.1],
        "Euclidean distance": [np.sqrt(0.06)],
    }
    assert set(FEATURES) == set(expected)
    for name, values in expected.items():
        np.testing.assert_allclose(FEATURES[name](before, after), [values])


def test_two_model_attack_takes_other_classifiers() -> None:
    rng = np.random.default_rng(0)
    inside = balanced_membership(4, 20, rng)
    before = posteriors(rng.normal(size=(4, 20, 3)))
    leaking = posteriors(np.log(before) - 3 * inside[..., None] * np.eye(3)[0])
    for features in FEATURES:
        tree = DecisionTreeClassifier(random_state=0)
        scores = attack_two_models(before, leaking, inside, features=features, classifier=tree)
        assert area(scores, inside) > 0.7


def test_degradation_counts_in_the_right_direction() -> None:
    count, rate = degradation([0.9, 0.2, 0.6], [0.7, 0.4, 0.8], [True, False, True])
    assert count == pytest.approx(2 / 3)
    assert rate == pytest.approx((0.2 + 0.2 - 0.2) / 3)


def test_rmia_ranks_by_the_gain_over_models_that_did_not_learn_the_record() -> None:
    rng = np.random.default_rng(0)
    inside = balanced_membership(6, 40, rng)
    hardness = rng.uniform(0.05, 0.6, size=90)  # the last 50 stand for the population
    before = np.tile(hardness, (6, 1))
    before[:, :40] += 0.3 * inside
    kept = rmia_after_unlearning(before, before, inside)
    assert attack_area(kept[inside], kept[~inside]).value > 0.95
    # A model that is as others are on records that they did not learn gives nothing away.
    forgotten = rmia_after_unlearning(np.tile(hardness, (6, 1)), before, inside)
    assert attack_area(forgotten[inside], forgotten[~inside]).value == pytest.approx(0.5, abs=0.02)
    assert ((kept >= 0) & (kept <= 1)).all()
