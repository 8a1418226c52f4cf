"""Attacks against what they promise: sizes, targets, and a linear network's closed forms."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.image.attacks import (
    ATTACKS,
    TARGETED,
    Strength,
    _Aim,
    _carlini_wagner,
    _elastic_net,
    _margin,
    _shifts,
    attack,
)

pytest.importorskip("foolbox", reason="pip install 'sterling[attacks]'")

UNIT = 0.3
Problem = tuple[nn.Module, Tensor, Tensor]
STRENGTH = Strength(UNIT, steps=40, samples=4, searches=1, centre=0.45)


class Linear(nn.Module):
    """Three classes by inner products with three pictures."""

    def __init__(self) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(0)
        self.weight = nn.Parameter(torch.randn(3, 64, generator=draw))

    def forward(self, x: Tensor) -> Tensor:
        logits: Tensor = (x.flatten(1) - 0.5) @ self.weight.T
        return logits


@pytest.fixture(scope="module")
def problem() -> Problem:
    network = Linear().eval()
    images = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 0.6 + 0.2
    with torch.no_grad():
        return network, images, network(images).argmax(dim=1)


def attacked(name: str, problem: Problem, targets: Tensor | None = None) -> tuple[Tensor, Tensor]:
    settings: Any = {"strength": STRENGTH, "seed": 0, "research_use": True, "targets": targets}
    return attack(name, *problem, **settings)


@pytest.mark.parametrize("name", list(ATTACKS))
def test_attacks_stay_in_range_repeat_by_seed_and_say_when_they_succeed(
    name: str, problem: Problem
) -> None:
    network, images, labels = problem
    found, succeeded = attacked(name, problem)
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    torch.testing.assert_close(attacked(name, problem)[0], found, atol=0, rtol=0)
    with torch.no_grad():
        assert torch.equal(succeeded, network(found).argmax(dim=1) != labels)
        before, after = (_margin(network(one), labels).mean() for one in (images, found))
    assert float(after) < float(before)
    assert succeeded.any()


@pytest.mark.parametrize(
    ("name", "deviations"),
    [*((name, 0.3) for name in ("fgsm", "mi_fgsm", "bim", "pgd", "max_confidence")), ("spsa", 0.1)],
)
def test_bounded_attacks_keep_their_bound(name: str, deviations: float, problem: Problem) -> None:
    shift = (attacked(name, problem)[0] - problem[1]).abs().max()
    assert float(shift) <= deviations * UNIT + 1e-6


def test_the_fast_gradient_is_the_sign_of_the_gradient(problem: Problem) -> None:
    network, images, labels = problem
    watched = images.clone().requires_grad_()
    loss = nn.functional.cross_entropy(network(watched), labels)
    (slope,) = torch.autograd.grad(loss, watched)
    expected = (images + 0.3 * UNIT * slope.sign()).clamp(0, 1)
    torch.testing.assert_close(attacked("fgsm", problem)[0], expected)


def test_a_least_attack_on_two_linear_classes_is_the_step_to_their_border() -> None:
    class Two(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            side = (x.flatten(1) - 0.5).sum(dim=1)
            return torch.stack([side, -side], dim=1)

    images = torch.full((4, 1, 8, 8), 0.5) + torch.linspace(0.01, 0.05, 4).view(4, 1, 1, 1)
    labels = torch.zeros(4, dtype=torch.long)
    found, succeeded = attacked("deepfool", (Two().eval(), images, labels))
    assert succeeded.all()
    # Each pixel crosses 0.5, overshooting by 0.02 of the way.
    torch.testing.assert_close(0.5 - found, 0.02 * (images - 0.5), atol=2e-4, rtol=0.1)


def test_the_negative_is_the_negative(problem: Problem) -> None:
    found = attacked("semantic", problem)[0]
    torch.testing.assert_close(found, (0.9 - problem[1]).clamp(0, 1))  # about a mean of 0.45
    # -x of standardised pixels.
    inner = (found > 0) & (found < 1)
    standard = (problem[1] - 0.45) / UNIT
    torch.testing.assert_close(((found - 0.45) / UNIT)[inner], -standard[inner])


def test_settings_are_those_of_the_released_code(problem: Problem) -> None:
    network, images, labels = problem
    aim = _Aim(network, images, labels, None, Strength(UNIT))
    assert _elastic_net(aim) == {
        "binary_search_steps": 9,
        "steps": 1000,
        "initial_const": 1e-3,
        "initial_stepsize": 0.01,
    }
    assert _carlini_wagner(aim)["steps"] == 100
    shifts = _shifts(aim)
    assert (shifts["max_rotation"], shifts["num_rotations"]) == (30, 6)
    assert shifts["max_translation"] == pytest.approx(0.8)  # a tenth of 8 pixels
    assert shifts["num_translations"] == 10
    # One step of 0.05 deviations moves a pixel by that at most.
    for name in ("bim", "pgd"):
        one = attack(name, *problem, strength=Strength(UNIT, steps=1), seed=0, research_use=True)[0]
        reach = 0.05 if name == "bim" else 0.35  # pgd starts anywhere within 0.3
        moved = (one - images).abs().max()
        assert float(moved) <= min(reach, 0.3) * UNIT + 1e-6
    bim = attack("bim", *problem, strength=Strength(UNIT, steps=1), seed=0, research_use=True)[0]
    assert float((bim - images).abs().max()) == pytest.approx(0.05 * UNIT, rel=1e-4)


def test_the_saliency_map_changes_few_pixels_and_each_to_one(problem: Problem) -> None:
    found = attacked("jsma", problem)[0]
    changed = found != problem[1]
    assert int(changed.flatten(1).sum(dim=1).max()) <= 7  # a tenth of 64, rounded up
    assert (found[changed] == 1).all()


@pytest.mark.parametrize("name", TARGETED)
def test_targets_are_reached(name: str, problem: Problem) -> None:
    network, _, labels = problem
    targets = (labels + 1) % 3
    found, succeeded = attacked(name, problem, targets)
    with torch.no_grad():
        assert torch.equal(network(found).argmax(dim=1) == targets, succeeded)
    assert float(succeeded.double().mean()) > 0.5


def test_bad_input_is_named(problem: Problem) -> None:
    _, images, labels = problem
    for message, call in (
        ("research_use false", lambda: attack("fgsm", *problem, strength=STRENGTH, seed=0)),
        ("did you mean fgsm", lambda: attacked("fgsn", problem)),
        ("semantic takes none", lambda: attacked("semantic", problem, labels)),
        ("in training mode", lambda: attacked("fgsm", (Linear(), images, labels))),
        ("unit is 0", lambda: Strength(0)),
    ):
        with pytest.raises(InputError, match=message):
            call()
