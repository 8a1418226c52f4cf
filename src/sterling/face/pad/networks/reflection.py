"""Bipartite supervision: a depth map for what is alive, a reflection map for what is not.

Yu et al., "Face Anti-Spoofing with Human Material Perception" (ECCV 2020), BCN's auxiliary maps;
Kim et al., "BASN: Enriching Feature Representation Using Bipartite Auxiliary Supervisions for Face
Anti-Spoofing" (ICCVW 2019). Their reflection maps come from a network that separates layers of a
photograph; ours come from the dichromatic model (see `reflection_maps`).
"""

from dataclasses import dataclass

import torch.nn.functional as F
from torch import Tensor

from sterling.checks import Count
from sterling.errors import InputError
from sterling.face.pad.networks.depth_net import DepthNet
from sterling.face.pad.networks.network import Network, Output
from sterling.face.pad.training.losses import bona_fide_of
from sterling.face.pad.training.objective import Batch, OneView

SURROUND = 0.25  # side of the window that a highlight stands out of, as a share of the picture's
FAINTEST = 0.05  # of white: weaker highlights are not stretched to 1


class BipartiteNet(Network):
    """A `DepthNet` with a second head for reflection.

    The answer is (1 + depth - reflection) / 2 at every position, 0 at least: the order of depth
    less reflection, in the range that scores have here.

    Args:
        width: Channels of the stem.
        seed: Seed of the initial weights; the heads begin alike in distribution, not in value.
    """

    name = "bipartite"

    def __init__(self, width: Count = 64, *, seed: int = 0) -> None:
        super().__init__()
        self.trunk = DepthNet(width, seed=seed)
        self.reflect = DepthNet(width, seed=seed + 1).head

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Liveness maps (N, H/8, W/8) of images (N, 3, H, W).

        While training, `Output.features` are the depth and the reflection maps, 0 or more.
        """
        self.require(images, present)
        pyramid = self.trunk.pyramid(self.trunk.levels(images))
        depth: Tensor = self.trunk.head(pyramid).squeeze(1)
        reflection: Tensor = self.reflect(pyramid).squeeze(1)
        return Output(
            maps=((1 + depth - reflection) / 2).clamp(min=0),
            features=(depth, reflection) if self.training else (),
        )


def reflection_maps(images: Tensor, size: int) -> Tensor:
    """Find highlights: light in a picture without the surface's colour.

    In the dichromatic model (Shafer, 1985) a highlight adds the light's own white to all channels,
    so that it raises the least of them. What of the least channel stands out of its mean over a
    quarter of the picture is averaged to `size` and divided by its largest value; faint highlights,
    below a twentieth of white, are not stretched so far. (Target, window and floor are ours.)

    Args:
        images: (N, 3, S, S) in 0 to 255, any dtype.
        size: Side of the maps.

    Returns:
        float32 (N, size, size) in [0, 1].

    Raises:
        InputError: The images are not (N, 3, S, S).
    """
    if images.ndim != 4 or images.shape[1] != 3:
        raise InputError(f"images have shape {tuple(images.shape)}: (N, 3, S, S) is needed")
    least = images.float().amin(dim=1, keepdim=True) / 255
    reach = max(1, int(SURROUND * images.shape[-1]) // 2)
    around = F.avg_pool2d(
        F.pad(least, (reach, reach, reach, reach), mode="replicate"), 2 * reach + 1, 1
    )
    found = F.adaptive_avg_pool2d((least - around).clamp(min=0), size)[:, 0]
    return found / found.amax(dim=(1, 2), keepdim=True).clamp(min=FAINTEST)


@dataclass(frozen=True, eq=False)
class Bipartite(OneView):
    """L = MSE of depth + MSE of reflection: depth is 0 on attacks, reflection 0 on bona fides.

    The network is a `BipartiteNet`, label maps are of depth. Reflection is taken from the augmented
    picture.
    """

    def loss(self, output: Output, model: Network, batch: Batch) -> Tensor:  # noqa: ARG002
        """See `OneView`."""
        depth, reflection = output.features
        attack = ~bona_fide_of(batch.maps)[:, None, None]
        wanted = reflection_maps(batch.images, batch.maps.shape[-1]) * attack
        return F.mse_loss(depth, batch.maps) + F.mse_loss(reflection, wanted)
