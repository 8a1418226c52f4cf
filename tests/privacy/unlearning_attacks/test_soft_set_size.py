import numpy as np
import pytest
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.guarantee import LAC, calibrate_label_sets, conformal_quantile
from sterling.privacy.unlearning_attacks.soft_set_size import SoftSetSize, smooth_quantile


def test_the_smooth_quantile_is_near_the_conformal_one_and_its_slopes_are_weights() -> None:
    rng = np.random.default_rng(0)
    for n in (30, 300, 3000):
        scores = torch.from_numpy(rng.random(n)).requires_grad_()
        quantile = smooth_quantile(scores, 0.1)
        exact = conformal_quantile(scores.detach().numpy(), 0.1)
        assert quantile.item() == pytest.approx(exact, abs=3 * np.sqrt(0.09 / n))
        (slopes,) = torch.autograd.grad(quantile, scores)
        assert float(slopes.sum()) == pytest.approx(1)
        assert float(slopes.min()) >= 0


def test_the_middle_of_the_median_weights_is_the_median_of_symmetric_scores() -> None:
    # n = 9 and alpha = 0.5: rank 5, weights symmetric around the fifth.
    scores = torch.tensor([-4.0, -3, -2, -1, 0, 1, 2, 3, 4], dtype=torch.float64)
    assert float(smooth_quantile(scores, 0.5)) == pytest.approx(0, abs=1e-12)


def test_a_small_temperature_gives_the_sizes_of_the_true_sets() -> None:
    rng = np.random.default_rng(1)
    known = torch.from_numpy(rng.normal(size=(2000, 4)))
    labels = torch.distributions.Categorical(logits=2 * known).probs.argmax(1)
    targets = torch.from_numpy(rng.normal(size=(50, 4)))

    def logits(features: Tensor) -> Tensor:
        return 2 * features

    soft = SoftSetSize(known, labels, temperature=1e-4)(logits, targets)
    rule = calibrate_label_sets(logits(known).softmax(1).numpy(), labels.numpy(), 0.1, LAC())
    sizes = rule.sets(logits(targets).softmax(1).numpy()).sum(1)
    # The two quantiles differ a little, so that a label at the edge may fall on the other side.
    assert (np.abs(soft.numpy() - sizes) < 0.01).mean() > 0.9


def test_surer_targets_have_smaller_sets_and_the_slope_says_so() -> None:
    rng = np.random.default_rng(2)
    known, targets = (torch.from_numpy(rng.normal(size=(n, 3))) for n in (500, 20))
    labels = torch.from_numpy(rng.integers(3, size=500))
    size = SoftSetSize(known, labels, alpha=0.4, temperature=0.1)
    scale = torch.tensor(1.0, dtype=torch.float64, requires_grad=True)
    # Only the targets' logits grow: the quantile stays.
    value = size(lambda x: x if x is known else scale * x, targets).sum()
    (slope,) = torch.autograd.grad(value, scale)
    step = 1e-6
    with torch.no_grad():
        moved = size(lambda x: x if x is known else (1 + step) * x, targets).sum()
    assert slope.item() == pytest.approx((moved - value).item() / step, rel=1e-3)


def test_too_few_items_are_refused() -> None:
    with pytest.raises(InputError, match="give 9"):
        smooth_quantile(torch.zeros(8), 0.1)
