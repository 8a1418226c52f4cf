"""Fourier supervision: beside the label, the network predicts the picture's own spectrum.

Silent-Face-Anti-Spoofing's training (Minivision, 2020; released code): half cross-entropy, half the
mean squared error of a 10×10 map of the spectrum; the second head is dropped at test. Printing and
screens leave their grid in the spectrum, which the shared features then have to hold.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count, Share
from sterling.errors import InputError
from sterling.face.pad.layers.resnet import Depth, residual_layers
from sterling.face.pad.networks.network import Network, Output, initialise
from sterling.face.pad.training.losses import bona_fide_of, label_loss
from sterling.face.pad.training.objective import Batch, OneView

SIDE = 10
LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as OpenCV turns colour to grey


class FourierNet(Network):
    """A residual network with a label, and a head for the spectrum after its second stage.

    The release has MiniFASNet, a pruned MobileFaceNet with three classes; ours is the residual
    network that other families here have too, with two.

    Args:
        depth: 10, 18 or 34.
        width: Channels of the first stage.
        seed: Seed of the initial weights.
    """

    name = "fourier"
    shrink = 32
    has_map = False
    logit_share = 1.0

    def __init__(self, depth: Depth = 18, width: Count = 64, *, seed: int = 0) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            layers = residual_layers(3, width, depth)
            self.shallow, self.deep = nn.Sequential(*layers[:3]), nn.Sequential(*layers[3:])
            self.classify = nn.Linear(8 * width, 1)
            self.spectrum = nn.Sequential(
                nn.Conv2d(2 * width, width, 3, padding=1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(),
                nn.Upsample((SIDE, SIDE), mode="bilinear", align_corners=False),
                nn.Conv2d(width, 1, 3, padding=1),
            )
        initialise(self, seed)

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Log odds (N, 1) of bona fide for images (N, 3, H, W).

        While training, `Output.features` hold the predicted spectrum (N, 10, 10).
        """
        self.require(images, present)
        shallow = self.shallow(images)
        logits = self.classify(self.deep(shallow).mean(dim=(2, 3)))
        if not self.training:
            return Output(logits=logits)
        return Output(logits=logits, features=(self.spectrum(shallow).squeeze(1),))


def fourier_maps(images: Tensor, side: int = SIDE) -> Tensor:
    """The spectra of pictures: zero frequency in the middle, logarithmic, (0, 1].

    With F the centred discrete Fourier transform of the grey picture in 0 to 255 and
    v = log(1 + |F|), it is (v - min v + 1) / (max v - min v + 1), brought to `side` × `side` by
    means over areas (the release: a resize of OpenCV).

    Args:
        images: (N, 3, S, S) in 0 to 255, any dtype, S of `side` or more.
        side: Side of the maps.

    Returns:
        float32 (N, side, side).

    Raises:
        InputError: The shape does not fit.
    """
    if images.ndim != 4 or images.shape[1] != 3 or min(images.shape[-2:]) < side:
        raise InputError(
            f"images have shape {tuple(images.shape)}: (N, 3, S, S), S of {side} or more"
        )
    weights = torch.tensor(LUMA, device=images.device).view(1, 3, 1, 1)
    grey = (images.float() * weights).sum(dim=1)
    size = torch.fft.fftshift(torch.fft.fft2(grey), dim=(-2, -1)).abs().log1p()
    low = size.amin(dim=(1, 2), keepdim=True)
    high = size.amax(dim=(1, 2), keepdim=True)
    return F.adaptive_avg_pool2d((size - low + 1) / (high - low + 1), side)


@dataclass(frozen=True, eq=False)
class FourierSupervised(OneView):
    """L = (1 - weight) · BCE + weight · MSE of the augmented picture's spectrum, of a `FourierNet`.

    Attributes:
        weight: Weight of the spectrum's loss, in [0, 1]; 0.5 is released.
    """

    weight: Share = 0.5

    def loss(self, output: Output, model: Network, batch: Batch) -> Tensor:  # noqa: ARG002
        """See `OneView`."""
        label = label_loss(output, bona_fide_of(batch.maps))
        spectrum = F.mse_loss(output.features[0], fourier_maps(batch.images))
        return (1 - self.weight) * label + self.weight * spectrum
