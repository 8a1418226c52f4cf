"""Losses of the methods against closed forms, autograd identities and plain loops."""

import math

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sterling.errors import InputError
from sterling.privacy.unlearning import IGNORED
from sterling.privacy.unlearning.losses import (
    adjusted_target,
    generic_target,
    logit_margin_loss,
    mean_kl,
    mean_loss,
    mean_soft_loss,
    npo_loss,
    preference_loss,
    sequence_losses,
    simnpo_loss,
    target_without_label,
    weighted_ascent_loss,
)
from sterling.privacy.unlearning.relabelling import wrong_labels


def sequences(seed: int) -> tuple[Tensor, Tensor]:
    """Logits (4, 6, 5) and labels with prompts of 2 and paddings of different length ignored."""
    generator = torch.Generator().manual_seed(seed)
    logits = torch.randn(4, 6, 5, generator=generator, dtype=torch.float64)
    labels = torch.randint(5, (4, 6), generator=generator)
    labels[:, :2] = IGNORED
    labels[1, 4:] = labels[2, 5:] = IGNORED
    return logits, labels


def test_terms_are_plain_loops_over_the_positions_that_count() -> None:
    logits, labels = sequences(0)
    losses, divergences = [], []
    other = sequences(1)[0]
    for row in range(4):
        for position in range(6):
            label = int(labels[row, position])
            if label != IGNORED:
                p = logits[row, position].softmax(0)
                q = other[row, position].softmax(0)
                losses.append(-math.log(float(p[label])))
                divergences.append(
                    sum(float(a * math.log(a / b)) for a, b in zip(q, p, strict=True))
                )
    assert float(mean_loss(logits, labels)) == pytest.approx(sum(losses) / len(losses))
    assert float(sequence_losses(logits, labels).sum()) == pytest.approx(sum(losses))
    assert float(mean_kl(other, logits, labels)) == pytest.approx(sum(divergences) / len(losses))


def test_where_nothing_counts_every_mean_is_0() -> None:
    logits, _ = sequences(0)
    for shape in ((4, 6), (24,)):
        none, values = torch.full(shape, IGNORED), logits.reshape(*shape, 5).requires_grad_()
        for mean in (
            mean_loss(values, none),
            mean_kl(values.detach() + 1, values, none),
            mean_soft_loss(values.detach().softmax(-1), values, none),
        ):
            (gradient,) = torch.autograd.grad(mean, values)
            assert float(mean.detach()) == 0
            assert float(gradient.abs().max()) == 0


def test_what_is_ignored_has_no_influence() -> None:
    logits, labels = sequences(0)
    changed = torch.where((labels == IGNORED)[..., None], torch.randn_like(logits), logits)
    for term in (
        mean_loss,
        lambda a, y: mean_kl(logits, a, y),
        logit_margin_loss,
        lambda a, y: mean_soft_loss(adjusted_target(a, y, 3.0), a, y),
        lambda a, y: weighted_ascent_loss(a, y, saturation=1.0, importance=1.0),
    ):
        torch.testing.assert_close(term(changed, labels), term(logits, labels))


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), beta=st.floats(0.01, 5))
def test_npo_at_the_reference_is_gradient_ascent(seed: int, beta: float) -> None:
    logits, labels = sequences(seed)
    logits.requires_grad_()
    losses = sequence_losses(logits, labels)
    value = npo_loss(losses, losses.detach(), beta=beta)
    assert float(value.detach()) == pytest.approx(2 / beta * math.log(2))
    (gradient,) = torch.autograd.grad(value, logits, retain_graph=True)
    (ascent,) = torch.autograd.grad(-losses.mean(), logits)
    torch.testing.assert_close(gradient, ascent, rtol=1e-9, atol=1e-12)


def test_npo_tends_to_gradient_ascent_as_beta_falls_and_saturates_otherwise() -> None:
    logits, labels = sequences(3)
    logits.requires_grad_()
    reference = torch.zeros(4, dtype=torch.float64)
    losses = sequence_losses(logits, labels)
    (gradient,) = torch.autograd.grad(
        npo_loss(losses, reference, beta=1e-6), logits, retain_graph=True
    )
    (ascent,) = torch.autograd.grad(-losses.mean(), logits, retain_graph=True)
    torch.testing.assert_close(gradient, ascent, rtol=1e-4, atol=1e-8)
    # Forgotten already: the gradient fades, which is what keeps NPO from collapse.
    (far,) = torch.autograd.grad(npo_loss(losses, reference, beta=20.0), logits)
    assert float(far.norm()) < 1e-6 * float(ascent.norm())


