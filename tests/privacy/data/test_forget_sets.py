"""Cuts of a data set, and shadow models that learn and forget their own half."""

from functools import partial

import numpy as np
import pytest
import torch
from tests.privacy.small import examples, network

from sterling.errors import InputError
from sterling.privacy.data.forget_sets import FORGET_SETS, choose_forget_set
from sterling.privacy.targets.models import mlp
from sterling.privacy.targets.training import Recipe
from sterling.privacy.unlearning import (
    Descent,
    Examples,
    Method,
    SisaConfig,
    fit_sisa,
    sisa,
    train_by_recipe,
    unlearning_methods,
)
from sterling.privacy.unlearning_attacks.shadow_models import (
    forget_in_sequence,
    forget_own_half,
    forget_with_own_training,
    retrain_shadows,
    train_shadows,
)

RECIPE = Recipe(epochs=5)


def data(n: int = 200) -> Examples:
    return examples(n, features=8, separation=3.0)


def build() -> torch.nn.Module:
    return mlp((8,), 3, width=32)


@pytest.mark.parametrize("kind", FORGET_SETS)
def test_pool_base_and_test_share_no_record(kind: str) -> None:
    cut = choose_forget_set(kind, data(), build, RECIPE, pool=20, base=100, seed=3)
    parts = [set(part.ids.tolist()) for part in (cut.pool, cut.validation, cut.base, cut.test)]
    assert [len(part) for part in parts] == [20, 10, 100, 70]
    assert len(set.union(*parts)) == 200
    for part in (cut.pool, cut.validation):
        same = part.labels == data().labels[part.ids]
        if kind == "mislabelled":
            assert not same.any()
        elif kind == "canaries":
            assert 0.05 < float(same.float().mean()) < 0.8
            assert not torch.isin(part.inputs.sum(1), data().inputs.sum(1)).any()
        else:
            assert same.all()
    assert cut.copies == (3 if kind == "duplicates" else 1)


def test_outliers_are_far_from_their_class() -> None:
    everything = data()
    cut = choose_forget_set("outliers", everything, build, RECIPE, pool=20, base=120, seed=0)
    centres = torch.stack([everything.inputs[everything.labels == c].mean(0) for c in range(3)])

    def closer_to_another(part: Examples) -> float:
        nearest = torch.cdist(part.inputs, centres).argmin(1)
        return float((nearest != part.labels).float().mean())

    assert closer_to_another(cut.pool) > closer_to_another(cut.base) + 0.3


def test_a_group_is_of_neighbours_and_learned_together() -> None:
    everything = data()
    cut = choose_forget_set("groups", everything, build, RECIPE, pool=20, base=100, seed=0)
    assert cut.group.tolist() == [0] * 5 + [1] * 5 + [2] * 5 + [3] * 5
    distances = torch.cdist(cut.pool.inputs, cut.pool.inputs)
    same = cut.group[:, None] == cut.group
    apart = ~torch.eye(20, dtype=torch.bool)
    assert distances[same & apart].mean() < 0.8 * distances[~same].mean()
    shadows = train_shadows(build, cut.base, cut.pool, RECIPE, models=4, seed=0, group=cut.group)
    by_group = shadows.membership.reshape(4, 4, 5)
    assert (by_group.all(2) | ~by_group.any(2)).all()
    assert by_group.any(2).sum(0).tolist() == [2, 2, 2, 2]


def test_a_sub_population_is_missing_from_the_base() -> None:
    everything = data()
    cut = choose_forget_set("sub-population", everything, build, RECIPE, pool=20, base=100, seed=0)
    centre = cut.pool.inputs.mean(0)
    inside = (cut.pool.inputs - centre).norm(dim=1)
    outside = (cut.base.inputs - centre).norm(dim=1)
    assert inside.max() < outside.median()
    assert inside.mean() < 0.7 * outside.mean()


def test_unknown_forget_sets_and_too_few_records_are_told() -> None:
    with pytest.raises(InputError, match="did you mean outliers"):
        choose_forget_set("outlier", data(), build, RECIPE, pool=20, base=100, seed=0)
    with pytest.raises(InputError, match="need 300"):
        choose_forget_set("random", data(), build, RECIPE, pool=100, base=100, seed=0)


