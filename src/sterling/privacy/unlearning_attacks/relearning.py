"""Relearning: how fast a model knows again what it was asked to forget.

Hu et al., "Unlearning or Obfuscating? Jogging the Memory of Unlearned LLMs via Benign Relearning",
ICLR 2025. A model that never saw the records learns them as it learns any new ones; knowledge that
was only hidden comes back faster.
"""

from collections.abc import Callable

import torch
from torch import nn

from sterling.privacy.unlearning.descent import Descent, descend
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.terms import mean_loss


def relearning_curve(
    model: nn.Module,
    lesson: Examples,
    measure: Callable[[nn.Module], float],
    rng: torch.Generator,
    descent: Descent,
    *,
    every: int = 5,
) -> list[float]:
    """A measure before, and after every few steps of fine-tuning on a lesson.

    Args:
        model: Left as it is.
        lesson: Some of the forgotten records, or benign related ones.
        measure: From a model to a number, such as exact memorisation of the forgotten records.
        rng: Draws the order of the lesson.
        descent: Steps and rate.
        every: Steps between two measurements.
    """
    curve = [measure(model)]
    step = 0

    def look(student: nn.Module) -> None:
        nonlocal step
        step += 1
        if step % every == 0:
            with torch.no_grad():
                curve.append(measure(student))

    descend(
        model,
        lambda student, batch, _same: mean_loss(student(batch.inputs), batch.labels),
        lesson,
        lesson,
        rng,
        descent,
        after_step=look,
    )
    return curve
