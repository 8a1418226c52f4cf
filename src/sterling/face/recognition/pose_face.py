"""PoseFace (arXiv 2107.11721): identity and pose in orthogonal subspaces of one feature.

An auto-encoder of landmarks is trained first and frozen. The pose head predicts its code from the
backbone's feature; the identity head is kept orthogonal to the pose head. At test the identity
head alone is used, so that a picture costs what it costs under ArcFace.

    encoder = fit_landmark_autoencoder(landmarks, code=8, seed=0)
    network = PoseFace(backbone, features=128, dimension=64, code=8)
    learner = PoseFaceTraining(network, PoseAdaptiveArcFace(64, people))
    fit_meta(learner, draw_batch, iterations=1000, tasks=1)
    embeddings = network(images)

Loss weights, code size and the auto-encoder's layers are ours: the paper's are not established.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Weight, check_fields
from sterling.errors import InputError
from sterling.face.recognition.pose_margin import PoseAdaptiveArcFace


class LandmarkAutoencoder(nn.Module):
    """Code of two-dimensional landmarks, from which the landmarks can be decoded.

    Landmarks are standardised by mean and deviation of the training faces, codes by `standardise`.

    Args:
        landmarks: Number of landmarks, L.
        code: Dimension of the code.
        width: Width of the hidden layers.
        seed: Seed of the initial weights.

    Raises:
        InputError: A size is below 1.
    """

    mean: Tensor
    deviation: Tensor
    centre: Tensor
    spread: Tensor

    def __init__(self, landmarks: int, code: int = 8, width: int = 64, *, seed: int = 0) -> None:
        super().__init__()
        if min(landmarks, code, width) < 1:
            raise InputError(f"landmarks {landmarks}, code {code}, width {width}: 1 or more each")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.encoder = _perceptron(2 * landmarks, width, code)
            self.decoder = _perceptron(code, width, 2 * landmarks)
        self.register_buffer("mean", torch.zeros(landmarks, 2))
        self.register_buffer("deviation", torch.ones(landmarks, 2))
        self.register_buffer("centre", torch.zeros(code))
        self.register_buffer("spread", torch.ones(code))

    def encode(self, landmarks: Tensor) -> Tensor:
        """Codes (N, C) of landmarks (N, L, 2)."""
        codes: Tensor = self.encoder(((landmarks - self.mean) / self.deviation).flatten(1))
        return (codes - self.centre) / self.spread

    def decode(self, codes: Tensor) -> Tensor:
        """Landmarks (N, L, 2) of codes (N, C)."""
        plain: Tensor = self.decoder(codes * self.spread + self.centre)
        return plain.view(len(codes), *self.mean.shape) * self.deviation + self.mean

    def forward(self, landmarks: Tensor) -> Tensor:
        """Decoded codes of landmarks, (N, L, 2)."""
        return self.decode(self.encode(landmarks))

    def standardise(self, landmarks: Tensor) -> None:
        """Give the codes of these landmarks mean 0 and deviation 1; what decodes stays."""
        with torch.no_grad():
            codes = self.encode(landmarks) * self.spread + self.centre
        self.centre, self.spread = codes.mean(0), codes.std(0).clamp_min(1e-6)


def _perceptron(inputs: int, width: int, outputs: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, width),
        nn.Tanh(),
        nn.Linear(width, width),
        nn.Tanh(),
        nn.Linear(width, outputs),
    )


def fit_landmark_autoencoder(
    landmarks: Tensor,
    *,
    code: int = 8,
    width: int = 64,
    iterations: int = 400,
    batch: int = 256,
    seed: int = 0,
) -> LandmarkAutoencoder:
    """Train a landmark auto-encoder on mean squared error with Adam, and freeze it.

    Args:
        landmarks: Landmarks of training faces, float32 (N, L, 2), two faces or more.
        code: Dimension of the code.
        width: Width of the hidden layers.
        iterations: Steps.
        batch: Faces of a step.
        seed: Seed of weights and batches.

    Returns:
        The auto-encoder in evaluation mode; none of its parameters takes gradients.

    Raises:
        InputError: Landmarks have another shape, or are not finite.
    """
    if landmarks.ndim != 3 or landmarks.shape[-1] != 2 or len(landmarks) < 2:
        raise InputError(f"landmarks {tuple(landmarks.shape)}: give (N, L, 2) of two faces or more")
    if not bool(landmarks.isfinite().all()):
        raise InputError("landmarks: some are not finite; leave these faces out")
    network = LandmarkAutoencoder(landmarks.shape[1], code, width, seed=seed)
    network.mean, network.deviation = landmarks.mean(0), landmarks.std(0).clamp_min(1e-6)
    steps = torch.optim.Adam(network.parameters(), 5e-3)
    draw = torch.Generator().manual_seed(seed)
    for _ in range(iterations):
        rows = torch.randint(len(landmarks), (min(batch, len(landmarks)),), generator=draw)
        off = (network(landmarks[rows]) - landmarks[rows]) / network.deviation
        steps.zero_grad()
        torch.autograd.backward(off.square().mean())
        steps.step()
    network.standardise(landmarks)
    return network.requires_grad_(False).eval()


class PoseFace(nn.Module):
    """A backbone with an identity head and a pose head in orthogonal subspaces.

    Args:
        backbone: Maps pictures to features (N, features).
        features: Dimension d of the backbone's feature h.
        dimension: Dimension of the identity feature f = W_id h.
        code: Dimension of the pose feature p = W_p h, that of the landmark code.
        seed: Seed of the heads' initial weights.

    Raises:
        InputError: Two orthogonal subspaces of these dimensions do not fit.
    """

    def __init__(
        self, backbone: nn.Module, features: int, dimension: int, code: int, *, seed: int = 0
    ) -> None:
        super().__init__()
        if min(dimension, code) < 1 or dimension + code > features:
            raise InputError(
                f"dimension {dimension} and code {code}: 1 or more each, together at most the "
                f"{features} features, or the two subspaces cannot be orthogonal"
            )
        self.backbone = backbone
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.identity = nn.Linear(features, dimension, bias=False)
            self.pose = nn.Linear(features, code, bias=False)

    def forward(self, images: Tensor) -> Tensor:
        """Identity features (N, dimension), not normalised."""
        found: Tensor = self.identity(self.backbone(images))
        return found

    def both(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Identity features (N, dimension) and pose features (N, code)."""
        features = self.backbone(images)
        return self.identity(features), self.pose(features)

    def overlap(self) -> Tensor:
        """Penalty ‖W_id W_pᵀ‖²_F of unit rows: 0 where the subspaces are orthogonal.

        Rows are normalised, or shrinking them would be a solution.
        """
        rows, others = F.normalize(self.identity.weight), F.normalize(self.pose.weight)
        return (rows @ others.T).square().sum()


