"""Softmax regression to machine precision, against scikit-learn and its own optimality."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from tests.privacy.small import normal_records

from sterling.errors import InputError
from sterling.privacy.targets.convex import fit_convex, with_bias

records = partial(normal_records, 90, 3, 4, 1.0)


def test_it_is_scikit_learns_minimum() -> None:
    x, y = records(0)
    ours = fit_convex(x, y, 3, 0.7)
    reference = LogisticRegression(C=1 / 0.7, fit_intercept=False, tol=1e-12, max_iter=5000)
    reference.fit(x.numpy(), y.numpy())
    np.testing.assert_allclose(ours.weights.view(3, 4).numpy(), reference.coef_, atol=1e-5)
    np.testing.assert_allclose(ours.posteriors(x), reference.predict_proba(x.numpy()), atol=1e-5)


def test_the_gradient_vanishes_and_the_start_does_not_matter() -> None:
    x, y = records(1)
    model = fit_convex(x, y, 3, 0.1)
    gradient = model.record_gradients().sum(0) + 0.1 * model.weights
    assert float(gradient.abs().max()) < 1e-6
    far = fit_convex(x, y, 3, 0.1, start=10 * torch.ones(12, dtype=torch.float64))
    torch.testing.assert_close(far.weights, model.weights, rtol=0, atol=1e-7)


def test_retraining_without_records_is_fitting_the_rest() -> None:
    x, y = records(2)
    rows = torch.tensor([3, 50, 7])
    keep = torch.tensor([row for row in range(90) if row not in rows.tolist()])
    again = fit_convex(x[keep], y[keep], 3, 0.5)
    exact = fit_convex(x, y, 3, 0.5).without(rows)
    torch.testing.assert_close(exact.weights, again.weights, rtol=0, atol=1e-7)
    assert len(exact.features) == 87


def test_bad_values_are_told() -> None:
    x, y = records(0)
    for features, labels, classes, ridge, message in (
        (x, y, 3, 0.0, "ridge 0"),
        (x, y, 1, 1.0, "classes 1"),
        (x * torch.nan, y, 3, 1.0, "finite features"),
        (x, y[1:], 3, 1.0, "one label per record"),
        (x, y + 1, 3, 1.0, "from 0 to 2"),
    ):
        with pytest.raises(InputError, match=message):
            fit_convex(features, labels, classes, ridge)


def test_a_bias_is_a_last_feature_of_ones() -> None:
    features = with_bias(torch.zeros(2, 3, dtype=torch.float32))
    assert features.tolist() == [[0, 0, 0, 1]] * 2
    assert features.dtype == torch.float64
