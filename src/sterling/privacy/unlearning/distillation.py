"""Methods with a teacher for the student to disobey or to leave: Bad-T, SCRUB, WHP.

Bad-T: Chundawat et al., "Can Bad Teaching Induce Forgetting? Unlearning in Deep Networks Using an
Incompetent Teacher", AAAI 2023, temperature 1. SCRUB: Kurmanji et al., "Towards Unbounded Machine
Unlearning", NeurIPS 2023. WHP: Eldan and Russinovich, "Who's Harry Potter? Approximate Unlearning
in LLMs", 2023; ours is their reinforcement step without the dictionary of anchored terms.
"""

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from sterling.privacy.influence import flatten_parameters, set_parameters
from sterling.privacy.unlearning.descent import Descent, descend, frozen, minimise, reset
from sterling.privacy.unlearning.examples import IGNORED, Examples
from sterling.privacy.unlearning.losses import (
    cross_entropy,
    divergence,
    generic_target,
    mean_kl,
    mean_loss,
    mean_soft_loss,
)


def bad_teacher(
    model: nn.Module, forget: Examples, retain: Examples, rng: torch.Generator, *, descent: Descent
) -> nn.Module:
    """Minimise KL(random ‖ student) on the forget set plus KL(before ‖ student) on the rest.

    Constants:
        descent: Steps and rate.
    """
    bad = frozen(reset(model, rng))

    def incompetence(student: nn.Module, _before: nn.Module, gone: Examples) -> Tensor:
        return mean_kl(bad(gone.inputs), student(gone.inputs), gone.labels)

    return minimise(
        model,
        forget,
        retain,
        rng,
        forget_loss=incompetence,
        retain_loss=divergence,
        descent=descent,
    )


def whp(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    *,
    strength: float = 5.0,
    reinforcement: Descent,
    retain_weight: float = 1.0,
    descent: Descent,
) -> nn.Module:
    """Minimise the cross-entropy to generic predictions on the forget set plus α L_retain.

    Constants:
        strength: Weight of what the reinforced model raises, the paper's α.
        reinforcement: Steps and rate by which the reinforced model learns the forget set better.
        retain_weight: Weight α of the retain loss.
        descent: Steps and rate.
    """
    reinforced = frozen(
        minimise(
            model,
            forget,
            retain,
            rng,
            forget_loss=cross_entropy,
            retain_loss=None,
            descent=reinforcement,
        )
    )

    def genericity(student: nn.Module, before: nn.Module, gone: Examples) -> Tensor:
        logits = student(gone.inputs)
        target = generic_target(before(gone.inputs), reinforced(gone.inputs), strength)
        return mean_soft_loss(target, logits, gone.labels)

    return minimise(
        model,
        forget,
        retain,
        rng,
        forget_loss=genericity,
        retain_weight=retain_weight,
        descent=descent,
    )


def scrub(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    *,
    ascents: int = 10,
    divergence_weight: float = 0.5,
    loss_weight: float = 1.0,
    validation: Examples | None = None,
    descent: Descent,
    note_step: Callable[[int], object] = lambda _step: None,
) -> nn.Module:
    """Alternate one step that raises KL(teacher ‖ student) on the forget set with one that obeys.

    After the ascents all steps minimise α KL(teacher ‖ student) + γ L_retain. With a validation set
    of the forget set's distribution it is SCRUB+R: it rewinds to the step at which the forget set's
    error was nearest to the error that the last student makes on the validation set, so that the
    forgotten records do not stand out by errors that records never seen do not have.

    Constants:
        ascents: Number of steps away from the teacher.
        divergence_weight: Weight α of the divergence on the retain set.
        loss_weight: Weight γ of the retain loss.
        validation: Records never seen, distributed as the forget set; None does not rewind.
        descent: Steps, those away from the teacher counted, and rate.
        note_step: Called with the step, from 1, that the student is rewound to.
    """
    teacher = frozen(model)
    step = 0
    passed: list[tuple[float, Tensor]] = []

    def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        nonlocal step
        step += 1
        # A step that obeys comes first: at the teacher itself the divergence has no gradient.
        if step % 2 == 0 and step <= 2 * ascents:
            return -mean_kl(teacher(gone.inputs), student(gone.inputs), gone.labels)
        logits = student(kept.inputs)
        distance = mean_kl(teacher(kept.inputs), logits, kept.labels)
        return divergence_weight * distance + loss_weight * mean_loss(logits, kept.labels)

    def remember(student: nn.Module) -> None:
        if validation is not None:
            passed.append((_error(student, forget), flatten_parameters(student)))

    student = descend(model, objective, forget, retain, rng, descent, after_step=remember)
    if validation is None or not passed:
        return student
    goal = _error(student, validation)
    # Take the last of equally near steps: it has obeyed longest.
    nearest = min(range(len(passed), 0, -1), key=lambda step: abs(passed[step - 1][0] - goal))
    note_step(nearest)
    rewound = copy.deepcopy(student)
    set_parameters(rewound, passed[nearest - 1][1])
    return rewound


@torch.no_grad()
def _error(model: nn.Module, examples: Examples) -> float:
    """Share of the positions that count at which the likeliest class is wrong."""
    counted = examples.labels != IGNORED
    wrong = model(examples.inputs).argmax(-1) != examples.labels
    return float((wrong & counted).sum() / counted.sum())