@dataclass(frozen=True, eq=False)
class PosedBatch:
    """A batch of faces with identities and poses.

    Attributes:
        images: (B, C, S, S).
        labels: Identities, int64 (B,).
        codes: Codes of the landmarks by the frozen auto-encoder, float32 (B, code).
        ratio: Ratio of the additional margin in [0, 1], float32 (B,), as by `pose_ratio`.
    """

    images: Tensor
    labels: Tensor
    codes: Tensor
    ratio: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, rows: Tensor) -> "PosedBatch":
        """Batch of some rows."""
        return PosedBatch(self.images[rows], self.labels[rows], self.codes[rows], self.ratio[rows])

    def to(self, device: str) -> "PosedBatch":
        """Batch on a device."""
        parts = (self.images, self.labels, self.codes, self.ratio)
        return PosedBatch(*(part.to(device) for part in parts))


@dataclass(frozen=True, eq=False)
class PoseFaceTraining:
    """L = L_PAA + λ₁ ‖p - E(landmarks)‖² / code + λ₂ ‖W_id W_pᵀ‖²_F, for `fit_meta`.

    Attributes:
        network: Network to train.
        head: Margin head on identity features; ratios go to it.
        landmarks: λ₁, 0 or more. 0 leaves the pose head out. Ours.
        orthogonality: λ₂, 0 or more. Ours.

    Raises:
        InputError: A weight is below 0.
    """

    network: PoseFace
    head: PoseAdaptiveArcFace
    landmarks: Weight = 1.0
    orthogonality: Weight = 1.0

    def __post_init__(self) -> None:
        check_fields(self)

    def parts(self) -> Mapping[str, nn.Module]:
        """Network and head."""
        return {"network": self.network, "head": self.head}

    def outer_loss(self, task: PosedBatch) -> Tensor:
        """Loss of one batch."""
        identity, pose = self.network.both(task.images)
        loss = F.cross_entropy(self.head(identity, task.labels, task.ratio), task.labels)
        if self.landmarks:
            loss = loss + self.landmarks * F.mse_loss(pose, task.codes)
        if self.orthogonality:
            loss = loss + self.orthogonality * self.network.overlap()
        return loss
