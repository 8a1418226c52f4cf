"""Cells of the study: every system is trained on the same heads and tested on other people."""

from collections.abc import Iterator
from functools import partial
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from sklearn.linear_model import Ridge
from sklearn.model_selection import GroupKFold, cross_val_predict
from torch import Tensor, nn

from sterling.adapt import MetaLearner, fit_meta
from sterling.face.recognition import (
    AdaFace,
    AlignmentTemplate,
    Classification,
    CosFace,
    FaceEncoder,
    Identities,
    LandmarkAutoencoder,
    PoseAdaptiveArcFace,
    PosedBatch,
    PoseFace,
    PoseFaceTraining,
    RenderedHeads,
    draw_yaws,
    fit_landmark_autoencoder,
    pair_auc,
    pose_ratio,
    render_heads,
)
from sterling.measure import tar_at_far
from sterling.runs import Cell, Row, derive_seed
from sterling.study import Config, row

POSEFACE, MARGIN, LANDMARKS = "poseface", "pose margin alone", "without orthogonality"
ARCFACE, COSFACE, ADAFACE = "arcface", "cosface", "adaface"
SYSTEMS = (POSEFACE, MARGIN, LANDMARKS, ARCFACE, COSFACE, ADAFACE)
PROFILE, FRONTAL, EVERY = "frontal to profile", "frontal to frontal", "all poses"
PAIRS = (PROFILE, FRONTAL, EVERY)
LIGHTS = ("office", "window", "overcast", "lamp")
# Bands of absolute yaw of the test pictures in degrees, and pictures of each person in each.
BANDS = ((0.0, 10.0, 3), (10.0, 60.0, 3), (60.0, 90.0, 4))
TEST = 1_000_000  # number of the first test person; training people have lower ones
STRENGTH = 1e-2  # of the ridge that reads yaw; ours


class PoseFaceConfig(Config):
    """Settings of the study.

    Attributes:
        seeds: Repetitions, each with other people, poses and weights.
        people, poses, lights: People to train on, poses of each, pictures of each pose.
        near_frontal: Share of training poses with a yaw within ±30°.
        tested: People to test on, of ten poses each.
        pictures: Pictures of each person of ``--data``, at most.
        size: Side of the aligned faces in pixels.
        width, features: Channels of the backbone's first layer; dimension of its feature.
        dimension, code: Dimensions of the identity feature and of the landmark code.
        iterations, batch, learning_rate: Training of each system, with Adam.
        scale, margin: Scale and margin of every margin head.
        extra: Additional margin of a full profile, Δm.
        landmarks, orthogonality: Weights of the losses, λ₁ and λ₂.
        far: False acceptance rate at which the true acceptance rate is given.
        device: Device that trains.
    """

    seeds: int = Field(default=6, ge=1)
    people: int = Field(default=300, ge=8)
    poses: int = Field(default=3, ge=1)
    lights: int = Field(default=2, ge=1, le=len(LIGHTS))
    near_frontal: float = Field(default=0.9, ge=0, le=1)
    tested: int = Field(default=60, ge=10)
    pictures: int = Field(default=10, ge=2)
    size: int = Field(default=32, ge=16, multiple_of=8)
    width: int = Field(default=16, ge=4, multiple_of=4)
    features: int = Field(default=72, ge=8)
    dimension: int = Field(default=64, ge=2)
    code: int = Field(default=8, ge=1)
    iterations: int = Field(default=400, ge=1)
    batch: int = Field(default=64, ge=2)
    learning_rate: float = Field(default=2e-3, gt=0)
    scale: float = Field(default=16.0, gt=0)
    margin: float = Field(default=0.2, ge=0)
    extra: float = Field(default=0.1, ge=0)
    landmarks: float = Field(default=1.0, gt=0)
    orthogonality: float = Field(default=1.0, gt=0)
    far: float = Field(default=0.01, gt=0, lt=1)
    device: Literal["cpu", "cuda"] = "cpu"


