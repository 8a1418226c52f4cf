"""Part crops: a network sees the face and five parts of it, each with a head of its own.

The first place (VisionLabs) of the 3D High-Fidelity Mask Face Presentation Attack Detection
Challenge (ICCV 2021), from the team's release: windows, weights of heads and losses, and what is
shared are its; residual stages in place of EfficientNet-B0's blocks and the size of the crops are
ours.
"""

import math
from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count, Share
from sterling.face.pad.layers.resnet import Depth, residual_layers
from sterling.face.pad.networks.network import Network, Output, initialise
from sterling.face.pad.training.losses import bona_fide_of
from sterling.face.pad.training.objective import Batch, OneView

PARTS = ("face", "eyes", "chin", "nose", "left ear", "right ear")
LOSS_WEIGHTS = (0.5, 0.1, 0.1, 0.1, 0.05, 0.05)  # of the parts' heads
GLOBAL_LOSS = 1.0  # of the head of all parts together; the release lists 0.5 and never applies it
SCORE_WEIGHTS = (2.0, 1.0, 1.0, 1.0, 0.5, 0.5)  # of the parts' heads, to be normalised
GLOBAL_SCORE = 0.25
POSITIVE_WEIGHT = 5.0  # of bona fides, in the five parts' losses, not in the face's
BRANCHES = (0, 1, 2, 3, 4, 4)  # of the crops; both ears have one

# Left, right, top and bottom of the windows of eyes, chin, nose and ears, as shares of the
# release's crops of 1.6 face boxes; the crops of this package are of 1.3, see `CropSpec`.
WINDOWS = (
    (0.187, 0.817, 0.308, 0.568),
    (0.252, 0.752, 0.617, 0.877),
    (0.379, 0.639, 0.467, 0.662),
    (0.079, 0.339, 0.308, 0.568),
    (0.664, 0.924, 0.308, 0.568),
)
RELEASED_SCALE, SCALE = 1.6, 1.3

TRASH_SHARE = 0.1
TRASH_AREA = (5.0, 10.0)  # of the picture, divided by its side in pixels
TRASH_ASPECT = (0.25, 4.0)  # width / height


