"""Episodes, meta-training with resume, and the learners against what defines them."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn.datasets import load_digits
from torch import Tensor, nn

from sterling.adapt import (
    BatchStatistics,
    DivergedError,
    Episodes,
    FunctionalModel,
    GradientLearner,
    LearnedRates,
    Learner,
    ProtoNet,
    Reptile,
    Task,
    anil,
    evaluate_tasks,
    fit_meta,
    fomaml,
    maml,
    meta_sgd,
)
from sterling.adapt.inner_loop import Order
from sterling.adapt.rates import Per
from sterling.errors import InputError


def network(inputs: int = 64, outputs: int = 3, hidden: int = 32, seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        layers = [nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, outputs)]
        return nn.Sequential(*layers)


def digits(classes: range, shots: int = 3, seed: int = 0) -> Episodes:
    data = load_digits()
    inside = np.isin(data.target, classes)
    items = torch.from_numpy((data.data[inside] / 16).astype(np.float32))
    return Episodes(items, data.target[inside], ways=3, shots=shots, queries=5, seed=seed)


@given(st.integers(0, 10**6))
def test_tasks_are_disjoint_balanced_and_the_same_by_number(number: int) -> None:
    labels = np.repeat(np.arange(6), 9)
    items = torch.arange(54.0)[:, None]
    episodes = Episodes(items, labels, ways=4, shots=2, queries=3)
    task, again = episodes.draw(number), episodes.draw(number)
    assert torch.equal(task.support, again.support)
    seen = torch.cat([task.support, task.query]).flatten().int().tolist()
    assert len(set(seen)) == len(seen) == 4 * 5
    assert len(set(task.classes)) == 4
    for rows, own in ((task.support, task.support_labels), (task.query, task.query_labels)):
        truth = [labels[int(row)] for row in rows.flatten()]
        assert truth == [task.classes[label] for label in own.tolist()]
    assert torch.bincount(task.support_labels).tolist() == [2] * 4


def test_a_task_stays_within_its_domain() -> None:
    domains = np.repeat(["print", "replay", "mask"], 20)
    labels = np.tile(np.repeat([0, 1], 10), 3)
    episodes = Episodes(
        torch.arange(60), labels, ways=2, shots=2, queries=2, domains=domains.tolist()
    )
    seen = set()
    for number in range(30):
        task = episodes.draw(number)
        inside = {str(domains[row]) for row in torch.cat([task.support, task.query]).tolist()}
        assert len(inside) == 1
        seen |= inside
    assert seen == {"print", "replay", "mask"}


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ((7, 1, 1), "there are 6 classes"),
        ((2, 9, 1), "class 0: 9 items; 9 shots and 1 queries need 10"),
        ((1, 1, 1), "ways 1"),
        ((2, 0, 1), "shots 0"),
    ],
)
def test_sizes_that_no_task_can_have_are_named(sizes: tuple[int, int, int], named: str) -> None:
    ways, shots, queries = sizes
    labels = np.repeat(np.arange(6), 9)
    with pytest.raises(InputError, match=named):
        Episodes(torch.zeros(54), labels, ways=ways, shots=shots, queries=queries)
    with pytest.raises(InputError, match="as many of each"):
        Episodes(torch.zeros(3), labels, ways=2, shots=1, queries=1)


def meta_gradient(learner: Learner, task: Task) -> list[Tensor]:
    parameters = [one for part in learner.parts().values() for one in part.parameters()]
    return list(torch.autograd.grad(learner.outer_loss(task), parameters))


def test_one_step_of_first_order_is_the_gradient_at_the_adapted_parameters() -> None:
    model, task = network(), digits(range(10)).draw(0)
    plain = network()
    inner = F.cross_entropy(plain(task.support), task.support_labels)
    steps = torch.autograd.grad(inner, list(plain.parameters()))
    with torch.no_grad():
        for parameter, step in zip(plain.parameters(), steps, strict=True):
            parameter.sub_(0.1 * step)
    outer = F.cross_entropy(plain(task.query), task.query_labels)
    by_hand = torch.autograd.grad(outer, list(plain.parameters()))
    found = meta_gradient(fomaml(FunctionalModel(model), 0.1, steps=1), task)
    for one, other in zip(found, by_hand, strict=True):
        torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-5)


def test_without_steps_maml_is_plain_training() -> None:
    model, task = FunctionalModel(network()), digits(range(10)).draw(0)
    found = meta_gradient(maml(model, steps=0), task)
    loss = F.cross_entropy(model.module(task.query), task.query_labels)
    expected = torch.autograd.grad(loss, list(model.module.parameters()))
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other)


def test_reptile_moves_towards_where_the_task_ends() -> None:
    learner, task = Reptile(FunctionalModel(network()), 0.1, steps=1), digits(range(10)).draw(0)
    items = torch.cat([task.support, task.query])
    labels = torch.cat([task.support_labels, task.query_labels])
    parameters = list(learner.model.module.parameters())
    expected = torch.autograd.grad(F.cross_entropy(learner.model.module(items), labels), parameters)
    for one, other in zip(meta_gradient(learner, task), expected, strict=True):
        torch.testing.assert_close(one, 0.1 * other, atol=1e-7, rtol=1e-4)


def test_prototypes_are_mean_embeddings() -> None:
    task = digits(range(10)).draw(1)
    logits = ProtoNet(nn.Identity()).predict(task)
    for label in range(3):
        mean = task.support[task.support_labels == label].mean(dim=0)
        distance = (task.query - mean).square().sum(dim=1)
        torch.testing.assert_close(logits[:, label], -distance, atol=1e-4, rtol=1e-4)


def test_anil_moves_the_head_alone_and_meta_sgd_learns_every_rate() -> None:
    model, task = FunctionalModel(network()), digits(range(10)).draw(0)
    end = anil(model, "2", 0.1).adapted(task, 3).states[-1]
    moved = {
        name for name, value in model.parameters().items() if not torch.equal(end[name], value)
    }
    assert moved == {"2.weight", "2.bias"}
    rates = meta_sgd(model, 0.1).rates
    assert isinstance(rates, LearnedRates)
    assert sum(one.numel() for one in rates.parameters()) == sum(
        one.numel() for one in model.module.parameters()
    )


@pytest.mark.parametrize("name", ["maml", "reptile", "protonet"])
def test_meta_training_helps_with_classes_it_never_saw(name: str) -> None:
    """Digits 0 to 5 to learn from, 6 to 9 to be judged on, before and after."""
    model = FunctionalModel(network())
    rates = LearnedRates(model, "layer", 0.1)
    learners: dict[str, Learner] = {
        "maml": GradientLearner(model, rates, steps=3, test_steps=3),
        "reptile": Reptile(model, 0.1),
        "protonet": ProtoNet(model.module),
    }
    learner = learners[name]
    seen, unseen = digits(range(6), shots=1), digits(range(6, 10), shots=1, seed=1)
    before = evaluate_tasks(learner, unseen.draw, range(150))
    history = fit_meta(
        learner, seen.draw, iterations=80, optimizer=lambda own: torch.optim.Adam(own, 5e-3)
    )
    after = evaluate_tasks(learner, unseen.draw, range(150))
    assert len(history.losses) == 80
    gains = np.array(after) - np.array(before)
    assert stats.ttest_1samp(gains, 0, alternative="greater").pvalue < 1e-3


def test_an_interrupted_training_ends_as_one_that_was_not(tmp_path: Path) -> None:
    def learner() -> GradientLearner:
        model = FunctionalModel(network())
        return GradientLearner(model, LearnedRates(model, "layer", 0.1), steps=2)

    episodes, whole, broken = digits(range(6)), learner(), learner()
    expected = fit_meta(whole, episodes.draw, iterations=9, tasks=2)

    def killed(number: int) -> Task:
        if number == 14:
            raise KeyboardInterrupt
        return episodes.draw(number)

    with pytest.raises(KeyboardInterrupt):
        fit_meta(broken, killed, iterations=9, tasks=2, folder=tmp_path, every=3)
    again = learner()
    history = fit_meta(again, episodes.draw, iterations=9, tasks=2, folder=tmp_path, every=3)
    assert history == expected
    for name, part in whole.parts().items():
        for key, value in part.state_dict().items():
            assert torch.equal(value, again.parts()[name].state_dict()[key]), (name, key)
    other = ProtoNet(network())
    with pytest.raises(InputError, match="another learner"):
        fit_meta(other, episodes.draw, iterations=1, folder=tmp_path)


def test_tasks_may_be_of_any_kind_and_each_number_of_the_meta_gradient_is_clipped() -> None:
    @dataclass
    class Bowl:
        centre: Tensor

        def parts(self) -> dict[str, nn.Module]:
            return {"place": place}

        def outer_loss(self, task: float) -> Tensor:
            return task * (place.weight - self.centre).square().sum() / 2

    place = nn.Linear(2, 1, bias=False)
    start, bowl = place.weight.detach().clone(), Bowl(torch.tensor([[10.0, 0.001]]))
    fit_meta(
        bowl,
        lambda number: 1.0 + number,
        iterations=1,
        tasks=2,
        optimizer=lambda own: torch.optim.SGD(own, 1.0),
        clip=0.5,
    )
    gradient = (1.5 * (start - bowl.centre)).clamp(-0.5, 0.5)
    torch.testing.assert_close(place.weight.detach(), start - gradient)


@pytest.mark.parametrize("order", ["first", "second", "mixed"])
@pytest.mark.parametrize("per", ["layer", "number"])
def test_tasks_at_once_are_tasks_one_by_one(order: Order, per: Per) -> None:
    """With a convolution, both normalisations that are allowed, pooling and clipping."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        front = [nn.Conv2d(1, 4, 3), BatchStatistics(4), nn.ReLU(), nn.MaxPool2d(2)]
        back = [nn.Flatten(), nn.Linear(36, 6), nn.GroupNorm(2, 6), nn.Tanh(), nn.Linear(6, 3)]
        model = FunctionalModel(nn.Sequential(*front, *back).double())
    learner = GradientLearner(
        model,
        LearnedRates(model, per, 0.3, decay=True).double(),
        steps=3,
        order=order,
        outer={0: 0.3, 2: 0.5, -1: 1.0},
        clip=0.5,
    )
    flat = digits(range(10))
    episodes = Episodes(
        flat.items.double().view(-1, 1, 8, 8), load_digits().target, ways=3, shots=2, queries=3
    )
    tasks = [episodes.draw(number) for number in range(3)]
    parameters = [one for part in learner.parts().values() for one in part.parameters()]
    losses = learner.outer_losses(tasks)
    looped = torch.stack([learner.outer_loss(task) for task in tasks])
    torch.testing.assert_close(losses, looped, atol=1e-12, rtol=0)
    weights = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)
    for one, other in zip(
        torch.autograd.grad(weights @ losses, parameters),
        torch.autograd.grad(weights @ looped, parameters),
        strict=True,
    ):
        torch.testing.assert_close(one, other, atol=1e-12, rtol=0)