def measure_systems(
    config: PoseFaceConfig, photographs: Identities | None, cell: Cell
) -> Iterator[Row]:
    """Train every system on one set of heads and test it."""
    seed = cell.seed % 2**31
    grey = photographs is not None  # photographs are grey, so the heads are too
    heads = rendered(
        draw_yaws(config.people, config.poses, near_frontal=config.near_frontal, seed=seed),
        config.lights,
        config.size,
        0,
        seed,
    )
    tested = rendered(_test_yaws(config.tested, seed), 1, config.size, TEST, seed)
    landmarks = _landmarks(heads)
    autoencoder = fit_landmark_autoencoder(landmarks, code=config.code, seed=seed)
    off = autoencoder(_landmarks(tested)) - _landmarks(tested)
    yield row("landmark error", config.size * float(off.square().mean().sqrt()))
    batch = _posed(heads, autoencoder, grey)
    pictures = pixels(tested, grey)
    for system in SYSTEMS:
        network, head = _system(system, config, int(batch.labels.max()) + 1, seed)
        start = float(network.overlap().detach().sqrt())
        _fit(_learner(system, network, head, config), batch, config, seed)
        network.cpu().eval()
        with torch.no_grad():
            identity, pose = network.both(pictures)
        yield from _verification(system, identity, tested, config.far)
        yield row("yaw R²", yaw_read(identity, tested), system=system)
        if system in (POSEFACE, LANDMARKS):
            end = float(network.overlap().detach().sqrt())
            yield row("subspace overlap, fall", start / end, system=system)
            yield row("yaw R², pose feature", yaw_read(pose, tested), system=system)
            yield row("correlation with pose", _correlation(identity, pose), system=system)
        if photographs is not None:
            with torch.no_grad():
                auc = pair_auc(network(photographs.images), photographs.person)
            yield row("AUC, photographs", auc, system=system)


def rendered(
    yaws: NDArray[np.float64], lights: int, size: int, first: int, seed: int
) -> RenderedHeads:
    """Render heads half as large again as needed and bring them to the base template."""
    heads = render_heads(
        yaws,
        lights=lights,
        size=3 * size // 2,
        crop=1.5,
        illuminations=LIGHTS,
        first=first,
        seed=seed,
    )
    return heads.align(AlignmentTemplate(size=size))


def pixels(heads: RenderedHeads, grey: bool) -> Tensor:
    """Pictures float32 (N, 3 or 1, S, S) in [-1, 1]."""
    plain = heads.images.float()
    return (plain.mean(1, keepdim=True) if grey else plain) / 127.5 - 1


def yaw_read(features: Tensor, heads: RenderedHeads) -> float:
    """Share of the variance of yaw that a linear probe of unit features explains.

    Each person's pictures are predicted by a probe fitted on other people.
    """
    unit = nn.functional.normalize(features.double(), dim=1).numpy()
    predicted = cross_val_predict(
        Ridge(STRENGTH), unit, heads.yaw, groups=heads.person, cv=GroupKFold(5)
    )
    off = ((predicted - heads.yaw) ** 2).mean()
    return float(1 - off / heads.yaw.var())


def _test_yaws(people: int, seed: int) -> NDArray[np.float64]:
    draw = np.random.default_rng(derive_seed(seed, "test yaws"))
    bands = [
        draw.uniform(low, high, (people, count)) * draw.choice([-1, 1], (people, count))
        for low, high, count in BANDS
    ]
    return np.concatenate(bands, axis=1)


def _landmarks(heads: RenderedHeads) -> Tensor:
    """Landmarks in sides of the picture, 0 in its middle, float32 (N, L, 2)."""
    return torch.from_numpy(heads.landmarks / heads.images.shape[-1] - 0.5).float()


