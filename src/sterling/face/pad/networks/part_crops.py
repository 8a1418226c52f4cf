"""Part crops: one trunk sees the face and five parts of it, each with a head of its own.

The first place (VisionLabs) of the 3D High-Fidelity Mask Face Presentation Attack Detection
Challenge (ICCV 2021), from the team's release: weights of heads and losses are its, the trunk and
the size of the crops are ours.
"""

from dataclasses import dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count, Share
from sterling.face.data import landmark_places
from sterling.face.pad.layers.resnet import Depth, residual_layers
from sterling.face.pad.networks.network import Network, Output, initialise
from sterling.face.pad.training.augment import shuffle_patches
from sterling.face.pad.training.losses import bona_fide_of
from sterling.face.pad.training.objective import Batch, OneView

PARTS = ("face", "eyes", "chin", "nose", "left ear", "right ear")
LOSS_WEIGHTS = (0.5, 0.1, 0.1, 0.1, 0.05, 0.05)  # of the parts' heads
GLOBAL_LOSS = 0.5  # of the head of all parts together
SCORE_WEIGHTS = (2.0, 1.0, 1.0, 1.0, 0.5, 0.5)  # of the parts' heads, to be normalised
GLOBAL_SCORE = 0.25
POSITIVE_WEIGHT = 5.0  # of bona fides, in the parts' losses

CORRUPTION_SHARE = 0.1
MOSAIC = 8  # pixels of a tile's side
CORRUPTIONS = 3


_SCALE = 1.3  # of the crops that this package cuts, see `CropSpec`


class PartCrops(Network):
    """A shared residual trunk on the face at half its resolution and on five windows at full one.

    Each window has half the side of the picture, so that all six crops have one size. The features
    of all crops together go to one head, those of each crop to a head of its own; the score is a
    quarter the former's probability, the rest the weighted mean of the latter's.

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
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            self.trunk = nn.Sequential(
                *residual_layers(3, width, depth),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
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
        features = self.trunk(seen).unflatten(0, (-1, self.crops))
        logits = [head(features[:, i]) for i, head in enumerate(self.part_heads)]
        if self.head is not None:
            logits.append(self.head(features.flatten(1)))
        return Output(logits=torch.cat(logits, dim=1))

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
    """The face at half its resolution and the five windows at full one, (N, 6, C, H/2, W/2)."""
    height, width = images.shape[-2:]
    tall, wide = height // 2, width // 2
    windows = [
        images[..., top : top + tall, left : left + wide] for left, top in part_corners(wide, tall)
    ]
    return torch.stack([halved(images), *windows], dim=1)


def part_corners(wide: int, tall: int) -> tuple[tuple[int, int], ...]:
    """Left and top of the windows of eyes, chin, nose and both ears, in pixels.

    The centre of each is taken from where five landmarks lie in an aligned crop; what would leave
    the picture is pushed back.

    Args:
        wide: Width of a window, half of the picture's.
        tall: Height of a window.
    """
    (lx, ly), (rx, ry), (nx, ny), (ax, ay), (bx, by) = landmark_places(_SCALE)
    eyes, mouth = ((lx + rx) / 2, (ly + ry) / 2), ((ax + bx) / 2, (ay + by) / 2)
    apart, drop = rx - lx, mouth[1] - eyes[1]
    centres = {
        "eyes": eyes,
        "chin": (mouth[0], mouth[1] + drop / 2),
        "nose": (nx, ny),
        "left ear": (lx - apart / 2, ny),
        "right ear": (rx + apart / 2, ny),
    }

    def corner(place: float, side: int) -> int:
        return min(max(round(2 * side * place - side / 2), 0), side)

    return tuple((corner(x, wide), corner(y, tall)) for x, y in centres.values())


@dataclass(frozen=True, eq=False)
class PartSupervision(OneView):
    """Cross-entropy of every head, on augmented pictures, some of them corrupted.

        L = 0.5 · BCE(global) + Σ_k w_k · BCE(part k; bona fides weigh 5),  w = 0.5, 0.1, …

    The objective of a `PartCrops`; with one head, it is that head's plain cross-entropy.

    Attributes:
        corruption: Probability that a bona fide picture is corrupted and taught as an attack (see
            `corrupt_bona_fides`).
    """

    corruption: Share = CORRUPTION_SHARE

    def view(self, model: Network, batch: Batch, draws: torch.Generator) -> Batch:
        """Augment, then corrupt some bona fide pictures."""
        shown = super().view(model, replace(batch, images=batch.images.float()), draws)
        if not self.corruption:
            return shown
        live = bona_fide_of(shown.maps)
        images, left = corrupt_bona_fides(shown.images, live, self.corruption, draws)
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
    positive = logits.new_tensor(POSITIVE_WEIGHT)
    parts = [
        weight * F.binary_cross_entropy_with_logits(column, wanted, pos_weight=positive)
        for weight, column in zip(LOSS_WEIGHTS, logits[:, :-1].unbind(dim=1), strict=True)
    ]
    return GLOBAL_LOSS * loss + torch.stack(parts).sum()


def corrupt_bona_fides(
    images: Tensor, live: Tensor, share: float, draws: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Corrupt some bona fide pictures and label them attacks; attacks stay as they are.

    So bona fide means a whole face: "make trash" in the release. How it corrupts a picture is not
    known; the three ways here are ours.


    Args:
        images: Float (N, C, S, S).
        live: bool (N,), which are bona fide.
        share: Probability for each bona fide picture, in [0, 1].
        draws: CPU generator; every draw comes from it.

    Returns:
        Pictures and labels, of the shapes given. A corrupted picture has its nine patches shuffled,
        is a mosaic of large tiles, or has its lower half from another picture of the batch.
    """
    n = len(images)
    chosen = (torch.rand(n, generator=draws) < share).to(live.device) & live
    way = torch.randint(CORRUPTIONS, (n,), generator=draws).to(live.device)
    other = torch.randperm(n, generator=draws).to(live.device)
    half = images.shape[-2] // 2
    corrupted = (
        shuffle_patches(images, draws),
        _mosaic(images),
        torch.cat([images[..., :half, :], images[other][..., half:, :]], dim=-2),
    )
    for number, pictures in enumerate(corrupted):
        taken = chosen & (way == number)
        images = torch.where(taken[:, None, None, None], pictures, images)
    return images, live & ~chosen


def _mosaic(images: Tensor) -> Tensor:
    """Tiles of one colour, the mean of what was there; a rest at the edges stays as it was."""
    tall, wide = (side // MOSAIC * MOSAIC for side in images.shape[-2:])
    inner = images[..., :tall, :wide]
    tiles = torch.nn.functional.avg_pool2d(inner, MOSAIC)
    mosaic = images.clone()
    mosaic[..., :tall, :wide] = tiles.repeat_interleave(MOSAIC, -2).repeat_interleave(MOSAIC, -1)
    return mosaic
