import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from sterling.errors import InputError
from sterling.face.recognition import (
    TEMPLATE,
    AdaFace,
    ArcFace,
    CosFace,
    align_to_template,
    similarity_transform,
    verification_accuracy,
)

DRAW = torch.Generator().manual_seed(0)
EMBEDDINGS = torch.randn(12, 8, generator=DRAW) * 3
LABELS = torch.arange(12) % 5


@pytest.mark.parametrize("head", [CosFace, ArcFace, AdaFace])
def test_without_a_margin_each_is_a_scaled_softmax(head: type[nn.Module]) -> None:
    module = head(8, 5, scale=16.0, margin=0.0)
    plain = 16 * F.normalize(EMBEDDINGS) @ F.normalize(module.get_parameter("weight")).T
    torch.testing.assert_close(module(EMBEDDINGS, LABELS), plain, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(module(EMBEDDINGS), plain, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("head", [CosFace, ArcFace, AdaFace])
def test_the_margin_lowers_the_true_identity_alone(head: type[nn.Module]) -> None:
    module = head(8, 5).train(mode=False)
    logits, without = module(EMBEDDINGS, LABELS), module(EMBEDDINGS)
    own = F.one_hot(LABELS, 5).bool()
    assert bool((logits[own] < without[own]).all())
    torch.testing.assert_close(logits[~own], without[~own])


def arc(angle: torch.Tensor, margin: float) -> torch.Tensor:
    """ArcFace's logit at an angle to the true identity, scale 1."""
    head = ArcFace(2, 2, scale=1.0, margin=margin)
    with torch.no_grad():
        head.weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0]]))
    vectors = torch.stack([angle.cos(), angle.sin()], dim=1)
    logits: torch.Tensor = head(vectors, torch.zeros(len(angle), dtype=torch.int64))[:, 0]
    return logits


def test_arcface_adds_the_margin_to_the_angle_and_falls_throughout() -> None:
    angle = torch.linspace(0.01, math.pi - 0.01, 400)
    logits = arc(angle, 0.5)
    inside = angle < math.pi - 0.51
    torch.testing.assert_close(logits[inside], (angle[inside] + 0.5).cos(), atol=1e-5, rtol=1e-5)
    assert bool((logits.diff() < 0).all())


@pytest.mark.parametrize("margin", [0.3, 0.5])
def test_the_gradient_is_the_closed_form_on_both_sides_of_the_edge(margin: float) -> None:
    """-sin(θ + m) before π - m, and -sin θ behind it, where the logit is cos θ less a constant."""
    edge = math.pi - margin
    angle = torch.tensor([edge - 0.02, edge - 0.002, edge + 0.002, edge + 0.02])
    angle.requires_grad_(True)
    arc(angle, margin).sum().backward()  # type: ignore[no-untyped-call]
    inside = torch.tensor([True, True, False, False])
    with torch.no_grad():
        expected = torch.where(inside, -(angle + margin).sin(), -angle.sin())
    assert angle.grad is not None
    torch.testing.assert_close(angle.grad, expected, atol=1e-3, rtol=1e-3)


def test_gradients_are_finite_at_the_edges() -> None:
    angle = torch.tensor([0.0, math.pi - 0.5, math.pi], requires_grad=True)
    arc(angle, 0.5).sum().backward()  # type: ignore[no-untyped-call]
    assert angle.grad is not None
    assert bool(angle.grad.isfinite().all())


def test_adaface_is_a_margin_of_angle_for_poor_and_of_cosine_for_middling_quality() -> None:
    head = AdaFace(8, 5, scale=1.0).train(mode=False)
    cosines = head.cosines(EMBEDDINGS).gather(1, LABELS[:, None])[:, 0]

    def own(quality: float) -> torch.Tensor:
        # Mean and deviation such that every length has this quality.
        head.mean.fill_(0.0 if quality > 0 else 1e6 if quality < 0 else 0.0)
        head.deviation.fill_(1e-6 if quality else 1e12)
        logits: torch.Tensor = head(EMBEDDINGS, LABELS).gather(1, LABELS[:, None])[:, 0]
        return logits

    angle = cosines.acos()
    torch.testing.assert_close(
        own(-1), (angle + 0.4).clamp(max=math.pi).cos(), atol=1e-4, rtol=1e-4
    )
    torch.testing.assert_close(own(0), cosines - 0.4, atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(own(1), (angle - 0.4).clamp(min=0).cos() - 0.8, atol=1e-4, rtol=1e-4)


@given(
    st.floats(-math.pi, math.pi), st.floats(0.05, 20), st.floats(-300, 300), st.floats(-300, 300)
)
def test_a_similarity_is_recovered(turn: float, scale: float, x: float, y: float) -> None:
    matrix = scale * np.array([[math.cos(turn), -math.sin(turn)], [math.sin(turn), math.cos(turn)]])
    moved = TEMPLATE @ matrix.T + [x, y]
    found = similarity_transform(TEMPLATE, moved)
    np.testing.assert_allclose(found, np.column_stack([matrix, [x, y]]), atol=1e-6 * (1 + scale))


def test_mirrored_points_are_turned_and_not_reflected() -> None:
    found = similarity_transform(TEMPLATE, TEMPLATE * [-1, 1])
    assert np.linalg.det(found[:, :2]) > 0


@pytest.mark.parametrize("size", [112, 224])
def test_landmarks_come_to_lie_on_the_template(size: int) -> None:
    landmarks = TEMPLATE * 1.7 + [40, 20]
    image = np.zeros((300, 300, 3), dtype=np.uint8)
    for x, y in landmarks.round().astype(int):
        image[y - 2 : y + 3, x - 2 : x + 3] = 255
    crop = align_to_template(image, landmarks, size).mean(axis=2)
    assert crop.shape == (size, size)
    for x, y in TEMPLATE * size / 112:
        around = crop[int(y) - 8 : int(y) + 9, int(x) - 8 : int(x) + 9]
        rows, columns = np.indices(around.shape)
        centre = [(axis * around).sum() / around.sum() for axis in (columns, rows)]
        found = np.add(centre, (int(x) - 8, int(y) - 8))
        np.testing.assert_allclose(found, [x, y], atol=1.0)


def test_identities_apart_are_verified_and_permuted_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    identity = rng.normal(size=(60, 16))
    first = np.repeat(identity, 2, axis=0) + 0.1 * rng.normal(size=(120, 16))
    second = first + 0.1 * rng.normal(size=first.shape)
    second[1::2] = np.roll(second[1::2], 1, axis=0)
    same = np.tile([True, False], 60)
    assert verification_accuracy(3 * first, second, same).mean > 0.98
    assert verification_accuracy(first, second, rng.permutation(same)).mean < 0.7


def test_bad_input_is_named() -> None:
    with pytest.raises(InputError, match="first: give finite"):
        verification_accuracy(np.zeros((4, 2)), np.ones((4, 2)), [True] * 4, folds=2)
    with pytest.raises(InputError, match="second"):
        verification_accuracy(np.ones((4, 2)), np.ones((4, 3)), [True] * 4, folds=2)
    with pytest.raises(InputError, match="five points"):
        align_to_template(np.zeros((9, 9, 3), dtype=np.uint8), TEMPLATE[:4])
    with pytest.raises(InputError, match="one place"):
        align_to_template(np.zeros((9, 9, 3), dtype=np.uint8), np.ones((5, 2)))
    with pytest.raises(InputError, match="identities 1"):
        ArcFace(8, 1)
