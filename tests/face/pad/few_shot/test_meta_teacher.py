"""The teacher's gradient against closed forms and finite differences, and what it learns."""

from functools import partial

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from tests.draws import normal, seeded, uniform
from torch import Tensor, nn

from sterling.adapt import FunctionalModel
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.few_shot.meta_teacher import (
    Lesson,
    MetaTeacher,
    SpoofMapTeacher,
    pooled_logits,
    teach,
)

RATE = 0.3


class Linear(nn.Module):
    """x to x W."""

    def __init__(self, size: int, outputs: int, seed: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(normal(size, outputs, seed=seed, dtype=torch.float64) / size)

    def forward(self, inputs: Tensor, _labels: Tensor | None = None) -> Tensor:
        return inputs @ self.weight


def lesson(size: int = 4, seed: int = 0) -> Lesson:
    draw = seeded(seed)
    x, other = torch.randn(2, 6, size, generator=draw, dtype=torch.float64)
    labels = (torch.rand(6, generator=draw) < 0.5).double()
    return Lesson(x, labels, other, labels.flip(0))


def squared(predicted: Tensor, labels: Tensor) -> Tensor:
    return (predicted[:, 0] - labels).square().mean()


def pair(seed: int = 0) -> MetaTeacher:
    return MetaTeacher(FunctionalModel(Linear(4, 1, seed)), Linear(4, 1, seed + 1), RATE, squared)


def test_linear_student_and_teacher_have_a_closed_form() -> None:
    """∇φ = η J_Tᵀ (J_D v), with v = ∇θ' L_val; for means over N items η = 2 α / N."""
    learner, given = pair(), lesson()
    (found,) = torch.autograd.grad(learner.outer_loss(given), [*learner.teacher.parameters()])
    theta = learner.student.parameters()["weight"].detach()
    phi = next(learner.teacher.parameters()).detach()
    x, n = given.inputs, len(given.inputs)
    after = theta - RATE * 2 / n * x.T @ (x @ theta - x @ phi)
    residual = given.validation @ after - given.validation_labels[:, None]
    v = 2 / n * given.validation.T @ residual
    torch.testing.assert_close(found, RATE * 2 / n * x.T @ (x @ v), atol=1e-15, rtol=1e-12)


class Curved(nn.Module):
    """A small network without kinks, which sees labels as another input."""

    def __init__(self, seed: int) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers = [nn.Linear(5, 6), nn.Tanh(), nn.Linear(6, 1)]
            self.layers = nn.Sequential(*layers).double()

    def forward(self, inputs: Tensor, labels: Tensor | None = None) -> Tensor:
        beside = torch.zeros(len(inputs)).double() if labels is None else labels
        found: Tensor = self.layers(torch.cat([inputs, beside[:, None]], dim=1))
        return found


def test_the_gradient_is_that_of_finite_differences_and_not_zero() -> None:
    teacher, given = Curved(1), lesson()
    learner = MetaTeacher(FunctionalModel(Curved(0)), teacher, 0.5, squared)
    parameters = [*teacher.parameters()]
    found = torch.autograd.grad(learner.outer_loss(given), parameters)
    for parameter, gradient in zip(parameters, found, strict=True):
        numeric = torch.zeros_like(parameter)
        for place in range(parameter.numel()):
            values = []
            for step in (1e-6, -1e-6):
                with torch.no_grad():
                    parameter.view(-1)[place] += step
                    values.append(float(learner.outer_loss(given)))
                    parameter.view(-1)[place] -= step
            numeric.view(-1)[place] = (values[0] - values[1]) / 2e-6
        torch.testing.assert_close(gradient, numeric, atol=1e-9, rtol=1e-6)
    assert max(float(one.abs().max()) for one in found) > 1e-4


def test_an_untrained_teacher_is_the_binary_mask() -> None:
    images = torch.randint(0, 256, (4, 3, 32, 32), dtype=torch.uint8)
    labels = torch.tensor([0.0, 1.0, 1.0, 0.0])
    maps = SpoofMapTeacher(4, seed=3)(images, labels)
    torch.testing.assert_close(maps, labels[:, None, None].expand(4, 4, 4))


class Corrector(nn.Module):
    """The given label, and a learned share of what the inputs say."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.linear = nn.Linear(size, 1)
        self.trust = nn.Parameter(torch.tensor(2.0))

    def forward(self, inputs: Tensor, labels: Tensor) -> Tensor:
        trust = self.trust.sigmoid()
        said = self.linear(inputs)[:, 0].sigmoid()
        corrected: Tensor = (trust * labels + (1 - trust) * said)[:, None]
        return corrected


def _always(given: Lesson, _number: int) -> Lesson:
    return given


def blobs(count: int, seed: int) -> tuple[Tensor, Tensor]:
    draw = seeded(seed)
    labels = (torch.rand(count, generator=draw) < 0.5).float()
    inputs = torch.randn(count, 6, generator=draw)
    inputs[:, 0] += 3 * labels - 1.5
    return inputs, labels


def fresh(inputs: Tensor, targets: Tensor, seed: int) -> nn.Module:
    """A student that can learn labels by heart, after a fixed training."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        student = nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 1))
    steps = torch.optim.Adam(student.parameters(), 0.02)
    for _ in range(150):
        steps.zero_grad()
        torch.autograd.backward(F.mse_loss(student(inputs), targets))
        steps.step()
    return student


def test_flipped_labels_are_softened_and_a_fresh_student_gains() -> None:
    """30 % of the labels are wrong, those of validation are right."""
    softened, gains = [], []
    for seed in range(4):
        inputs, truth = blobs(120, 10 * seed)
        wrong = uniform(120, seed=seed) < 0.3
        given = torch.where(wrong, 1 - truth, truth)
        validation, clean = blobs(60, 10 * seed + 1)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            student, teacher = nn.Linear(6, 1), Corrector(6)
        learner = MetaTeacher(
            FunctionalModel(student),
            teacher,
            0.3,
            lambda maps, labels: F.binary_cross_entropy_with_logits(8 * (maps[:, 0] - 0.5), labels),
        )
        same = Lesson(inputs, given, validation, clean)
        losses = teach(
            learner,
            partial(_always, same),
            iterations=120,
            teacher_steps=torch.optim.Adam(teacher.parameters(), 0.05),
            student_steps=torch.optim.SGD(student.parameters(), 0.1),
        )
        assert np.mean(losses[-20:]) < np.mean(losses[:20])
        targets = teacher(inputs, given).detach()
        softened.append(float((targets[wrong, 0] - given[wrong]).abs().mean()))
        test, answers = blobs(1000, 10 * seed + 2)
        right = [
            float(
                ((fresh(inputs, wanted, seed)(test)[:, 0] > 0.5).float() == answers).float().mean()
            )
            for wanted in (targets, given[:, None])
        ]
        gains.append(right[0] - right[1])
    assert min(softened) > 0.3
    assert stats.ttest_1samp(gains, 0, alternative="greater").pvalue < 0.05


def test_where_the_cue_is_in_one_half_the_map_gathers_there() -> None:
    """Attacks are brighter than bona fides in the left half; the other half is noise."""

    def captures(count: int, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        labels = (torch.arange(count) % 2).float()
        noise = torch.randn(count, 3, 32, 32, generator=draw).clamp(-1.5, 1.5)
        images = 127 + 40 * noise
        images[:, :, :, :16] += 60 * (2 * labels - 1)[:, None, None, None]
        return images.to(torch.uint8), labels

    class Local(nn.Module):
        """A map whose every place sees its own 8 × 8 pixels."""

        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 1, 8, stride=8)
            nn.init.zeros_(self.conv.weight)
            nn.init.zeros_(self.conv.bias)  # type: ignore[arg-type]

        def forward(self, images: Tensor) -> Tensor:
            maps: Tensor = self.conv(normalise(images))[:, 0]
            return maps

    draw = seeded()
    teacher, student = SpoofMapTeacher(4), Local()
    learner = MetaTeacher(
        FunctionalModel(student),
        teacher,
        0.05,
        lambda maps, wanted: F.binary_cross_entropy_with_logits(pooled_logits(maps), wanted),
    )
    teach(
        learner,
        lambda _number: Lesson(*captures(8, draw), *captures(8, draw)),
        iterations=60,
        teacher_steps=torch.optim.Adam(teacher.parameters(), 0.01),
        student_steps=torch.optim.Adam(student.parameters(), 1e-3),
    )
    images, labels = captures(32, draw)
    maps = teacher(images, labels)[labels > 0].detach()
    assert float(maps[..., :2].mean()) > 1.5 * float(maps[..., 2:].mean())
    torch.testing.assert_close(maps.mean(dim=(1, 2)), torch.ones(16))
