"""DeepPixBiS: a binary label at every position of a map, and one of the whole.

George, Marcel, "Deep Pixel-wise Binary Supervision for Face Presentation Attack Detection"
(ICB 2019): the first two dense blocks of DenseNet-161, a 1×1 convolution to one map, and a fully
connected layer to one answer; half of the loss is each one's binary cross-entropy.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count, Share
from sterling.errors import InputError
from sterling.face.pad.layers.resnet import residual_stem
from sterling.face.pad.networks.network import Network, Output, initialise
from sterling.face.pad.training.losses import bona_fide_of, label_loss
from sterling.face.pad.training.objective import Batch, OneView


class DeepPixBiS(Network):
    """Two dense blocks, a map of the probability of bona fide at 1/16 of the picture, and a logit.

    The score is the mean of the map. The published fully connected layer reads the flattened map;
    ours reads the block's features averaged over positions, so that a picture of any size fits.

    Args:
        width: Channels of the stem, even; a dense layer adds half as many. 96 is DenseNet-161.
        layers: Dense layers of the two blocks, 1 or more; (6, 12) is DenseNet-161.
        seed: Seed of the initial weights; the paper's are from ImageNet.
    """

    name = "deep_pixbis"
    shrink = 16

    def __init__(
        self, width: Count = 96, layers: tuple[int, int] = (6, 12), *, seed: int = 0
    ) -> None:
        super().__init__()
        if width % 2:
            raise InputError(f"width is {width}: an even integer of 2 or more")
        if len(layers) != 2 or any(type(n) is not int or n < 1 for n in layers):
            raise InputError(f"layers is {layers!r}: two integers of 1 or more")
        channels = width
        stages: list[nn.Module] = []
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            for count in layers:
                for _ in range(count):
                    stages.append(_DenseLayer(channels, width // 2))
                    channels += width // 2
                stages.append(_transition(channels, channels // 2))
                channels //= 2
            self.encoder = nn.Sequential(residual_stem(3, width), *stages)
            self.decide = nn.Conv2d(channels, 1, 1)
            self.classify = nn.Linear(channels, 1)
        initialise(self, seed)

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Probabilities (N, H/16, W/16) and log odds (N, 1) of images (N, 3, H, W).

        While training, `Output.features` hold the map's log odds.
        """
        self.require(images, present)
        encoded = self.encoder(images)
        odds: Tensor = self.decide(encoded).squeeze(1)
        return Output(
            maps=odds.sigmoid(),
            logits=self.classify(encoded.mean(dim=(2, 3))),
            features=(odds,) if self.training else (),
        )


class _DenseLayer(nn.Module):
    """Norm, ReLU, 1×1 bottleneck, norm, ReLU, 3×3; the output is concatenated with the input.

    (Huang, Liu, van der Maaten, Weinberger, CVPR 2017.)
    """

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.grow = nn.Sequential(
            nn.BatchNorm2d(channels),
            nn.ReLU(),
            nn.Conv2d(channels, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth),
            nn.ReLU(),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.grow(x)], dim=1)


def _transition(in_channels: int, channels: int) -> nn.Sequential:
    return nn.Sequential(
        nn.BatchNorm2d(in_channels),
        nn.ReLU(),
        nn.Conv2d(in_channels, channels, 1, bias=False),
        nn.AvgPool2d(2),
    )


@dataclass(frozen=True, eq=False)
class PixelWiseBinary(OneView):
    """L = map_weight · BCE of the map + (1 - map_weight) · BCE of the logit, of a `DeepPixBiS`.

    Attributes:
        map_weight: Weight of the map's loss, in [0, 1]; 0.5 is published.
    """

    map_weight: Share = 0.5

    def loss(self, output: Output, model: Network, batch: Batch) -> Tensor:  # noqa: ARG002
        """See `OneView`."""
        whole = label_loss(output, bona_fide_of(batch.maps))
        pixels = F.binary_cross_entropy_with_logits(output.features[0], batch.maps)
        return self.map_weight * pixels + (1 - self.map_weight) * whole