def _posed(heads: RenderedHeads, autoencoder: LandmarkAutoencoder, grey: bool) -> PosedBatch:
    """All training pictures with their codes and ratios."""
    labels = np.searchsorted(heads.people, heads.person)
    yaw, pitch = (torch.from_numpy(angle).float() for angle in (heads.yaw, heads.pitch))
    return PosedBatch(
        pixels(heads, grey),
        torch.from_numpy(labels),
        autoencoder.encode(_landmarks(heads)),
        pose_ratio(yaw, pitch),
    )


def _system(
    system: str, config: PoseFaceConfig, people: int, seed: int
) -> tuple[PoseFace, nn.Module]:
    """Network and margin head; all systems start from the same weights."""
    channels = 1 if config.data is not None else 3
    backbone = FaceEncoder(channels, config.size, config.width, config.features, seed=seed)
    network = PoseFace(backbone, config.features, config.dimension, config.code, seed=seed)
    size = {"scale": config.scale, "margin": config.margin}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if system == COSFACE:
            return network, CosFace(config.dimension, people, **size)
        if system == ADAFACE:
            return network, AdaFace(config.dimension, people, **size)
        extra = 0.0 if system == ARCFACE else config.extra
        return network, PoseAdaptiveArcFace(config.dimension, people, **size, extra=extra)


def _learner(
    system: str, network: PoseFace, head: nn.Module, config: PoseFaceConfig
) -> MetaLearner[PosedBatch]:
    for part in (network, head):
        part.to(config.device)
    if not isinstance(head, PoseAdaptiveArcFace):
        return Classification(network, head)
    weights = {
        POSEFACE: (config.landmarks, config.orthogonality),
        LANDMARKS: (config.landmarks, 0.0),
    }.get(system, (0.0, 0.0))
    return PoseFaceTraining(network, head, *weights)


def _fit(
    learner: MetaLearner[PosedBatch], batch: PosedBatch, config: PoseFaceConfig, seed: int
) -> None:
    """Train on batches that are the same for every system."""
    size = min(config.batch, len(batch))

    def draw(number: int) -> PosedBatch:
        rng = np.random.default_rng(derive_seed(seed, "batch", number))
        rows = torch.from_numpy(rng.choice(len(batch), size, replace=False))
        return batch.rows(rows).to(config.device)

    fit_meta(
        learner,
        draw,
        iterations=config.iterations,
        tasks=1,
        optimizer=partial(torch.optim.Adam, lr=config.learning_rate),
    )


def _verification(system: str, features: Tensor, heads: RenderedHeads, far: float) -> Iterator[Row]:
    """AUC and true acceptance rate of each kind of pair."""
    unit = nn.functional.normalize(features.double(), dim=1).numpy()
    size = np.abs(heads.yaw)
    frontal, profile = size <= BANDS[0][1], size >= BANDS[2][0]
    first, second = np.triu_indices(len(unit), 1)
    similarity = (unit @ unit.T)[first, second]
    same = heads.person[first] == heads.person[second]
    mixed = (frontal[first] & profile[second]) | (profile[first] & frontal[second])
    kept = {PROFILE: mixed, FRONTAL: frontal[first] & frontal[second], EVERY: mixed | ~mixed}
    for pairs, rows in kept.items():
        genuine, impostor = similarity[rows & same], similarity[rows & ~same]
        yield row("AUC", _auc(genuine, impostor), system=system, pairs=pairs)
        tar = tar_at_far(genuine, impostor, far).tar.value
        yield row("TAR", tar, system=system, pairs=pairs)


def _auc(genuine: NDArray[np.float64], impostor: NDArray[np.float64]) -> float:
    """Chance that a genuine comparison exceeds an impostor one; ties have probability 0."""
    return float(np.searchsorted(np.sort(impostor), genuine).mean() / len(impostor))


def _correlation(identity: Tensor, pose: Tensor) -> float:
    """Root mean square correlation of identity features with pose features."""
    both = np.corrcoef(torch.cat([identity, pose], 1).double().numpy().T)
    across = both[: identity.shape[1], identity.shape[1] :]
    return float(np.sqrt((across**2).mean()))
