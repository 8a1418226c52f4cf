"""PoseFace: margins by pose, orthogonal subspaces, and the landmark auto-encoder."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from sterling.adapt import fit_meta
from sterling.errors import InputError
from sterling.face.recognition import (
    ArcFace,
    FaceEncoder,
    LandmarkAutoencoder,
    PoseAdaptiveArcFace,
    PosedBatch,
    PoseFace,
    PoseFaceTraining,
    fit_landmark_autoencoder,
    pose_ratio,
    yaw_ratio,
)
from sterling.face.recognition.heads import with_angular_margin


def _pair(
    margin: float, extra: float, arcface_margin: float
) -> tuple[PoseAdaptiveArcFace, ArcFace, torch.Tensor, torch.Tensor]:
    """Both heads with the same weights; embeddings, some of them opposite to their identity."""
    torch.manual_seed(3)
    adaptive = PoseAdaptiveArcFace(8, 5, margin=margin, extra=extra)
    arcface = ArcFace(8, 5, margin=arcface_margin)
    arcface.load_state_dict(adaptive.state_dict())
    labels = torch.arange(400) % 5
    embeddings = torch.randn(400, 8)
    embeddings[::4] = -adaptive.weight.detach()[labels[::4]] + 1e-3 * torch.randn(100, 8)
    return adaptive, arcface, embeddings.requires_grad_(), labels


@pytest.mark.parametrize("margin", [0.1, 0.4, 0.5, 1.3])
def test_without_extra_margin_it_is_arcface_to_the_bit(margin: float) -> None:
    """Logits and gradients are those of ArcFace, whatever the ratios."""
    adaptive, arcface, embeddings, labels = _pair(margin, 0.0, margin)
    own = adaptive(embeddings, labels, torch.rand(400))
    plain = arcface(embeddings, labels)
    assert torch.equal(own, plain)
    weights = torch.randn_like(plain)
    (one,) = torch.autograd.grad((own * weights).sum(), embeddings)
    (other,) = torch.autograd.grad((plain * weights).sum(), embeddings)
    assert torch.equal(one, other)


def test_full_profiles_have_the_margin_of_both() -> None:
    """At r = 1 it is ArcFace at m_b + Δm; at r = 0, at m_b."""
    adaptive, wide, embeddings, labels = _pair(0.4, 0.2, 0.6)
    assert torch.allclose(
        adaptive(embeddings, labels, torch.ones(400)), wide(embeddings, labels), atol=1e-4
    )
    frontal = ArcFace(8, 5, margin=0.4)
    frontal.load_state_dict(adaptive.state_dict())
    zeros = adaptive(embeddings, labels, torch.zeros(400))
    assert torch.equal(zeros, frontal(embeddings, labels))
    assert torch.equal(adaptive(embeddings, labels), frontal(embeddings, labels))
    assert torch.equal(adaptive(embeddings), frontal(embeddings))


def test_each_picture_has_its_own_margin() -> None:
    """The logit of the true identity is s cos(θ + m_b + r Δm) by direct trigonometry."""
    adaptive, _, embeddings, labels = _pair(0.3, 0.4, 0.3)
    ratio = torch.rand(400)
    logits = adaptive(embeddings, labels, ratio).detach().double()
    cosine = (F.normalize(embeddings.double()) * F.normalize(adaptive.weight.double())[labels]).sum(
        1
    )
    angle = cosine.detach().acos()
    margin = 0.3 + 0.4 * ratio.double()
    within = angle + margin < math.pi - 0.05
    expected = 64 * (angle + margin).cos()
    own = logits.gather(1, labels[:, None])[:, 0]
    assert int(within.sum()) > 200
    assert torch.allclose(own[within], expected[within], atol=2e-3)


def test_the_margin_lowers_the_logit_everywhere_and_gradients_agree() -> None:
    """The widened cosine decreases in the angle also beyond π; gradients match differences."""
    angles = torch.linspace(0.05, math.pi - 0.02, 500, dtype=torch.float64)
    margins = torch.full((500,), 0.7, dtype=torch.float64)
    wide = with_angular_margin(angles.cos(), margins)
    assert bool((wide.diff() < 0).all())
    assert bool((wide < angles.cos()).all())
    # Away from θ = π - m, where the two branches meet.
    cosines = torch.tensor([-0.999, -0.9, 0.0, 0.5, 0.99], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(
        lambda x: with_angular_margin(x, torch.full((5,), 0.7, dtype=torch.float64)), (cosines,)
    )


def test_ratios_of_poses() -> None:
    """0 for frontal faces, 1 for profiles, symmetric, rising with the angle."""
    angles = torch.linspace(-90, 90, 37)
    for ratio in (pose_ratio(angles, torch.zeros(37)), yaw_ratio(angles)):
        assert torch.allclose(ratio, ratio.flip(0), atol=1e-6)
        assert bool((ratio[18:].diff() > 0).all())
        assert float(ratio[18]) == 0
        assert float(ratio[-1]) == pytest.approx(1, abs=1e-6)
    assert float(pose_ratio(torch.tensor(0.0), torch.tensor(60.0))) == pytest.approx(0.5, abs=1e-6)


def test_refusals() -> None:
    """Ratios and margins out of range, subspaces that do not fit, landmarks that are none."""
    head = PoseAdaptiveArcFace(4, 3)
    with pytest.raises(InputError, match="0 to 1"):
        head(torch.randn(2, 4), torch.tensor([0, 1]), torch.tensor([0.5, 1.5]))
    with pytest.raises(InputError, match="0 to 1"):
        head(torch.randn(2, 4), torch.tensor([0, 1]), torch.tensor([0.5]))
    with pytest.raises(InputError, match="below π"):
        PoseAdaptiveArcFace(4, 3, margin=3.0, extra=0.2)
    with pytest.raises(InputError, match="cannot be orthogonal"):
        PoseFace(nn.Identity(), 16, 12, 5)
    with pytest.raises(InputError, match="two faces"):
        fit_landmark_autoencoder(torch.randn(5, 7))
    with pytest.raises(InputError, match="finite"):
        fit_landmark_autoencoder(torch.full((5, 7, 2), torch.nan))
    with pytest.raises(InputError, match="1 or more"):
        LandmarkAutoencoder(0)


def test_overlap_is_the_squared_cosines_of_all_rows() -> None:
    """It matches a loop over rows, ignores their lengths, and is 0 for orthogonal subspaces."""
    network = PoseFace(nn.Identity(), 12, 5, 3, seed=1)
    rows, others = network.identity.weight.detach(), network.pose.weight.detach()
    expected = sum(
        float(F.cosine_similarity(one, other, dim=0)) ** 2 for one in rows for other in others
    )
    assert float(network.overlap().detach()) == pytest.approx(expected, rel=1e-5)
    with torch.no_grad():
        network.identity.weight *= 7.0
        network.pose.weight *= 0.01
    assert float(network.overlap().detach()) == pytest.approx(expected, rel=1e-4)
    basis = torch.linalg.qr(torch.randn(12, 12)).Q.T
    with torch.no_grad():
        network.identity.weight.copy_(basis[:5])
        network.pose.weight.copy_(basis[5:8])
    assert float(network.overlap().detach()) < 1e-10


def test_gradient_of_the_overlap() -> None:
    """It matches finite differences."""
    network = PoseFace(nn.Identity(), 6, 3, 2, seed=2).double()

    rows, others = network.identity.weight, network.pose.weight
    gradients = torch.autograd.grad(network.overlap(), (rows, others))
    for weight, gradient in zip((rows, others), gradients, strict=True):
        direction = torch.randn(weight.shape, dtype=torch.float64)
        ends = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                weight += step * direction
                ends.append(float(network.overlap()))
                weight -= step * direction
        slope = (ends[0] - ends[1]) / 2e-5
        assert slope == pytest.approx(float((gradient * direction).sum()), rel=1e-6)


def _posed_batch() -> PosedBatch:
    """Pictures with a bright column for the pose and a bright row for the person."""
    torch.manual_seed(0)
    labels = torch.arange(48) % 6
    pose = torch.randint(0, 16, (48,))
    images = 0.1 * torch.randn(48, 1, 16, 16)
    images[torch.arange(48), 0, 2 * labels + 2] += 1
    images[torch.arange(48), 0, :, pose] += 1
    codes = ((pose - 7.5) / 4.6)[:, None].repeat(1, 2)
    return PosedBatch(images, labels, codes, (pose / 15 - 0.5).abs() * 2)


def test_training_makes_the_subspaces_orthogonal() -> None:
    """‖W_id W_pᵀ‖ falls more than tenfold; without the penalty it does not."""
    batch = _posed_batch()
    falls = {}
    for weight in (1.0, 0.0):
        network = PoseFace(FaceEncoder(1, 16, 4, 24, seed=1), 24, 12, 2, seed=1)
        torch.manual_seed(1)
        head = PoseAdaptiveArcFace(12, 6, scale=16.0)
        before = float(network.overlap().detach().sqrt())
        learner = PoseFaceTraining(network, head, 1.0, weight)
        history = fit_meta(
            learner,
            lambda _number: batch,
            iterations=150,
            tasks=1,
            optimizer=lambda parameters: torch.optim.Adam(parameters, 5e-3),
        )
        assert history.losses[-1] < history.losses[0] / 2
        falls[weight] = before / float(network.overlap().detach().sqrt())
    assert falls[1.0] > 10
    assert falls[0.0] < 2


def test_loss_is_the_sum_of_its_parts() -> None:
    """Weights of 0 leave ArcFace's loss; each part adds what its own formula says."""
    batch = _posed_batch()
    network = PoseFace(FaceEncoder(1, 16, 4, 24), 24, 12, 2)
    head = PoseAdaptiveArcFace(12, 6, extra=0.0)
    with torch.no_grad():
        plain = PoseFaceTraining(network, head, 0.0, 0.0).outer_loss(batch)
        arcface = ArcFace(12, 6, margin=head.margin)
        arcface.load_state_dict(head.state_dict())
        identity, pose = network.both(batch.images)
        expected = F.cross_entropy(arcface(identity, batch.labels), batch.labels)
        assert torch.equal(plain, expected)
        assert torch.equal(identity, network(batch.images))
        whole = PoseFaceTraining(network, head, 2.0, 3.0).outer_loss(batch)
        parts = plain + 2 * (pose - batch.codes).square().mean() + 3 * network.overlap()
    assert float(whole) == pytest.approx(float(parts), rel=1e-5)