def test_shadows_learn_their_half_and_retrained_ones_do_not() -> None:
    cut = choose_forget_set("mislabelled", data(), build, RECIPE, pool=20, base=100, seed=0)
    recipe = Recipe(epochs=60)
    shadows = train_shadows(build, cut.base, cut.pool, recipe, models=4, seed=0)
    assert np.array_equal(shadows.membership[::2], ~shadows.membership[1::2])
    forget, retain = shadows.deletion_request(1)
    assert forget.ids.tolist() == cut.pool.ids[torch.from_numpy(shadows.membership[1])].tolist()
    assert len(retain) == 100
    labels = cut.pool.labels.numpy()

    def learned(logits: np.ndarray) -> float:
        right = logits.argmax(-1) == labels
        return float(right[shadows.membership].mean() - right[~shadows.membership].mean())

    assert learned(shadows.models.logits(cut.pool.inputs).numpy()) > 0.5
    again = retrain_shadows(shadows, build, recipe, seed=1)
    assert abs(learned(again.logits(cut.pool.inputs).numpy())) < 0.3
    kept = retrain_shadows(shadows, build, recipe, seed=1, retained=shadows.membership)
    assert learned(kept.logits(cut.pool.inputs).numpy()) > 0.5
    method = unlearning_methods(train_by_recipe(recipe), Descent(steps=5))["NPO"]
    answers = forget_own_half(shadows, method, cut.pool.inputs, seed=0)
    assert answers.shape == (4, 20, 3)
    with pytest.raises(InputError, match="keep them apart"):
        train_shadows(build, cut.pool, cut.pool, recipe, models=4, seed=0)


def test_one_request_is_all_at_once_and_later_requests_are_still_retained() -> None:
    cut = choose_forget_set("random", data(), build, RECIPE, pool=20, base=100, seed=0)
    shadows = train_shadows(build, cut.base, cut.pool, RECIPE, models=4, seed=0)
    asked: list[tuple[set[int], set[int]]] = []

    def note(
        model: torch.nn.Module, forget: Examples, retain: Examples, *_: object
    ) -> torch.nn.Module:
        asked.append((set(forget.ids.tolist()), set(retain.ids.tolist())))
        return model

    method = Method("note", note, "")
    answers = forget_in_sequence(shadows, method, cut.test.inputs, requests=2, seed=0)
    assert answers.shape == (2, 4, len(cut.test), 3)
    own = set(cut.pool.ids[torch.from_numpy(shadows.membership[0])].tolist())
    (first, kept), (second, last) = asked[:2]
    assert first | second == own
    assert kept == set(cut.base.ids.tolist()) | second
    assert last == set(cut.base.ids.tolist())
    asked.clear()
    once = forget_in_sequence(shadows, method, cut.test.inputs, requests=1, seed=0)
    plain = forget_own_half(shadows, method, cut.test.inputs, seed=0)
    assert np.array_equal(once[0], plain)
    assert asked[:4] == asked[4:]
    with pytest.raises(InputError, match="requests 30: one asks model"):
        forget_in_sequence(shadows, method, cut.test.inputs, requests=30, seed=0)


def test_methods_with_a_training_of_their_own_learn_the_half_they_forget() -> None:
    cut = choose_forget_set("mislabelled", data(), build, RECIPE, pool=20, base=100, seed=0)
    shadows = train_shadows(build, cut.base, cut.pool, RECIPE, models=4, seed=0)
    config = SisaConfig(train_by_recipe(Recipe(epochs=60)), shards=1, slices=1)
    start = network(8, width=32)
    before, after = forget_with_own_training(
        shadows,
        lambda examples, _asked, _seed: fit_sisa(start, examples, config),
        Method("SISA", partial(sisa, config=config), ""),
        cut.pool.inputs,
        seed=0,
    )
    right = before.argmax(-1) == cut.pool.labels.numpy()
    inside = shadows.membership
    assert right[inside].mean() > right[~inside].mean() + 0.4
    # Exact: all models forgot down to the same base, from the same start.
    for logits in after[1:]:
        assert np.array_equal(logits, after[0])
