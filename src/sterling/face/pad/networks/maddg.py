"""MADDG: several discriminators, triplets within and across domains, and depth beside the label.

Shao, Lan, Li, Yuen, "Multi-adversarial Discriminative Deep Domain Generalization for Face
Presentation Attack Detection" (CVPR 2019). In the paper each discriminator holds the generator's
features against those of an extractor that was trained on one source alone; ours tells one source
from all others and needs no such extractors.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count, Weight
from sterling.face.pad.networks.depth_net import DepthNet
from sterling.face.pad.networks.network import Network, Output, initialise
from sterling.face.pad.training.domains import (
    AcrossDomains,
    Domains,
    reversal,
    reverse_gradient,
)
from sterling.face.pad.training.losses import bona_fide_of, label_loss
from sterling.face.pad.training.objective import Batch

# Within a domain and across domains, as released.
MARGINS = (0.1, 0.5)
WEIGHTS = (0.1, 1.0)


class MADDG(Network):
    """A `DepthNet` whose features also make an embedding, a label and answers of discriminators.

    The score is the mean of the label's probability and of the depth map (ours).

    Args:
        width: Channels of the stem.
        domains: Number of sources, 2 or more; one discriminator each.
        seed: Seed of the initial weights.
    """

    name = "maddg"
    logit_share = 0.5

    steps: Tensor

    def __init__(self, width: Count = 64, domains: Domains = 3, *, seed: int = 0) -> None:
        super().__init__()
        self.generator = DepthNet(width, seed=seed)
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            self.embedder = nn.Linear(6 * width, 2 * width)
            self.classify = nn.Linear(2 * width, 1)
            self.discriminators = nn.Sequential(
                nn.Linear(6 * width, 2 * width), nn.ReLU(), nn.Linear(2 * width, domains)
            )
        for number, part in enumerate((self.embedder, self.classify, self.discriminators)):
            initialise(part, seed + number)
        # In the state, so that a resumed training continues its ramp.
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Depth maps (N, H/8, W/8) and log odds (N, 1) of images (N, 3, H, W).

        While training, `Output.features` are unit embeddings (N, 2·width) and the discriminators'
        log odds (N, domains), whose gradient is reversed on its way into the generator.
        """
        self.require(images, present)
        pyramid = self.generator.pyramid(self.generator.levels(images))
        depth: Tensor = self.generator.head(pyramid).squeeze(1)
        pooled = pyramid.mean(dim=(2, 3))
        embedded = self.embedder(pooled)
        logits = self.classify(embedded.relu())
        if not self.training:
            return Output(maps=depth, logits=logits)
        told = self.discriminators(reverse_gradient(pooled, reversal(int(self.steps))))
        return Output(maps=depth, logits=logits, features=(F.normalize(embedded, dim=1), told))


def dual_force_triplet(
    features: Tensor,
    live: Tensor,
    domain: Tensor,
    margins: tuple[float, float] = MARGINS,
    weights: tuple[float, float] = WEIGHTS,
) -> Tensor:
    """Triplet losses within one domain and across domains, added with their weights.

    Within: anchor, positive and negative are of one domain. Across: positive and negative are both
    of other domains than the anchor. A positive is of the anchor's class, a negative is not. Each
    is averaged over its triplets that are not yet fulfilled. (The paper mines some; ours are all.)

    Args:
        features: (N, D), of length 1.
        live: bool (N,).
        domain: int (N,).
        margins: Squared distances by which a negative must be farther than a positive, within a
            domain and across.
        weights: Weights of both.

    Returns:
        A scalar, 0 where there is no triplet.
    """
    distance = (2 - 2 * features @ features.T).clamp(min=0)
    alike = live[:, None] == live[None, :]
    near = domain[:, None] == domain[None, :]
    other = ~torch.eye(len(live), dtype=torch.bool, device=live.device)
    farther = distance[:, :, None] - distance[:, None, :]
    total = features.new_zeros(())
    for place, margin, weight in zip((near, ~near), margins, weights, strict=True):
        triplets = (alike & place & other)[:, :, None] & (~alike & place)[:, None, :]
        found = (farther + margin).clamp(min=0) * triplets
        total = total + weight * found.sum() / (found > 0).sum().clamp(min=1)
    return total


@dataclass(frozen=True, eq=False)
class MultiAdversarial(AcrossDomains):
    """L = cross-entropy + depth + triplet_weight · triplets + adversarial_weight · discriminators.

    The network is a `MADDG`, label maps are of depth. The discriminators' losses are averaged, so
    that each of three weighs a third, as released. (The release trains the part that estimates
    depth at a rate of 1e-4 and the rest at 1e-5; here all parts have one rate.)
    """

    triplet_weight: Weight = 1.0
    adversarial_weight: Weight = 1.0

    def loss(self, output: Output, model: Network, batch: Batch) -> Tensor:
        """See `OneView`."""
        assert isinstance(model, MADDG)
        assert output.maps is not None
        model.steps += 1
        unit, told = output.features
        live, domain = bona_fide_of(batch.maps), self.domains_of(batch)
        loss = label_loss(output, live) + F.mse_loss(output.maps, batch.maps)
        loss = loss + self.triplet_weight * dual_force_triplet(unit, live, domain)
        own = F.one_hot(domain, told.shape[1]).to(told.dtype)
        return loss + self.adversarial_weight * F.binary_cross_entropy_with_logits(told, own)