def test_the_code_holds_the_landmarks() -> None:
    """Landmarks of a three-number family are decoded from a code of three, not from one of one."""
    generator = torch.Generator().manual_seed(0)
    basis = torch.randn(3, 17, 2, generator=generator)
    faces = torch.einsum("nk,klc->nlc", torch.randn(600, 3, generator=generator), basis) + 5
    known, other = faces[:500], faces[500:]
    spread = float(known.std(0).mean())
    errors = {}
    for code in (1, 3):
        network = fit_landmark_autoencoder(known, code=code, iterations=500, seed=1)
        errors[code] = float((network(other) - other).square().mean().sqrt()) / spread
    assert errors[3] < 0.2
    assert errors[1] > 2 * errors[3]


def test_the_autoencoder_is_frozen_and_standardised() -> None:
    """No parameter takes gradients; codes of the training faces have mean 0 and deviation 1."""
    faces = torch.randn(200, 5, 2, generator=torch.Generator().manual_seed(1))
    network = fit_landmark_autoencoder(faces, code=4, iterations=30)
    assert not any(one.requires_grad for one in network.parameters())
    codes = network.encode(faces)
    assert torch.allclose(codes.mean(0), torch.zeros(4), atol=1e-4)
    assert torch.allclose(codes.std(0), torch.ones(4), atol=1e-3)
    before = network(faces)
    network.standardise(3 * faces)
    assert torch.allclose(network(faces), before, atol=1e-4)
