"""Cuts of a data set, and shadow models that learn and forget their own half."""

import numpy as np
import pytest
import torch

from sterling.errors import InputError
from sterling.privacy.models import mlp
from sterling.privacy.records import simulated_records
from sterling.privacy.shadow_unlearning import forget_own_half, retrain_shadows, train_shadows
from sterling.privacy.training import Recipe
from sterling.privacy.unlearning import Descent, Examples, catalogue, train_by_recipe
from sterling.privacy.victims import VICTIMS, choose_victim

RECIPE = Recipe(epochs=5)


def data(n: int = 200) -> Examples:
    records = simulated_records(n, classes=3, features=8, separation=3.0, seed=0)
    return Examples(torch.from_numpy(records.x), torch.from_numpy(records.y), torch.arange(n))


def build() -> torch.nn.Module:
    return mlp((8,), 3, width=32)


@pytest.mark.parametrize("kind", VICTIMS)
def test_pool_base_and_test_share_no_record(kind: str) -> None:
    cut = choose_victim(kind, data(), build, RECIPE, pool=20, base=100, seed=3)
    parts = [set(part.ids.tolist()) for part in (cut.pool, cut.base, cut.test)]
    assert [len(part) for part in parts] == [20, 100, 80]
    assert len(set.union(*parts)) == 200
    truth = data().labels[cut.pool.ids]
    if kind == "mislabelled":
        assert not (cut.pool.labels == truth).any()
    else:
        assert torch.equal(cut.pool.labels, truth)
    assert cut.copies == (3 if kind == "duplicates" else 1)


def test_outliers_are_far_from_their_class() -> None:
    everything = data()
    cut = choose_victim("outliers", everything, build, RECIPE, pool=20, base=130, seed=0)
    centres = torch.stack([everything.inputs[everything.labels == c].mean(0) for c in range(3)])

    def closer_to_another(part: Examples) -> float:
        nearest = torch.cdist(part.inputs, centres).argmin(1)
        return float((nearest != part.labels).float().mean())

    assert closer_to_another(cut.pool) > closer_to_another(cut.base) + 0.3


def test_unknown_victims_and_too_few_records_are_told() -> None:
    with pytest.raises(InputError, match="did you mean outliers"):
        choose_victim("outlier", data(), build, RECIPE, pool=20, base=100, seed=0)
    with pytest.raises(InputError, match="need 250"):
        choose_victim("random", data(), build, RECIPE, pool=100, base=100, seed=0)


def test_shadows_learn_their_half_and_retrained_ones_do_not() -> None:
    cut = choose_victim("mislabelled", data(), build, RECIPE, pool=20, base=100, seed=0)
    recipe = Recipe(epochs=60)
    shadows = train_shadows(build, cut.base, cut.pool, recipe, models=4, seed=0)
    assert np.array_equal(shadows.membership[::2], ~shadows.membership[1::2])
    forget, retain = shadows.request(1)
    assert forget.ids.tolist() == cut.pool.ids[torch.from_numpy(shadows.membership[1])].tolist()
    assert len(retain) == 100
    labels = cut.pool.labels.numpy()

    def learned(logits: np.ndarray) -> float:
        right = logits.argmax(-1) == labels
        return float(right[shadows.membership].mean() - right[~shadows.membership].mean())

    assert learned(shadows.models.logits(cut.pool.inputs).numpy()) > 0.5
    again = retrain_shadows(shadows, build, recipe, seed=1)
    assert abs(learned(again.logits(cut.pool.inputs).numpy())) < 0.3
    method = catalogue(train_by_recipe(recipe), Descent(steps=5))["NPO"]
    answers = forget_own_half(shadows, method, cut.pool.inputs, seed=0)
    assert answers.shape == (4, 20, 3)
    with pytest.raises(InputError, match="keep them apart"):
        train_shadows(build, cut.pool, cut.pool, recipe, models=4, seed=0)
