"""Detecting adversarial pictures: tasks, statistics of the support, figures, and the master."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import f1_score, roc_auc_score
from torch import Tensor, nn

from sterling.adapt import FunctionalModel, Task, fomaml
from sterling.errors import InputError
from sterling.image.adversarial_tasks import AdversarialTasks, AttackedImages, attack_images
from sterling.image.attacks import Strength
from sterling.image.classifiers import train_classifier
from sterling.image.labelled_images import LabelledImages, scan_digits
from sterling.image.meta_adversarial import (
    JointModel,
    LastBatchStatistics,
    adversarial_detector,
    detect,
    high_frequency,
    judge,
    nearest_centroid,
    train_pooled,
)


def attacked_images(size: int = 22) -> AttackedImages:
    """Four classes of twelve pictures; the first pixel tells which, the second its kind."""
    draw = torch.Generator().manual_seed(0)
    clean = torch.randn(48, 1, size, size, generator=draw)
    labels = np.repeat(np.arange(4), 12)
    clean[:, 0, 0, 0] = torch.arange(48.0)
    clean[:, 0, 0, 1] = 0
    attacked, sources = {}, {}
    for kind, (name, rows) in enumerate({"a": np.arange(48), "b": np.arange(20)}.items()):
        attacked[name] = clean[rows].clone()
        attacked[name][:, 0, 0, 1] = kind + 1
        sources[name] = rows
    return AttackedImages(clean, labels, attacked, sources)


@given(st.integers(0, 10**6), st.sampled_from(["paper", "class_matched"]))
def test_tasks_show_what_their_protocol_says(number: int, protocol: Any) -> None:
    data = attacked_images()
    tasks = AdversarialTasks(data, protocol, shots=2, queries=3, seed=1)
    task = tasks.draw(number)
    assert torch.equal(task.support, tasks.draw(number).support)
    for items, labels, count in (
        (task.support, task.support_labels, 2),
        (task.query, task.query_labels, 3),
    ):
        assert labels.tolist() == [0] * count + [1] * count
        kinds = items[:, 0, 0, 1]
        assert (kinds[labels == 1] == 0).all()
        assert (kinds[labels == 0] == 1 + ["a", "b"].index(tasks.attack_of(number))).all()
        classes = [int(one) // 12 for one in items[:, 0, 0, 0]]
        assert set(classes[:count]) == {task.classes[0]}
        assert set(classes[count:]) == {task.classes[1]}
    rows = torch.cat([task.support, task.query])[:, 0, 0, :2]
    assert len({tuple(row) for row in rows.tolist()}) == 10
    if protocol == "class_matched":
        assert task.classes[0] == task.classes[1]


def test_in_the_papers_protocol_classes_mostly_differ() -> None:
    tasks = AdversarialTasks(attacked_images(), "paper", shots=1, queries=2, seed=0)
    drawn = [tasks.draw(number).classes for number in range(400)]
    # Pairs from four classes differ in 3 of 4 draws; 5 deviations.
    assert abs(np.mean([one != other for one, other in drawn]) - 0.75) < 5 * 0.43 / 20
    assert tasks.attacks == ["a", "b"]


def test_attacks_with_too_few_pictures_of_a_class_leave_it_out() -> None:
    tasks = AdversarialTasks(attacked_images(), "class_matched", shots=4, queries=8, seed=0)
    drawn = {(tasks.attack_of(n), tasks.draw(n).classes[0]) for n in range(200)}
    assert drawn == {("a", one) for one in range(4)} | {("b", 0)}
    with pytest.raises(InputError, match="no attack succeeded on so many"):
        AdversarialTasks(attacked_images(), "paper", shots=5, queries=8, seed=0)
    with pytest.raises(InputError, match="protocol"):
        AdversarialTasks(attacked_images(), "papers", shots=1, queries=1, seed=0)  # type: ignore[arg-type]


def test_what_a_network_errs_on_anyway_is_not_attacked() -> None:
    class Second(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.offset = nn.Parameter(torch.zeros(()))

        def forward(self, x: Tensor) -> Tensor:
            bright = x.mean((1, 2, 3)) - 0.5 + self.offset
            return torch.stack([-bright, bright], dim=1)

    images = torch.linspace(0.1, 0.9, 8).view(8, 1, 1, 1).expand(8, 1, 4, 4)
    rows = {8: [0] * 4 + [1] * 4, 4: [0, 0, 1, 1, 1, 1, 0, 0], 0: [1] * 4 + [0] * 4}
    for right, row in rows.items():
        data = LabelledImages(images, np.array(row), ("dark", "bright"), "drawn")
        found = attack_images(
            Second().eval(),
            data,
            ("semantic",),
            strength=Strength(),
            seed=0,
            scale=(0.5, 0.25),
            research_use=True,
        )
        assert len(found.clean) == right
        if right:
            assert found.sources["semantic"].tolist() == list(range(right))
            torch.testing.assert_close(found.attacked["semantic"], -found.clean)
        else:
            assert not found.attacked


def test_in_evaluation_statistics_are_those_of_the_last_batch() -> None:
    own = LastBatchStatistics(3).double()
    peer = nn.BatchNorm2d(3, momentum=1.0).double()
    nn.init.uniform_(own.weight)
    with torch.no_grad():
        peer.weight.copy_(own.weight)
    draw = torch.Generator().manual_seed(0)
    batch, other = (torch.randn(9, 3, 5, 5, generator=draw).double() for _ in range(2))
    torch.testing.assert_close(own(batch), peer(batch))
    count = 9 * 25  # torch remembers the unbiased variance, we the one that was used
    assert peer.running_var is not None
    peer.running_var.mul_((count - 1) / count)
    own.eval()
    peer.eval()
    torch.testing.assert_close(own(other), peer(other))
    torch.testing.assert_close(own(other[:1]), own(other)[:1])


def task_of(size: int = 22) -> Task:
    data = attacked_images(size)
    return AdversarialTasks(data, "class_matched", shots=2, queries=3, seed=0).draw(0)


def test_queries_are_judged_one_by_one_after_the_support_and_the_master_stays() -> None:
    task = task_of()
    network = adversarial_detector(1, 22, 4, seed=0)
    before = [one.detach().clone() for one in network.parameters()]
    learner = fomaml(FunctionalModel(network), 0.1, steps=2, test_steps=3)
    together = detect(learner, task)
    assert all(map(torch.equal, before, network.parameters()))
    assert network.training
    one_by_one = [
        detect(learner, replace(task, query=task.query[row : row + 1]))[0] for row in range(6)
    ]
    np.testing.assert_allclose(together, one_by_one, atol=1e-6)


def test_one_task_and_one_step_are_first_order_maml_by_hand() -> None:
    task = task_of()
    network = adversarial_detector(1, 22, 4, seed=0)
    plain = adversarial_detector(1, 22, 4, seed=0)
    inner = F.cross_entropy(plain(task.support), task.support_labels)
    steps = torch.autograd.grad(inner, list(plain.parameters()))
    with torch.no_grad():
        for parameter, step in zip(plain.parameters(), steps, strict=True):
            parameter.sub_(0.1 * step)
    outer = F.cross_entropy(plain(task.query), task.query_labels)
    by_hand = torch.autograd.grad(outer, list(plain.parameters()))
    learner = fomaml(FunctionalModel(network), 0.1, steps=1)
    for losses in (learner.outer_loss(task), learner.outer_losses([task])[0]):
        found = torch.autograd.grad(losses, list(network.parameters()))
        for one, other in zip(found, by_hand, strict=True):
            torch.testing.assert_close(one, other, atol=1e-6, rtol=1e-4)


def test_the_detector_has_the_papers_sizes() -> None:
    for size, inputs in ((32, 256), (28, 64)):
        network = adversarial_detector(3, size)
        weights = dict(network.named_parameters())
        assert weights["4.weight"].shape == (2, inputs)
        assert weights["4.bias"].tolist() == [1, 1]
        deviation = weights["1.0.weight"].detach().std()
        assert float(deviation) == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.02)
    with pytest.raises(InputError, match="size 21"):
        adversarial_detector(1, 21)


@given(st.lists(st.tuples(st.floats(0, 1), st.integers(0, 1)), min_size=2, max_size=20))
def test_figures_are_those_of_scikit_learn(rows: list[tuple[float, int]]) -> None:
    clean = np.array([score for score, _ in rows])
    labels = np.array([label for _, label in rows])
    labels[:2] = (0, 1)
    found = judge(clean, labels)
    called = clean > 0.5
    assert found.f1 == pytest.approx(f1_score(labels, called, zero_division=0))
    attacked = f1_score(labels, called, pos_label=0, zero_division=0)
    assert found.f1_attacked == pytest.approx(attacked)
    assert found.auroc == pytest.approx(roc_auc_score(labels, clean))


def test_the_joint_model_answers_attacked_exactly_where_the_detector_does() -> None:
    class Given(nn.Module):
        def __init__(self, outputs: Tensor) -> None:
            super().__init__()
            self.outputs = outputs

        def forward(self, _: Tensor) -> Tensor:
            return self.outputs

    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(200, 5, generator=draw) - 3  # mostly below 0
    opinions = torch.randn(200, 2, generator=draw)
    joint = JointModel(Given(logits), Given(opinions))(torch.zeros(200, 1))
    attacked = opinions[:, 0] > opinions[:, 1]
    expected = torch.where(attacked, 5, logits.argmax(dim=1))
    assert torch.equal(joint.argmax(dim=1), expected)


def test_plain_features_see_high_frequencies_and_means() -> None:
    flat = torch.full((1, 1, 16, 16), 0.3)
    checks = flat + 0.1 * (-1) ** (torch.arange(16)[:, None] + torch.arange(16))
    slow = flat + 0.1 * torch.cos(2 * torch.pi * torch.arange(16) / 16)
    features = high_frequency(torch.cat([flat, checks, slow]))
    torch.testing.assert_close(features[:, 0], torch.full((3,), 0.3))
    # The fastest of 256 coefficients alone holds 256² · 0.1² / 256.
    assert float(features[1, 1].exp()) == pytest.approx(256 * 0.01, rel=1e-3)
    assert float(features[2, 1]) == pytest.approx(float(features[0, 1]), abs=0.01)
    assert float(features[1, 2]) > 3 * float(features[2, 2])
    near = Task(flat.repeat(2, 1, 1, 1), torch.tensor([0, 1]), flat, torch.tensor([1]), ())
    near.support[0] += 1
    assert nearest_centroid(high_frequency, torch.ones(3), near)[0] > 0.5


def test_a_pooled_detector_learns_what_it_is_given() -> None:
    data = attacked_images()
    marked = {name: images + 1.0 for name, images in data.attacked.items()}
    data = AttackedImages(data.clean, data.labels, marked, data.sources)
    network = adversarial_detector(1, 22, 4, seed=0)
    train_pooled(network, data, steps=60, batch_size=32, rate=0.01, seed=0)
    everything = torch.cat([data.clean, *marked.values()])
    truth = torch.tensor([1] * 48 + [0] * 68)
    with torch.no_grad():
        right = network(everything).argmax(dim=1) == truth
    assert float(right.double().mean()) > 0.9


def test_classifiers_learn_and_judge_one_picture_as_they_judge_many() -> None:
    data = scan_digits(16)
    own = replace(data, images=data.images[:900], labels=data.labels[:900])
    network = train_classifier(own, "conv4", width=16, epochs=5, seed=0)
    with torch.no_grad():
        answers = network(data.images[900:])
        alone = network(data.images[900:901])
    torch.testing.assert_close(alone, answers[:1], atol=1e-4, rtol=1e-4)
    right = answers.argmax(dim=1).numpy() == data.labels[900:]
    assert right.mean() > 0.5  # of ten classes