class PartCrops(Network):
    """Residual stages on the face at half its resolution and on five windows, with a shared stem.

    All six crops are brought to half the side of the picture. They share the stem; the face, the
    eyes, the chin, the nose, and both ears have stages of their own. The features of all crops
    together go to one head, those of each crop to a head of its own; the score is a quarter the
    former's probability, the rest the weighted mean of the latter's.

    Args:
        depth: 10, 18 or 34; the release's trunk is an EfficientNet-B0.
        width: Channels of the first stage.
        parts: Whether the five parts are seen; without them there is the face's head alone.
        seed: Seed of the initial weights; the release's are from ImageNet.
    """

    name = "part_crops"
    shrink = 32
    has_map = False
    logit_share = 1.0

    def __init__(
        self, depth: Depth = 18, width: Count = 64, parts: bool = True, *, seed: int = 0
    ) -> None:
        super().__init__()
        self.crops = len(PARTS) if parts else 1
        features = 8 * width
        branches = BRANCHES[self.crops - 1] + 1
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            self.stem = residual_layers(3, width, depth)[0]
            self.branches = nn.ModuleList(
                nn.Sequential(
                    *residual_layers(3, width, depth)[1:], nn.AdaptiveAvgPool2d(1), nn.Flatten()
                )
                for _ in range(branches)
            )
            self.part_heads = nn.ModuleList(nn.Linear(features, 1) for _ in range(self.crops))
            self.head = nn.Linear(self.crops * features, 1) if parts else None
        initialise(self, seed)

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Log odds of bona fide for images (N, 3, H, W): (N, 7), of `PARTS` and of all together.

        Without parts (N, 1). See `Network`.
        """
        self.require(images, present)
        crops = part_crops(images) if self.crops > 1 else halved(images)[:, None]
        seen = crops.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        stems = self.stem(seen).unflatten(0, (-1, self.crops))
        features = torch.stack(
            [self.branches[branch](stems[:, i]) for i, branch in enumerate(self._branches)], dim=1
        )
        logits = [head(features[:, i]) for i, head in enumerate(self.part_heads)]
        if self.head is not None:
            logits.append(self.head(features.flatten(1)))
        return Output(logits=torch.cat(logits, dim=1))

    @property
    def _branches(self) -> tuple[int, ...]:
        return BRANCHES[: self.crops]

    def liveness(self, output: Output) -> Tensor:
        """0.25 · global + 0.75 · weighted mean of the parts, as probabilities (N,)."""
        assert output.logits is not None
        chances = output.logits.sigmoid()
        if self.head is None:
            return chances[:, -1]
        weights = chances.new_tensor(SCORE_WEIGHTS)
        parts = (chances[:, :-1] * weights).sum(dim=1) / weights.sum()
        return GLOBAL_SCORE * chances[:, -1] + (1 - GLOBAL_SCORE) * parts


def halved(images: Tensor) -> Tensor:
    """(N, C, H, W) to (N, C, H/2, W/2), each pixel the mean of four."""
    return F.avg_pool2d(images, 2)


def part_crops(images: Tensor) -> Tensor:
    """The face and the five windows, all at half the side, (N, 6, C, H/2, W/2)."""
    height, width = images.shape[-2:]
    size = (height // 2, width // 2)
    windows = [
        F.interpolate(
            images[..., top:bottom, left:right], size=size, mode="bilinear", align_corners=False
        )
        for left, right, top, bottom in part_windows(width, height)
    ]
    return torch.stack([halved(images), *windows], dim=1)


def part_windows(wide: int, tall: int) -> tuple[tuple[int, int, int, int], ...]:
    """Left, right, top and bottom of the windows of eyes, chin, nose and both ears, in pixels.

    The outer edges of the ears, which would leave the picture, are cut off.

    Args:
        wide: Width of a picture.
        tall: Height of a picture.
    """

    def pixel(share: float, side: int) -> int:
        inner = 0.5 + (share - 0.5) * RELEASED_SCALE / SCALE
        return min(max(round(side * inner), 0), side)

    return tuple(
        (pixel(left, wide), pixel(right, wide), pixel(top, tall), pixel(bottom, tall))
        for left, right, top, bottom in WINDOWS
    )


@dataclass(frozen=True, eq=False)
class PartSupervision(OneView):
    """Cross-entropy of every head, on augmented pictures, some of them corrupted.

        L = BCE(global) + 0.5 · BCE(face) + Σ_k w_k · BCE(part k; bona fides weigh 5),  w = 0.1, …

    The objective of a `PartCrops`; with one head, it is that head's plain cross-entropy.

    Attributes:
        trash: Probability that a picture becomes a tiny part of it and is taught as an attack (see
            `make_trash`).
    """

    trash: Share = TRASH_SHARE

    def view(self, model: Network, batch: Batch, draws: torch.Generator) -> Batch:
        """Augment, then make trash of some pictures."""
        shown = super().view(model, replace(batch, images=batch.images.float()), draws)
        if not self.trash:
            return shown
        live = bona_fide_of(shown.maps)
        images, left = make_trash(shown.images, live, self.trash, draws)
        return replace(shown, images=images, maps=shown.maps * left[:, None, None])

    def loss(self, output: Output, model: Network, batch: Batch) -> Tensor:  # noqa: ARG002
        """See `OneView`."""
        assert output.logits is not None
        return head_losses(output.logits, bona_fide_of(batch.maps))


def head_losses(logits: Tensor, live: Tensor) -> Tensor:
    """The weighted sum of the heads' cross-entropies, a scalar; lower is better.

    Args:
        logits: (N, 7), of `PARTS` and of all together, or (N, 1).
        live: bool (N,).
    """
    wanted = live.to(logits.dtype)
    loss = F.binary_cross_entropy_with_logits(logits[:, -1], wanted)
    if logits.shape[1] == 1:
        return loss
    positive = logits.new_tensor([1.0, *[POSITIVE_WEIGHT] * (len(PARTS) - 1)])
    parts = [
        weight * F.binary_cross_entropy_with_logits(column, wanted, pos_weight=own)
        for weight, column, own in zip(
            LOSS_WEIGHTS, logits[:, :-1].unbind(dim=1), positive, strict=True
        )
    ]
    return GLOBAL_LOSS * loss + torch.stack(parts).sum()


def make_trash(
    images: Tensor, live: Tensor, share: float, draws: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Replace some pictures by a tiny part of them and label them attacks, as released.

    So bona fide means a whole face. The part is a random rectangle of 5 to 10 over the side of the
    picture's area, with an aspect of 1/4 to 4, blown up to the whole picture.

    Args:
        images: Float (N, C, S, S).
        live: bool (N,), which are bona fide.
        share: Probability for each picture, of any label, in [0, 1].
        draws: CPU generator; every draw comes from it.

    Returns:
        Pictures and labels, of the shapes given.
    """
    n, side = len(images), images.shape[-1]
    chosen = torch.rand(n, generator=draws) < share
    area = TRASH_AREA[0] + (TRASH_AREA[1] - TRASH_AREA[0]) * torch.rand(n, generator=draws)
    low, high = (math.log(bound) for bound in TRASH_ASPECT)
    aspect = torch.exp(low + (high - low) * torch.rand(n, generator=draws))
    wide, tall = ((area / side * ratio).sqrt().clamp(max=1) for ratio in (aspect, 1 / aspect))
    # In the coordinates of grid_sample the picture reaches from -1 to 1.
    left, top = ((1 - part) * (2 * torch.rand(n, generator=draws) - 1) for part in (wide, tall))
    theta = torch.zeros(n, 2, 3)
    theta[:, 0, 0], theta[:, 0, 2], theta[:, 1, 1], theta[:, 1, 2] = wide, left, tall, top
    grid = F.affine_grid(theta.to(images.device), list(images.shape), align_corners=False)
    parts = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
    taken = chosen.to(images.device)
    return torch.where(taken[:, None, None, None], parts, images), live & ~taken
