"""SSDG: bona fides of all domains alike, attacks of each domain apart from them and each other.

Jia, Zhang, Shan, Chen, "Single-Side Domain Generalization for Face Anti-Spoofing" (CVPR 2020), and
the authors' release. A domain is a data set there, and whatever one says it is here: a camera.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count, Weight
from sterling.face.pad.layers.resnet import Depth, residual_layers
from sterling.face.pad.networks.network import Network, Output, initialise
from sterling.face.pad.training.domains import (
    AcrossDomains,
    Domains,
    reversal,
    reverse_gradient,
)
from sterling.face.pad.training.losses import bona_fide_of, label_loss
from sterling.face.pad.training.objective import Batch

MARGIN = 0.1
DROPOUT = 0.5


class SSDG(Network):
    """Feature generator, embedder, classifier, and a domain discriminator, as released.

    The generator is a residual network up to res4, the embedder res5 and a layer of 8·width
    features with dropout. A feature f is brought to the length √(‖f‖ / 2), the classifier's weights
    to length 1 over the two classes, at each feature. The discriminator sees the embedder's
    features and is used while training only.

    Args:
        depth: 10, 18 (published) or 34.
        width: Channels of the first stage; 64 is published.
        domains: Number of domains that the discriminator tells apart, 2 or more.
        seed: Seed of the initial weights; the release's are from ImageNet.
    """

    name = "ssdg"
    shrink = 32
    has_map = False
    logit_share = 1.0

    steps: Tensor

    def __init__(
        self, depth: Depth = 18, width: Count = 64, domains: Domains = 3, *, seed: int = 0
    ) -> None:
        super().__init__()
        embedded = 8 * width
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            *shallow, last = residual_layers(3, width, depth)
            self.generator = nn.Sequential(*shallow)
            self.embedder = nn.Sequential(
                last,
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
                nn.Linear(embedded, embedded),
                nn.ReLU(),
                nn.Dropout(DROPOUT),
            )
            self.classify = nn.Linear(embedded, 2, bias=False)
            self.discriminator = nn.Sequential(
                nn.Linear(embedded, embedded),
                nn.ReLU(),
                nn.Dropout(DROPOUT),
                nn.Linear(embedded, domains),
            )
        initialise(self, seed)
        # In the state, so that a resumed training continues its ramp.
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Log odds (N, 1) of bona fide for images (N, 3, H, W): see `Network`.

        While training, `Output.features` are the scaled features (N, 8·width) and the
        discriminator's answers (N, domains), whose gradient is reversed on its way into embedder
        and generator.
        """
        self.require(images, present)
        scaled = half_root_length(self.embedder(self.generator(images)))
        attack, live = (scaled @ F.normalize(self.classify.weight, dim=0).T).unbind(dim=1)
        logits = (live - attack)[:, None]
        if not self.training:
            return Output(logits=logits)
        turned = reverse_gradient(scaled, reversal(int(self.steps)))
        return Output(logits=logits, features=(scaled, self.discriminator(turned)))


def half_root_length(features: Tensor) -> Tensor:
    """Return features (N, D) divided by √(2 ‖f‖), so that their length is √(‖f‖ / 2)."""
    lengths: Tensor = torch.linalg.vector_norm(features, dim=1, keepdim=True)
    return features / (2 * lengths.clamp(min=1e-12)).sqrt()


def asymmetric_triplet(features: Tensor, classes: Tensor, margin: float = MARGIN) -> Tensor:
    """Triplet loss over all triplets of a batch, averaged over those that are not yet fulfilled.

    The asymmetry lies in the classes: bona fides of all domains are one, attacks of each domain
    another.

    Args:
        features: (N, D), of any length.
        classes: int (N,).
        margin: Euclidean distance by which a negative must be farther than a positive.

    Returns:
        A scalar, 0 where there is no triplet.
    """
    lengths = features.square().sum(dim=1)
    squared = lengths[:, None] + lengths[None, :] - 2 * features @ features.T
    distance = squared.clamp(min=1e-12).sqrt()
    same = classes[:, None] == classes[None, :]
    positive = same & ~torch.eye(len(classes), dtype=torch.bool, device=classes.device)
    excess = distance[:, :, None] - distance[:, None, :] + margin
    excess = excess.clamp(min=0) * (positive[:, :, None] & ~same[:, None, :])
    unfulfilled = (excess > 1e-12).sum()
    return excess.sum() / unfulfilled.clamp(min=1)


@dataclass(frozen=True, eq=False)
class SingleSide(AcrossDomains):
    """L = cross-entropy + triplet_weight · triplet + adversarial_weight · discriminator.

    The network is an `SSDG`. The discriminator tells the domains of bona fides alone (single side);
    its gradient is reversed on its way into the generator. The release's batches hold ten bona
    fides and ten attacks of every domain; ours are drawn from all.

    Attributes:
        triplet_weight: 1 (the release: 2 where OULU-NPU is the target).
        adversarial_weight: 0.5 (the release: 0.1 where OULU-NPU is the target).
    """

    triplet_weight: Weight = 1.0
    adversarial_weight: Weight = 0.5

    def loss(self, output: Output, model: Network, batch: Batch) -> Tensor:
        """See `OneView`."""
        assert isinstance(model, SSDG)
        model.steps += 1
        features, told = output.features
        live, domain = bona_fide_of(batch.maps), self.domains_of(batch)
        classes = torch.where(live, 0, 1 + domain)
        triplet = asymmetric_triplet(features, classes)
        loss = label_loss(output, live) + self.triplet_weight * triplet
        if bool(live.any()):
            loss = loss + self.adversarial_weight * F.cross_entropy(told[live], domain[live])
        return loss
