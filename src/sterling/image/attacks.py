"""Attacks on classifiers of pictures, by name, at the settings of MetaAdvDet (ACM MM 2019).

Most are those of foolbox (Rauber et al., 2017). Ours are the four that it lacks: the saliency map,
SPSA, the negative picture, and the greatest confidence. Strengths are given in standard deviations
of the pixels, as the paper's code standardises its pictures; pictures here lie in [0, 1].
"""

import math
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count, Positive, Share, check_fields
from sterling.errors import InputError, unknown_name
from sterling.extras import needs
from sterling.research_use import require_research_use


@dataclass(frozen=True)
class Strength:
    """Strength of attacks.

    Attributes:
        unit: Standard deviation of the pixels: ``epsilon`` of it is a step in [0, 1].
        steps: Steps of iterative attacks, 40 as published; vat takes half, carlini_wagner 2.5 times
            and ead 25 times as many, max_confidence a quarter.
        samples: Number of directions that SPSA tries in each step.
        searches: Searches of ead for its constant, from 1e-3, 9 as published. With one search the
            constant is 10 (ours), or ead would hardly ever succeed.
        centre: Mean of the pixels, about which semantic takes the negative.
    """

    unit: Positive = 0.3
    steps: Count = 40
    samples: Count = 128
    searches: Count = 9
    centre: Share = 0.5

    def __post_init__(self) -> None:
        check_fields(self)


@dataclass(frozen=True, eq=False)
class _Aim:
    """Pictures to attack (N, C, H, W) in [0, 1], true classes (N,), classes to reach or None."""

    network: nn.Module
    images: Tensor
    labels: Tensor
    targets: Tensor | None
    strength: Strength

    def epsilon(self, deviations: float) -> float:
        return deviations * self.strength.unit


def attack(
    name: str,
    network: nn.Module,
    images: Tensor,
    labels: Tensor,
    *,
    strength: Strength,
    seed: int,
    targets: Tensor | None = None,
    research_use: bool = False,
) -> tuple[Tensor, Tensor]:
    """Attack pictures.

    Args:
        name: One of `ATTACKS`.
        network: Network in evaluation mode, which maps pictures to logits one by one.
        images: Pictures (N, C, H, W) in [0, 1].
        labels: Classes of the pictures (N,).
        strength: Strength of the attack.
        seed: Seed of random starts, targets and directions.
        targets: Classes to reach, for those in `TARGETED`; None takes any wrong one.
        research_use: Must be true.

    Returns:
        The attacked pictures, in [0, 1], and whether the network errs on each, bool (N,).

    Raises:
        InputError: There is no such attack, it takes no targets, foolbox is missing, or
            `research_use` is false.
    """
    require_research_use(research_use)
    if name not in ATTACKS:
        raise unknown_name("attack", name, ATTACKS)
    if targets is not None and name not in TARGETED:
        raise InputError(f"targets: {name} takes none; those that do: {', '.join(TARGETED)}")
    if network.training:
        raise InputError("network: in training mode its answers depend on the batch; call eval()")
    devices = [images.device] if images.device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):  # foolbox draws from the global generator
        torch.manual_seed(seed)
        found = ATTACKS[name](_Aim(network, images, labels, targets, strength)).detach()
    with torch.no_grad():
        answers = network(found).argmax(dim=1)
    return found, answers != labels if targets is None else answers == targets


# Attacks of foolbox


def _foolbox() -> Any:
    with needs("attacks", "an attack on pictures"), warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # of SciPy, by foolbox's imports
        import foolbox
    return foolbox


def _by_foolbox(
    name: str, settings: Callable[[_Aim], dict[str, Any]], epsilon: float | None = None
) -> Callable[[_Aim], Tensor]:
    """Return an attack of foolbox within `epsilon` deviations, or of the least size that errs."""

    def run(aim: _Aim) -> Tensor:
        foolbox = _foolbox()
        model = foolbox.PyTorchModel(aim.network, bounds=(0, 1), device=aim.images.device)
        criterion = (
            foolbox.criteria.Misclassification(aim.labels)
            if aim.targets is None
            else foolbox.criteria.TargetedMisclassification(aim.targets)
        )
        method = getattr(foolbox.attacks, name)(**settings(aim))
        size = None if epsilon is None else aim.epsilon(epsilon)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # of torch, by foolbox's grid_sample
            _, clipped, _ = method(model, aim.images, criterion, epsilons=size)
        found: Tensor = clipped
        return found

    return run


def _steps(size: float, share: float = 1.0) -> Callable[[_Aim], dict[str, Any]]:
    return lambda aim: {
        "steps": math.ceil(share * aim.strength.steps),
        "abs_stepsize": aim.epsilon(size),
    }


def _carlini_wagner(aim: _Aim) -> dict[str, Any]:
    return {
        "binary_search_steps": 1,
        "steps": math.ceil(2.5 * aim.strength.steps),
        "initial_const": 10,
        "stepsize": 0.2,
    }


def _elastic_net(aim: _Aim) -> dict[str, Any]:
    searches = aim.strength.searches
    return {
        "binary_search_steps": searches,
        "steps": 25 * aim.strength.steps,
        "initial_const": 1e-3 if searches > 1 else 10,
        "initial_stepsize": 0.01,
    }


def _shifts(aim: _Aim) -> dict[str, Any]:
    return {
        "max_translation": 0.1 * aim.images.shape[-1],
        "max_rotation": 30,
        "num_translations": 10,
        "num_rotations": 6,
    }


# Ours


def _negative(aim: _Aim) -> Tensor:
    """Return the negative about the pixels' mean, cut to [0, 1] (Hosseini et al., 2017)."""
    return (2 * aim.strength.centre - aim.images).clamp(0, 1)


