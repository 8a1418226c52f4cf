"""Methods that teach the forget set other labels: at random, of the nearest class, of a new one.

Random labels: Graves, Nagisetty and Ganesh, "Amnesiac Machine Learning", AAAI 2021 (their first
method). SalUn: Fan et al., "SalUn: Empowering Machine Unlearning via Gradient-based Weight Saliency
in Both Image Classification and Generation", ICLR 2024. Boundary unlearning: Chen et al., "Boundary
Unlearning: Rapid Forgetting of Deep Networks via Shifting the Decision Boundary", CVPR 2023.
"""

import copy

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.privacy.unlearning.descent import Descent, minimise
from sterling.privacy.unlearning.examples import IGNORED, Examples
from sterling.privacy.unlearning.losses import cross_entropy, mean_loss


def wrong_labels(labels: Tensor, classes: int, rng: torch.Generator) -> Tensor:
    """Draw for each label a wrong one, uniformly; ignored positions stay ignored."""
    if classes < 2:
        raise InputError(f"{classes} class: a wrong label needs two classes")
    shift = torch.randint(1, classes, labels.shape, generator=rng)
    return torch.where(labels == IGNORED, labels, (labels + shift) % classes)


def random_label(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    *,
    retain_weight: float = 1.0,
    descent: Descent,
    masks: list[Tensor] | None = None,
) -> nn.Module:
    """Minimise the loss of wrong labels on the forget set plus α L_retain.

    Constants:
        retain_weight: Weight α of the retain loss.
        descent: Steps and rate.
        masks: 1 for the entries of each parameter that may move, else 0; None moves all.
    """
    with torch.no_grad():
        classes = model(forget.inputs[:1]).shape[-1]
    return minimise(
        model,
        forget.with_labels(wrong_labels(forget.labels, classes, rng)),
        retain,
        rng,
        forget_loss=cross_entropy,
        retain_weight=retain_weight,
        descent=descent,
        masks=masks,
    )


def saliency_masks(model: nn.Module, forget: Examples, share: float) -> list[Tensor]:
    """Mask each parameter: 1 where |∇L_forget| is among the largest `share` of all weights."""
    loss = mean_loss(model(forget.inputs), forget.labels)
    gradients = [g.abs() for g in torch.autograd.grad(loss, list(model.parameters()))]
    sizes = torch.cat([g.flatten() for g in gradients]).sort(descending=True).values
    least = sizes[max(1, round(share * len(sizes))) - 1]
    return [(g >= least).to(g) for g in gradients]


def salun(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    *,
    share: float = 0.5,
    retain_weight: float = 1.0,
    descent: Descent,
) -> nn.Module:
    """Teach random labels by moving only the weights that the forget set's gradient points at.

    Constants:
        share: Share of the weights that may move, in (0, 1]; the paper has one half, by the median.
        retain_weight: Weight α of the retain loss.
        descent: Steps and rate.
    """
    check_numbers(above=0, at_most=1, share=share)
    masks = saliency_masks(model, forget, share)
    return random_label(
        model, forget, retain, rng, retain_weight=retain_weight, descent=descent, masks=masks
    )


def nearest_other_class(model: nn.Module, examples: Examples, step: float) -> Tensor:
    """Return the likeliest class other than the label after one step up the loss, (N,)."""
    inputs = examples.inputs.detach().requires_grad_()
    loss = F.cross_entropy(model(inputs), examples.labels)
    (gradient,) = torch.autograd.grad(loss, inputs)
    with torch.no_grad():
        logits = model(inputs + step * gradient.sign())
        label = F.one_hot(examples.labels, logits.shape[1]).bool()
        nearest: Tensor = logits.masked_fill(label, -torch.inf).argmax(1)
    return nearest


def boundary_shrink(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    *,
    step: float = 0.1,
    descent: Descent,
) -> nn.Module:
    """Fine-tune the forget set to each record's nearest other class.

    Constants:
        step: Length of the sign-gradient step by which the nearest other class is found.
        descent: Steps and rate.
    """
    relabelled = forget.with_labels(nearest_other_class(model, forget, step))
    return minimise(
        model, relabelled, retain, rng, forget_loss=cross_entropy, retain_loss=None, descent=descent
    )


def boundary_expand(
    model: nn.Module, forget: Examples, retain: Examples, rng: torch.Generator, *, descent: Descent
) -> nn.Module:
    """Teach the forget set to an extra class, then cut that class off.

    Constants:
        descent: Steps and rate.

    Raises:
        InputError: When the model does not end in a linear layer.
    """
    expanded = copy.deepcopy(model)
    name, last = list(expanded.named_modules())[-1]
    if not isinstance(last, nn.Linear) or not name:
        raise InputError("boundary expand: the model must end in a linear layer, inside a module")
    classes = last.out_features
    wider = nn.Linear(last.in_features, classes + 1, bias=last.bias is not None, device="meta")
    wider = wider.to_empty(device=last.weight.device).to(last.weight.dtype)
    with torch.no_grad():
        wider.weight[:classes], wider.weight[classes] = last.weight, last.weight.mean(0)
        if last.bias is not None:
            wider.bias[:classes], wider.bias[classes] = last.bias, last.bias.mean()
    expanded.set_submodule(name, wider)
    shadow = forget.with_labels(torch.full_like(forget.labels, classes))
    student = minimise(
        expanded, shadow, retain, rng, forget_loss=cross_entropy, retain_loss=None, descent=descent
    )
    trained = student.get_submodule(name)
    with torch.no_grad():
        for leaf, value in last.named_parameters():
            value.copy_(trained.get_parameter(leaf)[:classes])
    student.set_submodule(name, last)
    return student
