"""Attacks against what they promise: sizes, targets, and a linear network's closed forms."""

import pytest
import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.image.attacks import ATTACKS, TARGETED, Strength, _margin, attack

pytest.importorskip("foolbox", reason="pip install 'sterling[attacks]'")

UNIT = 0.3
STRENGTH = Strength(UNIT, steps=40, samples=4)


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
def problem() -> tuple[nn.Module, Tensor, Tensor]:
    network = Linear().eval()
    images = torch.rand(12, 1, 8, 8, generator=torch.Generator().manual_seed(1)) * 0.6 + 0.2
    with torch.no_grad():
        return network, images, network(images).argmax(dim=1)


def attacked(name: str, problem: tuple[nn.Module, Tensor, Tensor]) -> tuple[Tensor, Tensor]:
    network, images, labels = problem
    return attack(name, network, images, labels, strength=STRENGTH, seed=0, research_use=True)


@pytest.mark.parametrize("name", list(ATTACKS))
def test_attacks_stay_in_range_repeat_by_seed_and_say_when_they_succeed(
    name: str, problem: tuple[nn.Module, Tensor, Tensor]
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
    [
        *((name, 0.3) for name in ("fgsm", "mi_fgsm", "bim", "pgd", "max_confidence")),
        ("spsa", 0.1),
    ],
)
def test_bounded_attacks_keep_their_bound(
    name: str, deviations: float, problem: tuple[nn.Module, Tensor, Tensor]
) -> None:
    shift = (attacked(name, problem)[0] - problem[1]).abs().max()
    assert float(shift) <= deviations * UNIT + 1e-6


def test_the_fast_gradient_is_the_sign_of_the_gradient(
    problem: tuple[nn.Module, Tensor, Tensor],
) -> None:
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
    found, succeeded = attack(
        "deepfool", Two().eval(), images, labels, strength=STRENGTH, seed=0, research_use=True
    )
    assert succeeded.all()
    # Each pixel crosses 0.5, overshooting by 0.02 of the way.
    torch.testing.assert_close(0.5 - found, 0.02 * (images - 0.5), atol=2e-4, rtol=0.1)


def test_the_negative_is_the_negative(problem: tuple[nn.Module, Tensor, Tensor]) -> None:
    torch.testing.assert_close(attacked("semantic", problem)[0], 1 - problem[1])


def test_the_saliency_map_changes_few_pixels_and_each_to_one(
    problem: tuple[nn.Module, Tensor, Tensor],
) -> None:
    found = attacked("jsma", problem)[0]
    changed = found != problem[1]
    assert int(changed.flatten(1).sum(dim=1).max()) <= 7  # a tenth of 64, rounded up
    assert (found[changed] == 1).all()


@pytest.mark.parametrize("name", TARGETED)
def test_targets_are_reached(name: str, problem: tuple[nn.Module, Tensor, Tensor]) -> None:
    network, images, labels = problem
    targets = (labels + 1) % 3
    found, succeeded = attack(
        name,
        network,
        images,
        labels,
        strength=STRENGTH,
        seed=0,
        targets=targets,
        research_use=True,
    )
    with torch.no_grad():
        assert torch.equal(network(found).argmax(dim=1) == targets, succeeded)
    assert float(succeeded.double().mean()) > 0.5


def test_bad_input_is_named(problem: tuple[nn.Module, Tensor, Tensor]) -> None:
    network, images, labels = problem
    settings = {"strength": STRENGTH, "seed": 0}
    with pytest.raises(InputError, match="research_use false"):
        attack("fgsm", network, images, labels, strength=STRENGTH, seed=0)
    for name, extra, named in (
        ("fgsn", {}, "did you mean fgsm"),
        ("semantic", {"targets": labels}, "semantic takes none"),
    ):
        with pytest.raises(InputError, match=named):
            attack(name, network, images, labels, research_use=True, **settings, **extra)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="in training mode"):
        attack("fgsm", Linear(), images, labels, strength=STRENGTH, seed=0, research_use=True)
    with pytest.raises(InputError, match="unit is 0"):
        Strength(0)
