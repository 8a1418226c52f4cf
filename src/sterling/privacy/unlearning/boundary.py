"""Boundary unlearning of whole classes: shrink the class, or expand into a shadow class.

Chen et al., "Boundary Unlearning: Rapid Forgetting of Deep Networks via Shifting the Decision
Boundary", CVPR 2023. Neither looks at the retained data.
"""

import copy
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.privacy.unlearning.descent import Descent, descend
from sterling.privacy.unlearning.examples import Examples
from sterling.privacy.unlearning.terms import mean_loss


@dataclass(frozen=True)
class BoundaryConfig:
    """Constants of boundary unlearning.

    Attributes:
        step: Length of the sign-gradient step by which the nearest other class is found (shrink).
        descent: Steps and rate.
    """

    step: float = 0.1
    descent: Descent = field(default_factory=Descent)


def nearest_other_class(model: nn.Module, examples: Examples, step: float) -> Tensor:
    """The class other than the label that is likeliest after one step up the loss, (N,)."""
    inputs = examples.inputs.detach().requires_grad_()
    loss = F.cross_entropy(model(inputs), examples.labels)
    (gradient,) = torch.autograd.grad(loss, inputs)
    with torch.no_grad():
        logits = model(inputs + step * gradient.sign())
        label = F.one_hot(examples.labels, logits.shape[1]).bool()
        nearest: Tensor = logits.masked_fill(label, -torch.inf).argmax(1)
    return nearest


def _learn(student: nn.Module, gone: Examples, _kept: Examples) -> Tensor:
    return mean_loss(student(gone.inputs), gone.labels)


def boundary_shrink(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    config: BoundaryConfig,
) -> nn.Module:
    """Fine-tune the forget set to each record's nearest other class."""
    relabelled = forget.with_labels(nearest_other_class(model, forget, config.step))
    return descend(model, _learn, relabelled, retain, rng, config.descent)


def boundary_expand(
    model: nn.Module,
    forget: Examples,
    retain: Examples,
    rng: torch.Generator,
    config: BoundaryConfig,
) -> nn.Module:
    """Teach the forget set to an extra class, then cut that class off.

    Raises:
        InputError: When the model does not end in a linear layer.
    """
    expanded = copy.deepcopy(model)
    name, last = list(expanded.named_modules())[-1]
    if not isinstance(last, nn.Linear) or not name:
        raise InputError("boundary expand: the model must end in a linear layer, inside a module")
    parent = expanded.get_submodule(name.rpartition(".")[0])
    leaf = name.rpartition(".")[2]
    classes = last.out_features
    wider = nn.Linear(last.in_features, classes + 1, bias=last.bias is not None, device="meta")
    wider = wider.to_empty(device=last.weight.device).to(last.weight.dtype)
    with torch.no_grad():
        wider.weight[:classes], wider.weight[classes] = last.weight, last.weight.mean(0)
        if last.bias is not None:
            wider.bias[:classes], wider.bias[classes] = last.bias, last.bias.mean()
    setattr(parent, leaf, wider)
    shadow = forget.with_labels(torch.full_like(forget.labels, classes))
    student = descend(expanded, _learn, shadow, retain, rng, config.descent)
    trained = student.get_submodule(name)
    with torch.no_grad():
        last.weight.copy_(trained.get_parameter("weight")[:classes])
        if last.bias is not None:
            last.bias.copy_(trained.get_parameter("bias")[:classes])
    setattr(student.get_submodule(name.rpartition(".")[0]), leaf, last)
    return student