def _saliency_map(aim: _Aim) -> Tensor:
    """Raise the one pixel that helps a target class most (Papernot et al., 2016), again and again.

    Up to a tenth of the pixels, each to 1; targets are drawn. One pixel at a time instead of pairs
    is ours.
    """
    x, targets = aim.images.clone(), _other_classes(aim)
    ahead = torch.arange(len(x), device=x.device)  # pictures whose target is not reached yet
    for _ in range(math.ceil(0.1 * x[0].numel())):
        with torch.enable_grad():
            watched = x[ahead].requires_grad_()
            logits = aim.network(watched)
            reach = logits.gather(1, targets[ahead, None]).sum()
            (towards,) = torch.autograd.grad(reach, watched, retain_graph=True)
            (rest,) = torch.autograd.grad(logits.sum() - reach, watched)
        useful = (towards > 0) & (rest < 0) & (watched < 1)
        worth = torch.where(useful, towards * -rest, torch.zeros_like(rest)).flatten(1)
        value, place = worth.max(dim=1)
        moves = (logits.argmax(dim=1) != targets[ahead]) & (value > 0)
        ahead, place = ahead[moves], place[moves]
        if len(ahead) == 0:
            break
        x.flatten(1)[ahead, place] = 1.0
    return x


def _spsa(aim: _Aim, rate: float = 0.01, probe: float = 0.01) -> Tensor:
    """Lower the margin by finite differences along random signs (Uesato et al., ICML 2018).

    By Adam, within 0.1 deviations.
    """
    size, samples = aim.epsilon(0.1), aim.strength.samples
    shift = torch.zeros_like(aim.images, requires_grad=True)
    steps = torch.optim.Adam([shift], rate)
    for _ in range(aim.strength.steps):
        slope = torch.zeros_like(shift)
        for _ in range(samples):
            signs = torch.randint(0, 2, shift.shape, device=shift.device).to(shift) * 2 - 1
            with torch.no_grad():
                ahead, behind = (
                    _margin(aim.network(aim.images + shift + way * probe * signs), aim.labels)
                    for way in (1, -1)
                )
            slope += ((ahead - behind) / (2 * probe)).view(-1, 1, 1, 1) * signs / samples
        shift.grad = slope
        steps.step()
        with torch.no_grad():
            shift.clamp_(-size, size)
            shift.copy_((aim.images + shift).clamp(0, 1) - aim.images)
    found: Tensor = aim.images + shift
    return found


def _greatest_confidence(aim: _Aim) -> Tensor:
    """Descend to every wrong class and keep the one that ends surest (MaxConfidence).

    Goodfellow et al., "MaxConfidence", 2018.
    """
    descent = _by_foolbox("LinfPGD", _steps(0.05, 0.25), 0.3)
    with torch.no_grad():
        classes = aim.network(aim.images[:1]).shape[1]
    best, confidence = aim.images, torch.full(aim.labels.shape, -math.inf, device=aim.images.device)
    for step in range(1, classes):
        targets = (aim.labels + step) % classes
        found = descent(_Aim(aim.network, aim.images, aim.labels, targets, aim.strength))
        with torch.no_grad():
            sure = F.softmax(aim.network(found), dim=1)
        reached = sure.gather(1, targets[:, None])[:, 0]
        better = reached > confidence
        best = torch.where(better.view(-1, 1, 1, 1), found, best)
        confidence = torch.where(better, reached, confidence)
    return best


def _other_classes(aim: _Aim) -> Tensor:
    """Return a wrong class for each picture."""
    if aim.targets is not None:
        return aim.targets
    with torch.no_grad():
        classes = aim.network(aim.images[:1]).shape[1]
    step = torch.randint(1, classes, aim.labels.shape, device=aim.labels.device)
    return torch.remainder(aim.labels + step, classes)


def _margin(logits: Tensor, labels: Tensor) -> Tensor:
    """Return the margin of the true class over the best other one."""
    true = F.one_hot(labels, logits.shape[1]).bool()
    others = logits.masked_fill(true, -math.inf).amax(dim=1)
    return logits[true] - others


ATTACKS: dict[str, Callable[[_Aim], Tensor]] = {
    "fgsm": _by_foolbox("LinfFastGradientAttack", lambda _: {}, 0.3),
    "mi_fgsm": _by_foolbox(
        "LinfMomentumIterativeFastGradientMethod",
        lambda aim: {**_steps(0.1)(aim), "momentum": 1.0},
        0.3,
    ),
    "bim": _by_foolbox("LinfBasicIterativeAttack", _steps(0.05), 0.3),
    "pgd": _by_foolbox("LinfPGD", _steps(0.05), 0.3),
    "carlini_wagner": _by_foolbox("L2CarliniWagnerAttack", _carlini_wagner),
    "jsma": _saliency_map,
    "spsa": _spsa,
    "vat": _by_foolbox(
        "VirtualAdversarialAttack",
        lambda aim: {"steps": math.ceil(aim.strength.steps / 2), "xi": 1e-6},
        6.0,
    ),
    "max_confidence": _greatest_confidence,
    "ead": _by_foolbox("EADAttack", _elastic_net),
    "semantic": _negative,
    "deepfool": _by_foolbox(
        "L2DeepFoolAttack", lambda aim: {"steps": aim.strength.steps, "overshoot": 0.02}
    ),
    "spatial": _by_foolbox("SpatialAttack", _shifts),
    "newton_fool": _by_foolbox(
        "NewtonFoolAttack", lambda aim: {"steps": aim.strength.steps, "stepsize": 0.01}
    ),
}
"""Attacks of the paper; it learns from the first nine and tests on the others."""

TARGETED = ("bim", "pgd", "carlini_wagner", "ead", "jsma")
"""Attacks that take classes to reach."""
