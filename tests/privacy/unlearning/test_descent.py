"""The loop against PyTorch's plain Adam, and what it leaves alone."""

import copy

import pytest
import torch
from tests.draws import seeded
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.targets.models import mlp
from sterling.privacy.unlearning import Descent, Examples
from sterling.privacy.unlearning.descent import batches, descend, minimise
from sterling.privacy.unlearning.losses import mean_loss


def examples(n: int, *, seed: int) -> Examples:
    rng = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, generator=rng, dtype=torch.float64)
    return Examples(x, torch.randint(3, (n,), generator=rng), torch.arange(n))


def network() -> nn.Module:
    torch.manual_seed(0)
    model = mlp((6,), 3, width=7).double()
    with torch.no_grad():  # a weight that does not lie in memory row by row
        model[1].weight = nn.Parameter(model[1].weight.t().contiguous().t())  # type: ignore[index]
    return model


def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
    # The gradient of a plain sum is one number seen many times, with strides of 0.
    total = sum((value.sum() for value in student.parameters()), torch.zeros(()))
    forgotten = mean_loss(student(gone.inputs), gone.labels)
    return mean_loss(student(kept.inputs), kept.labels) - 0.3 * forgotten + 0.01 * total


@pytest.mark.parametrize("masked", [False, True])
def test_it_is_adam_whatever_way_gradients_lie_in_memory(masked: bool) -> None:
    forget, retain, descent = examples(11, seed=1), examples(30, seed=2), Descent(9, 0.02, 8)
    model = network()
    masks = [torch.ones_like(value) for value in model.parameters()]
    if masked:
        masks[0][:, 2] = 0
    chosen = masks if masked else None
    result = descend(model, objective, forget, retain, seeded(3), descent, masks=chosen)
    plain, rng = copy.deepcopy(model), seeded(3)
    optimiser = torch.optim.Adam(plain.parameters(), lr=0.02, foreach=False, fused=False)
    to_forget, to_retain = batches(forget, 8, rng), batches(retain, 8, rng)
    for _ in range(9):
        optimiser.zero_grad()
        objective(plain, next(to_forget), next(to_retain)).backward()  # type: ignore[no-untyped-call]
        for value, mask in zip(plain.parameters(), masks, strict=True):
            assert value.grad is not None
            value.grad *= mask
        optimiser.step()
    for ours, theirs in zip(result.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
    if masked:
        still = next(result.parameters())[:, 2], next(model.parameters())[:, 2]
        torch.testing.assert_close(*still, rtol=0, atol=0)


def test_a_parameter_the_loss_does_not_use_stays() -> None:
    data, model = examples(12, seed=0), network()
    uses = iter([True, False, False])

    def sometimes(student: nn.Module, batch: Examples, _same: Examples) -> Tensor:
        first, *_, last = student.parameters()
        return (first.sum() if next(uses) else 0.0) + last.square().sum() * len(batch)

    def run(steps: int) -> Tensor:
        student = descend(model, sometimes, data, data, seeded(), Descent(steps, 0.1))
        return next(student.parameters())

    after_one = run(1)
    uses = iter([True, False, False])
    torch.testing.assert_close(run(3), after_one, rtol=0, atol=0)
    assert not torch.equal(after_one, next(model.parameters()))


def test_batches_hold_every_example_once_a_pass() -> None:
    data = examples(10, seed=0)
    stream = batches(data, 4, seeded())
    passed = [next(stream) for _ in range(3)]
    assert [len(batch) for batch in passed] == [4, 4, 2]
    assert torch.cat([batch.ids for batch in passed]).sort().values.tolist() == list(range(10))
    for batch in passed:
        checked = data.select(batch.ids)
        assert torch.equal(batch.inputs, checked.inputs)
        assert torch.equal(batch.labels, checked.labels)


def test_a_loss_that_is_not_finite_names_the_step() -> None:
    data = examples(8, seed=0)

    def breaks(student: nn.Module, batch: Examples, _same: Examples) -> Tensor:
        total: Tensor = student(batch.inputs).sum()
        return total * float("nan")

    with pytest.raises(InputError, match=r"learning_rate 0.5: the loss was nan at step 0"):
        descend(network(), breaks, data, data, torch.Generator(), Descent(2, 0.5))


def test_two_losses_are_weighed() -> None:
    forget, retain, model = examples(8, seed=1), examples(30, seed=2), network()

    def ascend(student: nn.Module, _before: nn.Module, batch: Examples) -> Tensor:
        return -mean_loss(student(batch.inputs), batch.labels)

    def together(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        lost = mean_loss(student(gone.inputs), gone.labels)
        return 2.0 * mean_loss(student(kept.inputs), kept.labels) - 0.5 * lost

    composed = minimise(
        model,
        forget,
        retain,
        seeded(),
        forget_loss=ascend,
        forget_weight=0.5,
        retain_weight=2.0,
        descent=Descent(5, 0.02),
    )
    plain = descend(model, together, forget, retain, seeded(), Descent(5, 0.02))
    for ours, theirs in zip(composed.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs)
