"""Meta-teacher supervision (MT-FAS, Qin et al., IEEE TPAMI 2021): learn what to teach a detector.

The teacher gives the maps that a detector regresses. It is good when the detector, one step after
such a lesson, tells bona fides from attacks among captures that the lesson did not hold. The roles
are the paper's; networks, rates and the pooling are ours, since the paper's could not be
established.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.adapt import FunctionalModel, inner_loop
from sterling.face.pad.detector.preprocessing import normalise

Criterion = Callable[[Tensor, Tensor], Tensor]
LOGIT_SCALE = 8.0  # of the pooled map, 0 for bona fide and 1 for attacks at first


@dataclass(frozen=True, eq=False)
class Lesson:
    """One step's training and validation items, which have none in common.

    Attributes:
        inputs: (N, ...).
        labels: (N,), float; 1 means attack.
        validation: (M, ...).
        validation_labels: (M,).
    """

    inputs: Tensor
    labels: Tensor
    validation: Tensor
    validation_labels: Tensor


@dataclass(frozen=True, eq=False)
class MetaTeacher:
    """The upper level: min over φ of L_val(S_θ'), θ' = θ - α ∇_θ MSE(S_θ(x), T_φ(x, y)).

    The gradient of φ passes through the inner gradient, not through θ. (Plain first order would
    make it 0.)

    Attributes:
        student: Network from inputs to maps.
        teacher: Network from inputs and labels to the maps to regress.
        rate: α.
        outer: Function of the student's maps and labels that gives L_val.
    """

    student: FunctionalModel
    teacher: nn.Module
    rate: float
    outer: Criterion

    def parts(self) -> Mapping[str, nn.Module]:
        """The teacher."""
        return {"teacher": self.teacher}

    def inner_loss(self, predicted: Tensor, lesson: Lesson) -> Tensor:
        """Loss of the student on the teacher's labels."""
        return F.mse_loss(predicted, self.teacher(lesson.inputs, lesson.labels))

    def outer_loss(self, task: Lesson) -> Tensor:
        """Loss of the student on validation items after one step."""
        path = inner_loop(
            self.student,
            lambda forward: self.inner_loss(forward(task.inputs), task),
            self.rate,
            1,
            order="mixed",
        )
        return self.outer(path.after()(task.validation), task.validation_labels)


def teach(
    learner: MetaTeacher,
    draw: Callable[[int], Lesson],
    *,
    iterations: int,
    teacher_steps: torch.optim.Optimizer,
    student_steps: torch.optim.Optimizer,
) -> list[float]:
    """Alternate: a step of the teacher, then one of the student with the new teacher.

    Args:
        learner: Both are trained in place.
        draw: The lesson of a number.
        iterations: Steps of each.
        teacher_steps: Optimiser of the teacher's parameters.
        student_steps: Number of the student's steps.

    Returns:
        Validation losses, by step.
    """
    parameters = [one for one in learner.teacher.parameters() if one.requires_grad]
    losses = []
    for number in range(iterations):
        lesson = draw(number)
        loss = learner.outer_loss(lesson)
        for parameter, gradient in zip(
            parameters, torch.autograd.grad(loss, parameters, allow_unused=True), strict=True
        ):
            parameter.grad = gradient
        teacher_steps.step()
        losses.append(float(loss.detach()))
        student_steps.zero_grad()
        with torch.no_grad():
            targets = learner.teacher(lesson.inputs, lesson.labels)
        torch.autograd.backward(F.mse_loss(learner.student.module(lesson.inputs), targets))
        student_steps.step()
    return losses


def regress(
    student: nn.Module,
    draw: Callable[[int], tuple[Tensor, Tensor]],
    *,
    iterations: int,
    steps: torch.optim.Optimizer,
) -> list[float]:
    """Train a student on fixed targets, in place.

    Args:
        student: Network from inputs to maps.
        draw: Inputs and targets of a number.
        iterations: Steps.
        steps: Optimiser of the student's parameters.

    Returns:
        Losses, by step.
    """
    losses = []
    for number in range(iterations):
        inputs, targets = draw(number)
        steps.zero_grad()
        loss = F.mse_loss(student(inputs), targets)
        torch.autograd.backward(loss)
        steps.step()
        losses.append(float(loss.detach()))
    return losses


def pooled_logits(maps: Tensor) -> Tensor:
    """Log odds of attack (N,) of maps (N, h, w) that mean attack where they are high. Ours."""
    return LOGIT_SCALE * (maps.flatten(1).mean(dim=1) - 0.5)


class SpoofMapTeacher(nn.Module):
    """Zeros for bona fides, and for attacks a learned map exp δ(x), scaled to a mean of 1.

    At first δ is 0 everywhere, which is the binary mask. The mean of each map keeps it from
    growing, which lowers the loss by larger steps alone, and the exponential from falling to 0.

    Args:
        width: Channels of the first of three convolutions; the others have twice as many.
        seed: Seed of the initial weights.
    """

    def __init__(self, width: int = 8, *, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            layers: list[nn.Module] = []
            for inputs, outputs in ((3, width), (width, 2 * width), (2 * width, 2 * width)):
                layers += [nn.Conv2d(inputs, outputs, 3, padding=1), nn.ReLU(), nn.AvgPool2d(2)]
            self.layers = nn.Sequential(*layers)
            self.last = nn.Conv2d(2 * width, 1, 1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)  # type: ignore[arg-type]

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        """Maps (N, S/8, S/8) of uint8 (N, 3, S, S) and labels (N,), 1 for attacks."""
        learned = self.last(self.layers(normalise(images)))[:, 0]
        places = learned[0].numel()
        shares = learned.flatten(1).softmax(dim=1).view_as(learned)
        maps: Tensor = places * shares * labels[:, None, None]
        return maps
