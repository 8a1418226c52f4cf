"""Layer-wise rates against MAML, finite differences and frozen layers; in double precision."""

from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.adapt import (
    GradientLearner,
    LearnedRates,
    Task,
    freeze_bottom,
    inner_loop,
    layered,
    lwau,
    maml,
)
from sterling.adapt.lwau import CLIP
from sterling.errors import InputError
from sterling.image import conv4, resnet12

LAYERS = ["block1", "block2", "block3", "block4", "head"]


def network() -> nn.Module:
    return conv4(3, size=16, width=3).double()


def task(seed: int = 1) -> Task:
    draw = torch.Generator().manual_seed(seed)

    def items(count: int) -> Tensor:
        return torch.rand(count, 1, 16, 16, generator=draw, dtype=torch.float64)

    labels = torch.arange(3)
    return Task(items(3), labels, items(6), labels.repeat_interleave(2), (0, 1, 2))


def rates_of(learner: GradientLearner) -> LearnedRates:
    assert isinstance(learner.rates, LearnedRates)
    return learner.rates


def equal_rates(learner: GradientLearner, rate: float) -> None:
    with torch.no_grad():
        for value in rates_of(learner).values.values():
            value.fill_(rate)


def test_five_rates_that_start_just_below_the_rate_and_none_for_normalisation() -> None:
    learner = lwau(layered(network()), 0.05)
    table = rates_of(learner).table()
    assert list(table) == LAYERS
    starts = [values[0] for values in table.values()]
    assert len(set(starts)) == 5
    assert all(0.99 * 0.05 <= one <= 0.05 for one in starts)
    end = learner.adapted(task(), 2).states[-1]
    parameters = learner.model.parameters()
    still = {name for name, value in parameters.items() if torch.equal(end[name], value)}
    assert still >= {name for name in parameters if "norm" in name}
    assert not still & {name for name in parameters if name.endswith("weight")} - {
        f"block{one}.norm.weight" for one in range(1, 5)
    }


def test_both_backbones_have_the_same_layers() -> None:
    model = layered(resnet12(3, size=16, width=2))
    assert model.group_names == LAYERS
    assert sum("norm" in name for name in model.groups) == 0


def test_equal_rates_are_maml() -> None:
    own = lwau(layered(network()), 0.1, steps=3)
    equal_rates(own, 0.1)
    plain = maml(layered(network()), 0.1, steps=3)
    gradients = [
        torch.autograd.grad(one.outer_loss(task()), list(one.model.module.parameters()))
        for one in (own, plain)
    ]
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=0)


def test_gradient_in_every_rate_is_the_finite_difference() -> None:
    learner = lwau(layered(network()), 0.1, steps=2, penalty=1e-3)
    rates = list(rates_of(learner).parameters())
    slopes = torch.autograd.grad(learner.outer_loss(task()), rates)
    for rate, slope in zip(rates, slopes, strict=True):
        ends = []
        for move in (1e-5, -2e-5):
            with torch.no_grad():
                rate.add_(move)
            ends.append(float(learner.outer_loss(task()).detach()))
        with torch.no_grad():
            rate.add_(1e-5)
        assert float(slope) == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-4, abs=1e-8)
        assert abs(float(slope)) > 1e-6  # a rate that nothing hangs on would pass above


@pytest.mark.parametrize("layers", [0, 2, 4])
def test_freezing_by_rate_0_is_leaving_the_gradients_out(layers: int) -> None:
    learner = lwau(layered(network()), 0.1, steps=2, test_steps=3)
    frozen = freeze_bottom(learner, layers)
    fewer = frozen.logits_by_step(task())
    with torch.no_grad():
        for name in LAYERS[:layers]:
            rates_of(learner).values[name].zero_()
    torch.testing.assert_close(learner.logits_by_step(task()), fewer, atol=1e-12, rtol=0)
    assert frozen.model is learner.model
    moved = frozen.adapted(task(), 1).states[-1]
    own = learner.model.parameters()
    assert {
        name.partition(".")[0] for name in own if not torch.equal(own[name], moved[name])
    } == set(LAYERS[layers:])


def test_somebody_must_be_left_to_adapt() -> None:
    learner = lwau(layered(network()))
    with pytest.raises(InputError, match="layers 5: freeze 0 to 4"):
        freeze_bottom(learner, 5)


def test_penalty_is_of_the_start_and_not_of_the_rates() -> None:
    one, other = (lwau(layered(network()), 0.1, steps=1, penalty=p) for p in (0.0, 0.25))
    weights = [value for name, value in one.model.parameters().items() if "norm" not in name]
    expected = 0.25 * sum(float((w.abs() + w.square()).sum().detach()) for w in weights)
    more = float((other.outer_loss(task()) - one.outer_loss(task())).detach())
    assert more == pytest.approx(expected, abs=1e-10)


def test_answers_by_step_are_those_of_separate_inner_loops() -> None:
    learner = lwau(layered(network()), 0.1, test_steps=3)
    own = task()
    by_step = learner.logits_by_step(own)
    for step in range(4):
        path = inner_loop(
            learner.model,
            lambda forward: F.cross_entropy(forward(own.support), own.support_labels),
            learner.rates,
            step,
        )
        torch.testing.assert_close(by_step[step], path.after()(own.query), atol=1e-12, rtol=0)
    torch.testing.assert_close(by_step[-1], learner.predict(own), atol=0, rtol=0)


def test_several_tasks_at_once_are_penalised_like_one() -> None:
    learner = lwau(layered(network()), 0.1, steps=2, penalty=1e-3)
    tasks = [task(1), task(2)]
    apart = torch.stack([learner.outer_loss(one) for one in tasks])
    torch.testing.assert_close(learner.outer_losses(tasks), apart, atol=1e-10, rtol=0)


def test_inner_gradients_are_not_clipped() -> None:
    """A support loss with gradients beyond ± 10 moves the weights by rate times gradient."""
    learner = lwau(layered(network()), 1.0, steps=1)
    assert learner.clip is None
    assert CLIP == 10  # of the meta-gradient, as the study hands it to `fit_chosen`
    learner = replace(learner, criterion=lambda logits, _: 1e4 * logits.square().sum())
    given = task()
    start = learner.model.parameters()
    loss = learner.criterion(learner.model(start, given.support), given.support_labels)
    name = next(one for one in start if one.startswith("head") and one.endswith("weight"))
    (gradient,) = torch.autograd.grad(loss, [start[name]])
    assert gradient.abs().max() > 10
    moved = learner.adapted(given, 1, "first").states[-1][name]
    rate = rates_of(learner).table()["head"][0]
    torch.testing.assert_close(moved, start[name] - rate * gradient)