def test_what_cannot_run_at_once_is_named() -> None:
    learner = maml(FunctionalModel(network()))
    one, other = (digits(range(10), shots=shots).draw(0) for shots in (1, 2))
    with pytest.raises(InputError, match="give equal ones"):
        learner.outer_losses([one, other])
    wild = maml(FunctionalModel(network()), 1e30)
    with pytest.raises(DivergedError, match="task 0 of 2: the outer loss is nan"):
        wild.outer_losses([one, one])
    with pytest.raises(InputError, match="ProtoNet has no outer_losses"):
        fit_meta(ProtoNet(network()), digits(range(6)).draw, iterations=1, at_once=True)
    apart, together = (fomaml(FunctionalModel(network().double()), 0.1) for _ in range(2))
    draw = Episodes(
        digits(range(10)).items.double(), load_digits().target, ways=3, shots=1, queries=2
    ).draw
    for each, at_once in ((apart, False), (together, True)):
        fit_meta(each, draw, iterations=3, tasks=2, at_once=at_once)
    for name, value in apart.model.parameters().items():
        torch.testing.assert_close(together.model.parameters()[name], value, atol=1e-12, rtol=0)


def test_a_learner_without_parameters_is_refused() -> None:
    with pytest.raises(InputError, match="none of its parameters"):
        fit_meta(ProtoNet(nn.Identity()), digits(range(6)).draw, iterations=1)


def test_sinusoids_are_learned_from_ten_points() -> None:
    """MAML's own toy: after adaptation the error is well below that before."""

    def draw(number: int) -> Task:
        rng = np.random.default_rng(number)
        height, phase = rng.uniform(0.1, 5), rng.uniform(0, np.pi)
        x = torch.from_numpy(rng.uniform(-5, 5, (20, 1)).astype(np.float32))
        y = height * torch.sin(x + phase)
        return Task(x[:10], y[:10], x[10:], y[10:], ())

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        hidden = [nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1)]
    model = FunctionalModel(nn.Sequential(*hidden))
    rates = LearnedRates(model, "tensor", 0.02)
    learner = GradientLearner(model, rates, steps=1, test_steps=1, criterion=F.mse_loss)
    fit_meta(
        learner, draw, iterations=250, tasks=4, optimizer=lambda own: torch.optim.Adam(own, 1e-2)
    )
    errors = []
    for number in range(10_000, 10_100):
        task = draw(number)
        before = F.mse_loss(model.module(task.query), task.query_labels)
        after = F.mse_loss(learner.predict(task), task.query_labels)
        errors.append((float(before.detach()), float(after)))
    start, end = np.mean(errors, axis=0)
    assert end < 0.7 * start
