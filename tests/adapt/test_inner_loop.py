"""The engine against closed forms, finite differences and plain autograd; in double precision."""

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from sterling.adapt import (
    BatchStatistics,
    DivergedError,
    Forward,
    FunctionalModel,
    LearnedRates,
    attach,
    implicit_gradient,
    inner_loop,
    with_batch_statistics,
    with_running_statistics,
)
from sterling.errors import InputError


class Bowl(nn.Module):
    """½ θᵀAθ - bᵀθ is its inner loss."""

    def __init__(self, size: int = 4, seed: int = 0) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(seed)
        root = torch.randn(size, size, generator=draw, dtype=torch.float64)
        self.a = root @ root.T / size + torch.eye(size, dtype=torch.float64)
        self.b = torch.randn(size, generator=draw, dtype=torch.float64)
        self.theta = nn.Parameter(torch.randn(size, generator=draw, dtype=torch.float64))

    def forward(self, tilt: Tensor) -> Tensor:
        loss: Tensor = self.theta @ self.a @ self.theta / 2 - (self.b + tilt) @ self.theta
        return loss


NO_TILT = torch.zeros(4, dtype=torch.float64)


def descend(forward: Forward) -> Tensor:
    return forward(NO_TILT)


@given(st.floats(0.01, 0.3), st.integers(0, 4))
def test_a_quadratic_bowl_has_the_closed_form_and_its_derivatives(rate: float, steps: int) -> None:
    bowl = Bowl()
    model = FunctionalModel(bowl)
    rates = LearnedRates(model, "model", rate).double()
    path = inner_loop(model, descend, rates, steps)
    contract = torch.eye(4, dtype=torch.float64) - rate * bowl.a
    expected = bowl.theta.detach()
    for _ in range(steps):
        expected = contract @ expected + rate * bowl.b
    end = path.states[-1]["theta"]
    torch.testing.assert_close(end, expected, atol=1e-10, rtol=0)
    weights = torch.arange(1.0, 5.0, dtype=torch.float64)
    (slope,) = torch.autograd.grad(weights @ end, bowl.theta)
    through = torch.linalg.matrix_power(contract, steps).T @ weights
    torch.testing.assert_close(slope, through, atol=1e-10, rtol=0)
    if steps == 1:
        path = inner_loop(model, descend, rates, 1)
        over = list(rates.parameters())
        (slope,) = torch.autograd.grad(weights @ path.states[-1]["theta"], over)
        expected = -weights @ (bowl.a @ bowl.theta.detach() - bowl.b)
        torch.testing.assert_close(slope, expected, atol=1e-10, rtol=0)


def test_first_order_is_the_identity_in_the_start_and_exact_in_the_rates() -> None:
    bowl = Bowl()
    model = FunctionalModel(bowl)
    rates = LearnedRates(model, "model", 0.1, decay=True).double()
    weights = torch.arange(1.0, 5.0, dtype=torch.float64)
    path = inner_loop(model, descend, rates, 3, order="first")
    alpha, gamma = rates.values["all"], rates.decay
    assert gamma is not None
    over = (bowl.theta, alpha, gamma)
    slopes = torch.autograd.grad(weights @ path.states[-1]["theta"], over)
    torch.testing.assert_close(slopes[0], weights)
    gradients = [bowl.a @ state["theta"].detach() - bowl.b for state in path.states[:-1]]
    products = torch.stack([weights @ one for one in gradients])
    steps = torch.arange(3.0, dtype=torch.float64)
    torch.testing.assert_close(slopes[1], -products.sum())  # dL/dα = -Σ γ^j <∇L, g_j>, γ = 1
    torch.testing.assert_close(slopes[2], -(steps * 0.1 * products).sum())


