"""Reconstruction, inversion and label inference, on models trained here."""

import copy
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from tests.draws import seeded
from tests.privacy.small import examples, network

from sterling.errors import InputError
from sterling.privacy.influence import flatten_parameters, per_record_gradients, set_parameters
from sterling.privacy.targets.models import mlp
from sterling.privacy.targets.training import Recipe
from sterling.privacy.unlearning import (
    Descent,
    Examples,
    split_deletion_request,
    train_by_recipe,
    unlearning_methods,
)
from sterling.privacy.unlearning_attacks import (
    forgotten_class_from_bias,
    forgotten_class_from_probes,
    posteriors,
    reconstruct_record,
)
from sterling.privacy.unlearning_attacks.recovery import invert, total_variation

Array = NDArray[np.float64]


def ridge(x: Array, y: Array, l2: float) -> Array:
    return np.asarray(np.linalg.solve(x.T @ x + l2 * np.eye(x.shape[1]), x.T @ y))


def regression(seed: int, n: int = 60, d: int = 8, outputs: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    x = np.column_stack([rng.normal(size=(n, d)), np.ones(n)])
    y = x @ rng.normal(size=(d + 1, *([outputs] if outputs else [])))
    return x, y + rng.normal(size=y.shape)


def reconstructed(x: Array, y: Array, l2: float, gram: Array) -> Array:
    """The first record, from the weights with it and without it."""
    weights = ridge(x, y, l2), ridge(x[1:], y[1:], l2)
    return reconstruct_record(*weights, gram, research_use=True)


@settings(max_examples=50, deadline=None)
@given(seed=st.integers(0, 10_000), outputs=st.sampled_from([0, 3]), l2=st.floats(0.01, 10))
def test_the_deleted_record_is_recovered_to_eight_digits(
    seed: int, outputs: int, l2: float
) -> None:
    x, y = regression(seed, outputs=outputs)
    gram = x[1:].T @ x[1:] + l2 * np.eye(9)
    recovered = reconstructed(x, y, l2, gram)
    # The residual e divides rounding errors: at |e| of 1e-4 four of sixteen digits are gone.
    residual = float(np.abs(y[0] - x[0] @ ridge(x, y, l2)).max())
    assert np.abs(recovered - x[0]).max() < 1e-8 * max(1, 1e-3 / residual)


def test_public_covariance_gives_the_direction_better_than_the_nearest_public_record() -> None:
    cosines, baselines = [], []
    for seed in range(20):
        x, y = regression(seed, n=500, d=20)
        public = regression(seed + 1000, n=500, d=20)[0]
        gram = public.T @ public * 499 / 500 + np.eye(21)
        recovered, record = reconstructed(x, y, 1.0, gram)[:-1], x[0, :-1]

        def cosine(a: Array, b: Array) -> Array:
            return np.asarray(a @ b / np.linalg.norm(a, axis=-1) / np.linalg.norm(b))

        cosines.append(float(cosine(recovered, record)))
        baselines.append(float(cosine(public[:, :-1], record).max()))
    gain = np.array(cosines) - baselines
    assert gain.mean() > 3 * gain.std(ddof=1) / np.sqrt(20)
    assert np.median(cosines) > 0.9


def test_recovery_needs_the_research_switch_and_a_deletion() -> None:
    w, model, zeros = ridge(*regression(0), 1.0), mlp((6,), 3), torch.zeros(6)
    for message, call in (
        ("research_use false", lambda: reconstruct_record(w, w, np.eye(9), research_use=False)),
        ("did not change", lambda: reconstruct_record(w, w, np.eye(9), research_use=True)),
        ("gram", lambda: reconstruct_record(w, w, np.eye(8), research_use=True)),
        ("research_use false", lambda: invert(model, model, 0, zeros, research_use=False)),
        ("nothing was forgotten", lambda: invert(model, model, 0, zeros, research_use=True)),
    ):
        with pytest.raises(InputError, match=message):
            call()


def data(n: int, seed: int) -> Examples:
    return examples(n, classes=4, features=10, separation=3.0, seed=seed)


def test_inversion_recovers_the_direction_of_a_record_that_ascent_forgot() -> None:
    cosines, baselines = [], []
    for seed in range(4):
        records = data(80, seed)
        model = network(10, 4, 16, seed=seed)
        model = train_by_recipe(Recipe(epochs=3))(model, records, seed)
        gradient = per_record_gradients(model, records.inputs[:1], records.labels[:1])[0]
        after = copy.deepcopy(model)
        set_parameters(after, flatten_parameters(model) + 0.1 * gradient)
        public = data(80, seed + 50).inputs
        found = invert(
            model, after, int(records.labels[0]), public.mean(0), research_use=True, steps=400
        )
        cosines.append(float(F.cosine_similarity(found.record, records.inputs[0], dim=0)))
        baselines.append(float(F.cosine_similarity(public, records.inputs[:1]).max()))
        assert found.match > 0.99
    assert np.mean(cosines) > 0.95 > np.mean(baselines)


def test_total_variation_by_hand() -> None:
    assert float(total_variation(torch.tensor([[[[0.0, 1.0], [3.0, 3.0]]]]))) == pytest.approx(3.0)
    assert float(total_variation(torch.ones(2, 5))) == 0


@pytest.mark.parametrize("forgotten", range(4))
def test_a_class_forgotten_by_retraining_is_named(forgotten: int) -> None:
    records, probes = data(200, 3), data(160, 3)
    train = train_by_recipe(Recipe(epochs=20))
    model = train(network(10, 4, 16), records, 0)
    forget, retain = split_deletion_request(records, records.ids[records.labels == forgotten])
    methods = unlearning_methods(train, Descent(steps=30, learning_rate=3e-3))
    after = methods["retrain"](model, forget, retain, seeded(1))
    with torch.no_grad():
        rise = forgotten_class_from_probes(
            posteriors(model(probes.inputs)), posteriors(after(probes.inputs)), probes.labels
        )
    assert int(rise.argmax()) == forgotten
    ascended = methods["GA"](model, forget, retain, seeded(1))
    change = forgotten_class_from_bias(
        model.get_parameter("3.bias").detach(), ascended.get_parameter("3.bias").detach()
    )
    assert int(change.argmax()) == forgotten


def test_label_inference_checks_its_probes() -> None:
    p, sure = np.full((2, 3), 1 / 3), np.eye(3)
    found = forgotten_class_from_probes
    # The second probe became uncertain, or sure of another class, to which entropy is blind.
    for second, by_entropy, by_confidence in (
        (np.full(3, 1 / 3), [0, np.log(3), 0], [0, 2 / 3, 0]),
        ([1, 0, 0], [0, 0, 0], [0, 1, 0]),
    ):
        after = np.stack([sure[0], second, sure[2]])
        np.testing.assert_allclose(found(sure, after, [0, 1, 2], signal="entropy"), by_entropy)
        np.testing.assert_allclose(found(sure, after, [0, 1, 2]), by_confidence)
    calls: tuple[tuple[str, Callable[[], object]], ...] = (
        ("class 1 has none", lambda: found(p, p, [0, 2])),
        ("probes", lambda: found(p, p, [0])),
        ("signal 'margin'", lambda: found(sure, sure, [0, 1, 2], signal="margin")),  # type: ignore[arg-type]
    )
    for message, call in calls:
        with pytest.raises(InputError, match=message):
            call()
