"""Train a `Compact` network on labels, depth and a teacher's answers, on corrupted copies.

The network is to carry to cameras that it was not trained with. So each step sees its captures
framed, turned, degraded and toned anew.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Positive, Share, Weight
from sterling.face.data import Degradation, degrade
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.networks.network import Network
from sterling.face.pad.training.augment import augment
from sterling.face.pad.training.objective import Batch, Objective

DEPTH_SHRINK = 8  # the auxiliary map's sides are the picture's over it

# All of these are our documented defaults.
FRAME_SIDE = (0.8, 1.05)  # of the capture's side; beyond the capture its edge is repeated
FRAME_SHIFT = 0.06  # of the capture's side, either way
FRAME_TURN = 10.0  # degrees, either way
WORSEN_PROBABILITY = 0.5
GREY_PROBABILITY = 0.1
WORST: Mapping[Degradation, float] = {
    "low_resolution": 1,
    "noise": 8,
    "jpeg": 60,
    "blur": 1,
    "underexposure": 1,
    "overexposure": 0.7,
}


@dataclass(frozen=True, eq=False)
class CompactObjective(Objective):
    """Cross-entropy of the live score, depth beside it, and a teacher's soft scores.

    The loss is (1 - s)·BCE(z, y) + s·T²·BCE(z/T, σ(t/T)) + w·MSE(depth), with the network's log
    odds z, the label y, and the log odds t of a teacher that sees the same pixels (Hinton, Vinyals
    and Dean, "Distilling the knowledge in a neural network", 2015, for two classes; s = 0 without a
    teacher). Depth counts where it is known.

    Attributes:
        size: Side of the pictures that the network sees.
        depth: Depth of each training item, float (N, H, W), 0 on attacks.
        known: Mask of items whose depth is a label, bool (N,).
        teacher: A trained network, or None.
        share: s, in [0, 1].
        temperature: T, above 0.
        depth_weight: w, 0 or more.

    Raises:
        InputError: A number is out of range.
    """

    size: int
    depth: Tensor
    known: Tensor
    teacher: Network | None = None
    share: Share = 0.7
    temperature: Positive = 2.0
    depth_weight: Weight = 0.5

    def __call__(
        self, network: nn.Module, model: Network, batch: Batch, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """See `Objective`."""
        depth = self.depth[batch.rows].to(batch.images.device, torch.float32)
        framed, depth = frame(batch.images, depth, self.size, self.size // DEPTH_SHRINK, draws)
        images, depth = augment(worsen(framed, draws), depth, draws)
        output = network(normalise(images))
        log_odds = output.logits[:, -1]
        label = batch.maps.flatten(1).amax(dim=1).to(log_odds.dtype)
        loss = F.binary_cross_entropy_with_logits(log_odds, label)
        if self.teacher is not None:
            with torch.no_grad():
                taught = self.teacher.to(images.device)(normalise(images)).logits[:, -1]
            soft = F.binary_cross_entropy_with_logits(
                log_odds / self.temperature, (taught / self.temperature).sigmoid()
            )
            loss = (1 - self.share) * loss + self.share * self.temperature**2 * soft
        known = self.known[batch.rows].to(depth.device)
        if bool(known.any()):
            loss = loss + self.depth_weight * F.mse_loss(output.features[0][known], depth[known])
        return loss, model.liveness(output)


def frame(
    images: Tensor, depth: Tensor, size: int, map_size: int, draws: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Cut a random square, a little turned, out of each capture and of its depth.

    Args:
        images: uint8 (N, C, P, P).
        depth: Float (N, H, W), of the same scenes.
        size: Side of the squares in pixels, each the mean of four samples.
        map_size: Side of their depth maps.
        draws: CPU generator.

    Returns:
        uint8 (N, C, size, size) and float (N, map_size, map_size).
    """
    n = len(images)

    def draw(low: float, high: float) -> Tensor:
        return low + (high - low) * torch.rand(n, generator=draws)

    side, turn = draw(*FRAME_SIDE), torch.deg2rad(draw(-FRAME_TURN, FRAME_TURN))
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0] = theta[:, 1, 1] = side * turn.cos()
    theta[:, 0, 1], theta[:, 1, 0] = -side * turn.sin(), side * turn.sin()
    # In the coordinates of grid_sample the capture is 2 wide.
    theta[:, :, 2] = torch.stack([draw(-2 * FRAME_SHIFT, 2 * FRAME_SHIFT) for _ in range(2)], 1)

    def cut(pictures: Tensor, to: int) -> Tensor:
        grid = F.affine_grid(
            theta.to(pictures.device), [n, pictures.shape[1], 2 * to, 2 * to], align_corners=False
        )
        fine = F.grid_sample(pictures, grid, padding_mode="border", align_corners=False)
        return F.avg_pool2d(fine, 2)

    framed = cut(images.float(), size).round().clamp(0, 255).to(torch.uint8)
    return framed, cut(depth[:, None], map_size)[:, 0]


def worsen(images: Tensor, draws: torch.Generator) -> Tensor:
    """Corrupt pictures as cameras and channels do.

    Most pictures get one of six degradations; a few lose colour.

    Args:
        images: uint8 (N, 3, S, S).
        draws: CPU generator.

    Returns:
        uint8 (N, 3, S, S).
    """
    n, kinds = len(images), tuple(WORST)
    happens = torch.rand(n, generator=draws) < WORSEN_PROBABILITY
    grey = torch.rand(n, generator=draws) < GREY_PROBABILITY
    chosen = torch.randint(len(kinds), (n,), generator=draws)
    strength = torch.rand(n, generator=draws)
    seeds = torch.randint(2**31, (n,), generator=draws)
    worse = images.clone()
    for i in range(n):
        if happens[i]:
            kind = kinds[int(chosen[i])]
            one = worse[i : i + 1]
            worse[i : i + 1] = degrade(
                one, kind, WORST[kind] * float(strength[i]), seed=int(seeds[i])
            )
        if grey[i]:
            worse[i] = worse[i].float().mean(dim=0, keepdim=True).round().to(torch.uint8)
    return worse