class Net(nn.Module):
    """Two convolutions and a head, smooth so that finite differences are exact."""

    def __init__(self, norm: type[nn.Module] | None = BatchStatistics, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.conv1 = nn.Conv2d(1, 3, 3, padding=1)
            self.norm1 = nn.Identity() if norm is None else norm(3)
            self.conv2 = nn.Conv2d(3, 4, 3, padding=1)
            self.head = nn.Linear(4, 2)
        self.double()

    def forward(self, x: Tensor) -> Tensor:
        x = F.softplus(self.norm1(self.conv1(x)))
        x = F.softplus(self.conv2(x)).mean(dim=(2, 3))
        logits: Tensor = self.head(x)
        return logits


def batch(seed: int, count: int = 6) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    x = torch.randn(count, 1, 5, 5, generator=draw, dtype=torch.float64)
    return x, torch.arange(count) % 2


SUPPORT, QUERY = batch(1), batch(2)


def on_support(forward: Forward) -> Tensor:
    return F.cross_entropy(forward(SUPPORT[0]), SUPPORT[1])


def query_loss(model: FunctionalModel, rates: Any, **settings: Any) -> Tensor:
    path = inner_loop(model, on_support, rates, 3, **settings)
    return F.cross_entropy(path.after()(QUERY[0]), QUERY[1])


def groups(channels: int) -> nn.Module:
    return nn.GroupNorm(1, channels)


@pytest.mark.parametrize("norm", [None, BatchStatistics, groups])
@pytest.mark.parametrize("per", ["model", "layer", "tensor", "number"])
def test_second_order_gradients_are_those_of_finite_differences(norm: Any, per: Any) -> None:
    model = FunctionalModel(Net(norm))
    rates = LearnedRates(model, per, 0.3, steps=3).double()
    tensors = [*model.module.parameters(), *rates.parameters()]
    exact = torch.autograd.grad(query_loss(model, rates), tensors)
    draw = torch.Generator().manual_seed(5)
    direction = [torch.randn(t.shape, generator=draw, dtype=t.dtype) for t in tensors]
    expected = sum(float((g * d).sum()) for g, d in zip(exact, direction, strict=True))

    def moved(size: float) -> float:
        with torch.no_grad():
            for tensor, step in zip(tensors, direction, strict=True):
                tensor.add_(size * step)
            value = float(query_loss(model, rates))
            for tensor, step in zip(tensors, direction, strict=True):
                tensor.sub_(size * step)
        return value

    difference = (moved(1e-5) - moved(-1e-5)) / 2e-5
    assert difference == pytest.approx(expected, rel=1e-6)


def gradients(model: FunctionalModel, **settings: Any) -> list[Tensor]:
    loss = query_loss(model, 0.3, **settings)
    return list(torch.autograd.grad(loss, list(model.module.parameters())))


@pytest.mark.parametrize("order", ["second", "first", "mixed"])
def test_checkpointed_steps_give_the_same_gradients(order: Any) -> None:
    """In the start, the rates, an auxiliary variable, and weights of examples with a history."""
    model = FunctionalModel(Net())
    chosen = torch.linspace(-1, 1, len(SUPPORT[1]), dtype=torch.float64, requires_grad=True)
    tilt = torch.full((1,), 0.2, dtype=torch.float64, requires_grad=True)

    def weighted(forward: Forward) -> Tensor:
        losses = F.cross_entropy(forward(SUPPORT[0]), SUPPORT[1], reduction="none")
        return (weights * losses).sum() + sum(
            (tilt.square().sum() for tilt in forward.auxiliary.values()), torch.zeros(())
        )

    rates = LearnedRates(model, "layer", 0.3, decay=True).double()
    for rate, auxiliary in ((rates, None), (0.3, {"tilt": tilt})):
        found = []
        for checkpointed in (False, True):
            weights = chosen.softmax(dim=0)
            path = inner_loop(
                model,
                weighted,
                rate,
                3,
                order=order,
                auxiliary=auxiliary,
                checkpointed=checkpointed,
            )
            loss = F.cross_entropy(path.after()(QUERY[0]), QUERY[1])
            loss = loss + sum(value.sum() for value in path.auxiliary[-1].values())
            over = [*model.module.parameters(), *rates.parameters(), chosen, tilt]
            found.append((path.losses, torch.autograd.grad(loss, over, allow_unused=True)))
        (losses, plain), (again, computed) = found
        assert losses == again
        for one, other in zip(plain, computed, strict=True):
            assert (one is None) == (other is None)
            if one is not None and other is not None:
                torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_checkpointed_steps_keep_no_graph() -> None:
    """Between the start and the end there is one node for each step."""
    model = FunctionalModel(Net())
    counts = []
    for checkpointed in (False, True):
        path = inner_loop(model, on_support, 0.3, 3, checkpointed=checkpointed)
        ahead, known = [path.states[-1]["head.weight"].grad_fn], set()
        while ahead:
            node = ahead.pop()
            if node is not None and node not in known:
                known.add(node)
                ahead += [one for one, _ in node.next_functions]
        counts.append(len(known))
    assert counts[1] == 3 + len(list(model.module.parameters()))
    assert counts[0] > 10 * counts[1]


def test_truncation_lies_between_first_and_second_order() -> None:
    model = FunctionalModel(Net())
    none, every = gradients(model, second_order_steps=0), gradients(model, second_order_steps=3)
    for one, other in zip(none, gradients(model, order="first"), strict=True):
        torch.testing.assert_close(one, other, atol=1e-14, rtol=0)
    for one, other in zip(every, gradients(model), strict=True):
        torch.testing.assert_close(one, other, atol=1e-14, rtol=0)
    some = gradients(model, second_order_steps=1)
    assert not torch.allclose(some[0], none[0])
    assert not torch.allclose(some[0], every[0])


def test_rates_of_every_granularity_agree_where_they_are_equal() -> None:
    model = FunctionalModel(Net())
    expected = float(query_loss(model, 0.3).detach())
    for per in ("model", "layer", "tensor", "number"):
        for steps in (None, 3):
            rates = LearnedRates(model, per, 0.3, steps=steps, decay=True).double()
            assert float(query_loss(model, rates).detach()) == pytest.approx(expected, abs=1e-12)
    table = LearnedRates(model, "layer", 0.3, steps=3).table()
    assert list(table) == ["conv1", "norm1", "conv2", "head"]
    assert table["head"] == pytest.approx([0.3] * 3)


def test_groups_that_stay_are_as_if_their_rate_were_zero() -> None:
    model = FunctionalModel(Net())
    frozen = inner_loop(model, on_support, 0.3, 3, adapt=("head",)).states[-1]
    rates = LearnedRates(model, "layer", 0.3).double()
    with torch.no_grad():
        for name, value in rates.values.items():
            if name != "head":
                value.zero_()
    zeroed = inner_loop(model, on_support, rates, 3).states[-1]
    for name, value in model.parameters().items():
        torch.testing.assert_close(frozen[name], zeroed[name], atol=1e-14, rtol=0)
        assert name.startswith("head") or frozen[name] is value


def test_mixed_order_keeps_what_else_the_loss_sees() -> None:
    """A teacher's targets get a gradient that plain first order loses."""
    model = FunctionalModel(Net())
    targets = torch.randn(6, 2, dtype=torch.float64, requires_grad=True)

    def taught(forward: Forward) -> Tensor:
        return (forward(SUPPORT[0]) - targets).square().mean()

    def slope(order: Any) -> Tensor | None:
        path = inner_loop(model, taught, 0.1, 1, order=order)
        loss = F.cross_entropy(path.after()(QUERY[0]), QUERY[1])
        (found,) = torch.autograd.grad(loss, targets, allow_unused=True)
        return found

    second, mixed = slope("second"), slope("mixed")
    assert second is not None
    assert mixed is not None
    torch.testing.assert_close(mixed, second, atol=1e-14, rtol=0)  # of one step they are the same
    assert float(mixed.abs().max()) > 0
    assert slope("first") is None


def test_auxiliary_variables_adapt_and_carry_gradients() -> None:
    model = FunctionalModel(Bowl())
    tilt = torch.full((4,), 0.5, dtype=torch.float64, requires_grad=True)
    path = inner_loop(
        model, lambda forward: forward(forward.auxiliary["tilt"]), 0.1, 2, auxiliary={"tilt": tilt}
    )
    bowl = model.module
    assert isinstance(bowl, Bowl)
    first = tilt.detach() + 0.1 * bowl.theta.detach()  # d loss / d tilt = -θ
    torch.testing.assert_close(path.auxiliary[1]["tilt"].detach(), first)
    (slope,) = torch.autograd.grad(path.states[-1]["theta"].sum(), tilt)
    assert float(slope.abs().min()) > 0


def test_implicit_gradients_are_the_limit_of_unrolled_ones_and_of_refitting() -> None:
    bowl = Bowl()
    model = FunctionalModel(bowl)
    tilt = torch.full((4,), 0.3, dtype=torch.float64, requires_grad=True)
    weights = torch.arange(1.0, 5.0, dtype=torch.float64)
    path = inner_loop(model, lambda forward: forward(tilt), 0.3, 300)
    (unrolled,) = torch.autograd.grad(weights @ path.states[-1]["theta"], tilt)
    best = torch.linalg.solve(bowl.a, bowl.b + tilt.detach())
    (implicit,) = implicit_gradient(
        lambda theta, phi: theta[0] @ bowl.a @ theta[0] / 2 - (bowl.b + phi[0]) @ theta[0],
        lambda theta: weights @ theta[0],
        [best],
        [tilt],
    )
    closed = torch.linalg.solve(bowl.a, weights)  # θ* = A⁻¹(b + φ)
    torch.testing.assert_close(implicit, closed, atol=1e-8, rtol=0)
    torch.testing.assert_close(unrolled, closed, atol=1e-8, rtol=0)


def test_an_indefinite_hessian_is_refused_and_damping_mends_it() -> None:
    def saddle(theta: Any, phi: Any) -> Tensor:
        bent = theta[0] @ torch.diag(torch.tensor([1.0, -1.0])) @ theta[0] / 2
        value: Tensor = bent + phi[0].sum() * theta[0].sum()
        return value

    def outer(theta: Any) -> Tensor:
        value: Tensor = theta[0] @ torch.tensor([0.0, 1.0])
        return value

    given = (torch.zeros(2),), (torch.zeros(1),)
    with pytest.raises(InputError, match="damping 0"):
        implicit_gradient(saddle, outer, *given)
    (found,) = implicit_gradient(saddle, outer, *given, damping=3.0)
    assert found.tolist() == pytest.approx([-0.5])  # -(1, 1) diag(4, 2)⁻¹ (0, 1)


def test_a_hand_written_normalisation_is_right_under_vmap_where_the_native_one_is_not() -> None:
    from torch.func import functional_call, grad, vmap

    def meta(module: nn.Module, x: Tensor) -> dict[str, Tensor]:
        parameters = dict(module.named_parameters())

        def task(start: dict[str, Tensor], seen: Tensor) -> Tensor:
            def loss(params: dict[str, Tensor]) -> Tensor:
                return F.cross_entropy(functional_call(module, params, (seen,)), SUPPORT[1])

            inner = grad(loss)(start)
            return loss({name: start[name] - 0.5 * inner[name] for name in start})

        found: dict[str, Tensor] = grad(
            lambda start: vmap(task, in_dims=(None, 0))(start, x).sum()
        )(parameters)
        return found

    x = torch.stack([SUPPORT[0], QUERY[0]])
    own = Net()
    native = Net(nn.BatchNorm2d)
    native.norm1 = nn.BatchNorm2d(3, track_running_stats=False).double()
    native.load_state_dict(own.state_dict())
    model = FunctionalModel(own)
    total = torch.zeros((), dtype=torch.float64)
    for seen in x:

        def fit(forward: Forward, seen: Tensor = seen) -> Tensor:
            return F.cross_entropy(forward(seen), SUPPORT[1])

        total = total + fit(inner_loop(model, fit, 0.5, 1).after())
    loop = torch.autograd.grad(total, list(own.parameters()))
    vmapped = meta(own, x)
    for (name, _), expected in zip(own.named_parameters(), loop, strict=True):
        torch.testing.assert_close(vmapped[name], expected, atol=1e-12, rtol=0)
    wrong = meta(native, x)  # the reason for a normalisation of our own; values are equal
    gaps = [wrong[name] - vmapped[name] for name in vmapped]
    worst = max(float(gap.detach().abs().max()) for gap in gaps)
    assert worst > 1e-8  # the other agrees with the loop to 1e-12
    with pytest.raises(InputError, match="with_batch_statistics"):
        FunctionalModel(native)


def test_native_normalisation_is_refused_and_the_fix_computes_the_same() -> None:
    module = nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.ReLU(), nn.Flatten())
    nn.init.uniform_(module.get_parameter("1.weight"))
    with pytest.raises(InputError, match=r"module 1: BatchNorm2d"):
        inner_loop(module, lambda forward: forward(torch.zeros(2, 1, 5, 5)).sum(), 0.1, 1)
    fixed = with_batch_statistics(module)
    x = torch.randn(4, 1, 5, 5, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(fixed(x), module(x), atol=1e-5, rtol=1e-5)
    assert isinstance(module[1], nn.BatchNorm2d)  # the module itself is left as it was


def test_what_is_attached_adapts_like_any_other_part() -> None:
    class Gate(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = nn.Parameter(torch.ones(4, 1, 1, dtype=torch.float64))

        def forward(self, x: Tensor) -> Tensor:
            gated: Tensor = x * self.scale
            return gated

    net = Net()
    before = net(SUPPORT[0])
    attach(net, "conv2", Gate())
    torch.testing.assert_close(net(SUPPORT[0]), before)  # a gate of 1 is the identity
    model = FunctionalModel(net)
    path = inner_loop(model, on_support, 0.3, 1)
    moved = path.states[-1]["conv2_attached.scale"]
    assert float((moved - 1).abs().detach().max()) > 0
    assert "conv2_attached" in model.group_names
    (slope,) = torch.autograd.grad(moved.sum(), net.conv1.weight)
    assert float(slope.abs().max()) > 0
    with pytest.raises(InputError, match="attached already"):
        attach(net, "conv2", Gate())
    with pytest.raises(InputError, match="did you mean conv"):
        attach(net, "conv", Gate())


def test_parts_that_the_loss_does_not_use_stay() -> None:
    net = Net()
    net.register_parameter("unused", nn.Parameter(torch.ones(2, dtype=torch.float64)))
    path = inner_loop(net, on_support, 0.3, 2)
    assert path.states[-1]["unused"].tolist() == [1, 1]


def test_a_loss_that_runs_away_is_named() -> None:
    with pytest.raises(DivergedError, match=r"inner step \d+: the loss is (nan|inf)"):
        inner_loop(Bowl(), descend, 1e6, 80)
    clipped = inner_loop(Bowl(), descend, 1.0, 80, clip=1.0)
    assert all(abs(loss) < 1e6 for loss in clipped.losses)


def test_bad_input_is_named() -> None:
    model = FunctionalModel(Net())
    for settings, named in (
        ({"adapt": ("neck",)}, "group of parameters 'neck'"),
        ({"adapt": ()}, "no parameter adapts"),
        ({"order": "third"}, "order 'third'"),
    ):
        with pytest.raises(InputError, match=named):
            inner_loop(model, on_support, 0.1, 1, **settings)
    with pytest.raises(InputError, match="no parameter adapts"):
        inner_loop(nn.ReLU(), lambda forward: forward(torch.ones(1)).sum(), 0.1, 1)
    with pytest.raises(InputError, match="steps -1"):
        inner_loop(model, on_support, 0.1, -1)
    rates = LearnedRates(model, "layer", 0.1, steps=2).double()
    with pytest.raises(InputError, match="learned for 2 steps"):
        inner_loop(model, on_support, rates, 3)
    with pytest.raises(InputError, match="granularity"):
        LearnedRates(model, "each")  # type: ignore[arg-type]
    with pytest.raises(InputError, match="auxiliary"):
        inner_loop(model, on_support, rates, 1, auxiliary={"x": torch.zeros(1)})


def test_running_statistics_for_use_are_the_mean_of_those_of_training() -> None:
    draw = torch.Generator().manual_seed(0)
    batches = [torch.randn(6, 3, 4, 4, generator=draw) * 2 + 1 for _ in range(3)]
    own = BatchStatistics(3)
    nn.init.uniform_(own.get_parameter("weight"), 1, 2, generator=draw)
    used = with_running_statistics(nn.Sequential(own), batches)
    mean = torch.stack([one.mean((0, 2, 3)) for one in batches]).mean(0)
    variance = torch.stack([one.var((0, 2, 3)) for one in batches]).mean(0)
    shape = (1, -1, 1, 1)
    scale = own.get_parameter("weight") / (variance + own.epsilon).sqrt()
    expected = (batches[0] - mean.view(shape)) * scale.view(shape)
    torch.testing.assert_close(used(batches[0]), expected)
    torch.testing.assert_close(used(batches[0])[:1], used(batches[0][:1]))