def test_simnpo_is_npo_of_the_length_normalised_loss_without_reference() -> None:
    losses = torch.tensor([4.0, 9.0], dtype=torch.float64)
    lengths = torch.tensor([2, 3])
    expected = npo_loss(losses / lengths, torch.full((2,), 0.5, dtype=torch.float64), beta=4.5)
    assert float(simnpo_loss(losses, lengths, beta=4.5, delta=0.5)) == pytest.approx(
        float(expected)
    )


def test_preference_without_a_winner_is_npo() -> None:
    loser, before = torch.tensor([3.0, 5.0]), torch.tensor([1.0, 1.5])
    still = torch.tensor([2.0, 2.0])
    preferred = preference_loss(still, still, loser, before, beta=0.3)
    assert float(preferred) == pytest.approx(float(npo_loss(loser, before, beta=0.3)))
    better = preference_loss(still - 1, still, loser, before, beta=0.3)
    assert better < preferred


def test_soft_targets() -> None:
    logits, labels = sequences(5)
    counted = labels != IGNORED
    label = F.one_hot(labels.clamp(min=0), 5).bool()
    without = target_without_label(logits, labels)
    assert float(without[counted][label[counted]].abs().max()) == 0
    torch.testing.assert_close(without.sum(-1), torch.ones(4, 6, dtype=torch.float64))
    # The ratios among the other classes stay as they were.
    p = logits.softmax(-1).masked_fill(label, 0)
    torch.testing.assert_close(without, p / p.sum(-1, keepdim=True))
    # UNDIAL divides the odds of the label by e^strength.
    before, after = logits.softmax(-1)[label], adjusted_target(logits, labels, 2.0)[label]
    odds = (before / (1 - before)) / (after / (1 - after))
    torch.testing.assert_close(odds, torch.full_like(odds, math.exp(2.0)))
    # WHP lowers only what the reinforced model raises.
    reinforced = logits + label * 1.5 - ~label * 0.3
    torch.testing.assert_close(
        generic_target(logits, reinforced, 5.0), adjusted_target(logits, labels, 7.5)
    )


def test_a_soft_loss_is_least_at_its_target() -> None:
    logits, labels = sequences(6)
    target = adjusted_target(logits, labels, 3.0)
    entropy = mean_soft_loss(target, target.log(), labels)
    assert mean_soft_loss(target, logits, labels) > entropy


def test_weighted_ascent_weighs_by_the_label_probability() -> None:
    logits, labels = sequences(7)
    counted = labels != IGNORED
    p = logits.softmax(-1).gather(-1, labels.clamp(min=0)[..., None])[..., 0]
    expected = (p**5 * (1 - p) * -p.log())[counted].mean()
    got = weighted_ascent_loss(logits, labels, saturation=5.0, importance=1.0)
    assert float(got) == pytest.approx(-float(expected))
    plain = weighted_ascent_loss(logits, labels, saturation=0.0, importance=0.0)
    assert float(plain) == pytest.approx(-float(mean_loss(logits, labels)))


def test_the_margin_loss_is_zero_for_a_uniform_posterior_only() -> None:
    labels = torch.tensor([0, 1])
    assert float(logit_margin_loss(torch.full((2, 3), 7.0), labels)) == 0
    assert float(logit_margin_loss(torch.tensor([[3.0, 0, 0], [0, 0, 3.0]]), labels)) == 4


def test_wrong_labels_are_wrong_and_uniform() -> None:
    labels = torch.arange(4).repeat(3000)
    drawn = wrong_labels(labels, 4, torch.Generator().manual_seed(0))
    assert not (drawn == labels).any()
    counts = torch.stack(
        [(drawn[labels == c] == d).sum() for c in range(4) for d in range(4) if c != d]
    )
    # 12 binomial counts of 3,000 with p = 1/3: standard deviation 25.8; five of them is 1e-6 each.
    assert float((counts - 1000).abs().max()) < 5 * 25.8
    ignored = torch.tensor([IGNORED, 1])
    assert int(wrong_labels(ignored, 4, torch.Generator().manual_seed(0))[0]) == IGNORED
    with pytest.raises(InputError, match="two classes"):
        wrong_labels(labels, 1, torch.Generator())
