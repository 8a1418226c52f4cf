"""Methods that move weights along gradients and need more than two weighted losses.

FT and l1-sparse: Jia et al., "Model Sparsity Can Simplify Machine Unlearning", NeurIPS 2023. PDU:
Entesari et al., "Constrained Entropic Unlearning: A Primal-Dual Framework for Large Language
Models", 2025. Task vectors: Ilharco et al., "Editing Models with Task Arithmetic", ICLR 2023. DPO
with refusals: Rafailov et al., "Direct Preference Optimization", NeurIPS 2023, as TOFU uses it for
unlearning (Maini et al., COLM 2024, section 3.3).
"""

import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.influence import flatten_parameters, set_parameters
from sterling.privacy.unlearning.descent import Descent, descend, minimise
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.losses import (
    cross_entropy,
    logit_margin_loss,
    mean_loss,
    preference_loss,
    sequence_losses,
)


def fine_tune(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    *,
    l1: float = 0.0,
    descent: Descent,
) -> nn.Module:
    """Minimise L_retain + γ_t ‖θ‖₁ without looking at the forget set.

    Constants:
        l1: Weight γ at the first step, which falls linearly to 0; 0 is plain fine-tuning, the
            paper has 5e-4.
        descent: Steps and rate.
    """
    step = 0

    def objective(student: nn.Module, _forget: Examples, kept: Examples) -> Tensor:
        nonlocal step
        loss = mean_loss(student(kept.inputs), kept.labels)
        if l1:
            weight = l1 * (1 - step / descent.steps)
            loss = loss + weight * torch.stack([p.abs().sum() for p in student.parameters()]).sum()
        step += 1
        return loss

    return descend(model, objective, forget, retain, rng, descent)


def pdu(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    *,
    bound: float = 0.1,
    dual_step: float = 1.0,
    start: float = 1.0,
    warm_up: float = 0.5,
    descent: Descent,
) -> nn.Module:
    """Flatten the forget set's logits while the retain loss is held under a bound.

    Minimises the margin loss + a L_retain with a ← max(0, a + step (L_retain − ε)) after a warm-up,
    during which a stays as it is.

    Constants:
        bound: Bound ε of the retain loss.
        dual_step: Step of the multiplier a.
        start: Initial multiplier.
        warm_up: Share of the steps before the multiplier moves; the released configuration has
            five epochs.
        descent: Steps and rate.
    """
    multiplier, step = start, 0

    def objective(student: nn.Module, gone: Examples, kept: Examples) -> Tensor:
        nonlocal multiplier, step
        held = mean_loss(student(kept.inputs), kept.labels)
        loss = logit_margin_loss(student(gone.inputs), gone.labels) + multiplier * held
        if step >= warm_up * descent.steps:
            multiplier = max(0.0, multiplier + dual_step * (float(held.detach()) - bound))
        step += 1
        return loss

    return descend(model, objective, forget, retain, rng, descent)


def task_vector(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    *,
    scale: float = 1.0,
    descent: Descent,
) -> nn.Module:
    """Step back along what fine-tuning on the forget set adds: θ − s (θ_fine-tuned − θ).

    Constants:
        scale: Scale s of the step back.
        descent: Steps and rate of the fine-tuning.
    """
    student = minimise(
        model, forget, retain, rng, forget_loss=cross_entropy, retain_loss=None, descent=descent
    )
    here, there = flatten_parameters(model), flatten_parameters(student)
    set_parameters(student, here - scale * (there - here))
    return student


def idk(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    *,
    refusals: Examples,
    beta: float = 0.1,
    retain_weight: float = 1.0,
    descent: Descent,
) -> nn.Module:
    """Prefer the refusal "I don't know" to the original answer, plus α L_retain.

    Constants:
        refusals: The forget set's questions answered with a refusal, under the same ids.
        beta: Inverse temperature β.
        retain_weight: Weight α of the retain loss.
        descent: Steps and rate.

    Raises:
        InputError: When a record to forget has no refusal.
    """
    order = {int(record): row for row, record in enumerate(refusals.ids)}
    missing = [int(record) for record in forget.ids if int(record) not in order]
    if missing:
        raise InputError(f"refusals: none for record {missing[0]}; give one per record to forget")

    def preference(student: nn.Module, before: nn.Module, gone: Examples) -> Tensor:
        refused = refusals.select(torch.tensor([order[int(record)] for record in gone.ids]))
        return preference_loss(
            sequence_losses(student(refused.inputs), refused.labels),
            sequence_losses(before(refused.inputs), refused.labels),
            sequence_losses(student(gone.inputs), gone.labels),
            sequence_losses(before(gone.inputs), gone.labels),
            beta=beta,
        )

    return minimise(
        model,
        forget,
        retain,
        rng,
        forget_loss=preference,
        retain_weight=retain_weight,
        descent=descent,
    )
