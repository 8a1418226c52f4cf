"""Attacks that are fitted: the classifier f_bc and its conformity, quantiles, gradient norms."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sterling.measure import Scores, auc
from sterling.privacy.membership import (
    MembershipFDR,
    QuantileRegression,
    ShadowClassifier,
    gradient_norms,
    learned_sign,
    nonmember_conformity,
)
from sterling.privacy.targets.models import initialise, mlp, softmax_regression


def shadows(seed: int = 0) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(seed)
    labels = rng.integers(3, size=300)
    member = rng.random((4, 300)) < 0.5
    logits = rng.normal(size=(4, 300, 3))
    # Members of class 0 are surer; in class 1 it is the other way round; class 2 shows nothing.
    shift = np.select([labels == 0, labels == 1], [3.0, -3.0], 0.0)
    logits[:, np.arange(300), labels] += shift * member
    return logits, labels, member


def test_it_learns_what_each_class_shows() -> None:
    logits, labels, member = shadows()
    fitted = ShadowClassifier().fit(logits[:3], labels, member[:3])
    u = fitted.nonmember_probability(logits[3], labels)
    assert ((u > 0) & (u < 1)).all()
    for label, least in ((0, 0.85), (1, 0.85)):
        rows = labels == label
        assert auc(Scores(-u[rows], member[3][rows])).value > least
    rows = labels == 2
    assert auc(Scores(-u[rows], member[3][rows])).value < 0.65


def test_conformity_in_closed_form_and_clamped() -> None:
    s = nonmember_conformity([0.5, 0.8], mixing=0.25)
    np.testing.assert_allclose(s, [0.375, 0.25 * np.log(4) + 0.6])
    ends = nonmember_conformity([0.0, 1.0], mixing=1.0)
    np.testing.assert_allclose(ends, [np.log(1e-6 / (1 - 1e-6)), np.log((1 - 1e-6) / 1e-6)])


def test_the_mixing_changes_no_p_value() -> None:
    u = np.random.default_rng(0).beta(2, 2, size=400)
    p = [
        MembershipFDR()
        .calibrate(-nonmember_conformity(u[:200], mixing=mixing))
        .p_values(-nonmember_conformity(u[200:], mixing=mixing))
        for mixing in (0.0, 0.3, 1.0)
    ]
    np.testing.assert_array_equal(p[0], p[1])
    np.testing.assert_array_equal(p[0], p[2])


def test_it_learns_the_quantile_and_so_beats_the_plain_score() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6000, 3))
    member = rng.random(6000) < 0.5
    phi = 3 * x[:, 0] + rng.normal(size=6000) + 1.5 * member
    fit = np.flatnonzero(~member)[:2000]
    rest = np.setdiff1d(np.arange(6000), fit)
    attack = QuantileRegression(0.9).fit(x[fit], phi[fit])
    scores = attack.score(x[rest], phi[rest])
    above = (scores[~member[rest]] > 0).mean()
    # The share of fresh non-members above their own 90 % quantile; 3 binomial s.e. and 2 points
    # for the fit.
    assert above == pytest.approx(0.1, abs=3 * (0.09 / (~member[rest]).sum()) ** 0.5 + 0.02)
    plain, mine = (auc(Scores(s, member[rest])).value for s in (phi[rest], scores))
    assert mine > plain + 0.1


@pytest.mark.parametrize("order", [1.0, 2.0])
def test_it_is_the_norm_of_each_records_own_gradient(order: float) -> None:
    models = initialise(lambda: mlp((5,), 3, width=4), [0, 1])
    generator = torch.Generator().manual_seed(0)
    x, y = torch.randn(7, 5, generator=generator), torch.arange(7) % 3
    norms = gradient_norms(models, x, y, order=order, batch_size=3)
    for row in range(2):
        module = models.module(row)
        for record in range(7):
            module.zero_grad()
            F.cross_entropy(module(x[[record]]), y[[record]]).backward()  # type: ignore[no-untyped-call]
            tensors = [p.grad.abs().pow(order).sum() ** (1 / order) for p in module.parameters()]  # type: ignore[union-attr]
            expected = float(torch.stack(tensors).mean())
            assert norms[row, record] == pytest.approx(expected, rel=1e-5)


def test_softmax_regression_in_closed_form() -> None:
    models = initialise(lambda: softmax_regression((4,), 3), [0])
    x, y = torch.randn(6, 4, generator=torch.Generator().manual_seed(1)), torch.arange(6) % 3
    residual = models.logits(x)[0].softmax(1) - F.one_hot(y, 3)
    length = residual.norm(dim=1)
    expected = (length * x.norm(dim=1) + length) / 2  # weight and bias
    np.testing.assert_allclose(gradient_norms(models, x, y)[0], expected.numpy(), rtol=1e-5)


def test_the_sign_is_learned() -> None:
    member = np.array([True, True, False, False])
    assert learned_sign([1.0, 2.0, 3.0, 4.0], member) == -1
    assert learned_sign([4.0, 3.0, 2.0, 1.0], member) == 1
