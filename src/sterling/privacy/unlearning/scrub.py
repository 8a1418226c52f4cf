"""SCRUB: a student that disobeys its teacher on the forget set and obeys it on the rest.

Kurmanji et al., "Towards Unbounded Machine Unlearning", NeurIPS 2023. With a validation set of the
forget set's distribution it is SCRUB+R: it rewinds to the step at which the forget set's error was
nearest to the error that the last student makes on the validation set, so that the forgotten
records do not stand out by errors that records never seen do not have.
"""

import copy
from collections.abc import Callable
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from sterling.privacy.influence import flatten_parameters, set_parameters
from sterling.privacy.unlearning.descent import Descent, descend, frozen
from sterling.privacy.unlearning.examples import IGNORED, Examples
from sterling.privacy.unlearning.terms import mean_kl, mean_loss


@dataclass(frozen=True)
class ScrubConfig:
    """Constants of SCRUB.

    Attributes:
        ascents: The first so many rounds have a step away from the teacher.
        divergence_weight: α of the divergence on the retain set.
        loss_weight: γ of the retain loss.
        validation: Records never seen, distributed as the forget set, to rewind by; None does not
            rewind.
        descent: Steps, those away from the teacher counted, and rate.
        note_step: Told the step, from 1, that the student is rewound to; the last one if that is
            the nearest.
    """

    ascents: int = 10
    divergence_weight: float = 0.5
    loss_weight: float = 1.0
    validation: Examples | None = None
    descent: Descent = field(default_factory=Descent)
    note_step: Callable[[int], object] = lambda _step: None


def scrub(
    model: nn.Module, forget: Examples, retain: Examples, rng: torch.Generator, config: ScrubConfig
) -> nn.Module:
    """Alternate one step that raises KL(teacher ‖ student) on the forget set with one that obeys.

    After the ascents all steps minimise α KL(teacher ‖ student) + γ L_retain.
    """
    teacher = frozen(model)
    step = 0
    passed: list[tuple[float, Tensor]] = []

    def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        nonlocal step
        step += 1
        # A step that obeys comes first: at the teacher itself the divergence has no gradient.
        if step % 2 == 0 and step <= 2 * config.ascents:
            return -mean_kl(teacher(gone.inputs), student(gone.inputs), gone.labels)
        logits = student(kept.inputs)
        divergence = mean_kl(teacher(kept.inputs), logits, kept.labels)
        held = mean_loss(logits, kept.labels)
        return config.divergence_weight * divergence + config.loss_weight * held

    def remember(student: nn.Module) -> None:
        if config.validation is not None:
            passed.append((_error(student, forget), flatten_parameters(student)))

    student = descend(model, objective, forget, retain, rng, config.descent, after_step=remember)
    if config.validation is None or not passed:
        return student
    goal = _error(student, config.validation)
    # Of steps that are as near, the last has obeyed longest.
    nearest = min(range(len(passed), 0, -1), key=lambda step: abs(passed[step - 1][0] - goal))
    config.note_step(nearest)
    rewound = copy.deepcopy(student)
    set_parameters(rewound, passed[nearest - 1][1])
    return rewound


@torch.no_grad()
def _error(model: nn.Module, examples: Examples) -> float:
    """Share of the positions that count at which the likeliest class is wrong."""
    counted = examples.labels != IGNORED
    wrong = model(examples.inputs).argmax(-1) != examples.labels
    return float((wrong & counted).sum() / counted.sum())
