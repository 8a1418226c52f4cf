"""MADDG: several discriminators, triplets within and across domains, and depth beside the label.

Shao, Lan, Li, Yuen, "Multi-adversarial Discriminative Deep Domain Generalization for Face
Presentation Attack Detection" (CVPR 2019). In the paper each discriminator holds the generator's
features against those of an extractor that was trained on one source alone; ours tells one source
from all others and needs no such extractors.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.checks import Count
from sterling.errors import InputError
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.layers.gradient_reversal import Domains, reversal, reverse_gradient
from sterling.face.pad.networks.depth_net import DepthNet
from sterling.face.pad.networks.network import Network, Output, initialise
from sterling.face.pad.training.augment import augment
from sterling.face.pad.training.losses import bona_fide_of
from sterling.face.pad.training.objective import Batch

MARGIN = 0.1


class MADDG(Network):
    """A `DepthNet` whose features also make an embedding, a label and answers of discriminators.

    The score is the mean of the label's probability and of the depth map (ours).

    Args:
        width: Channels of the stem.
        domains: Number of sources, 2 or more; one discriminator each.
        seed: Seed of the initial weights.

    Raises:
        InputError: An argument is outside its range.
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
        # In the state, so that a training that was killed goes on with its ramp.
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
    features: Tensor, live: Tensor, domain: Tensor, margin: float = MARGIN
) -> Tensor:
    """Triplet losses within one domain and across domains, added.

    Within: anchor, positive and negative are of one domain. Across: positive and negative are both
    of other domains than the anchor. A positive is of the anchor's class, a negative is not. Each
    is averaged over its triplets that are not yet fulfilled. (The paper mines some; ours are all.)

    Args:
        features: (N, D), of length 1.
        live: bool (N,).
        domain: int (N,).
        margin: By how much a negative must be farther than a positive, in squared distance.

    Returns:
        A scalar, 0 where there is no triplet.
    """
    distance = (2 - 2 * features @ features.T).clamp(min=0)
    alike = live[:, None] == live[None, :]
    near = domain[:, None] == domain[None, :]
    other = ~torch.eye(len(live), dtype=torch.bool, device=live.device)
    excess = (distance[:, :, None] - distance[:, None, :] + margin).clamp(min=0)
    total = features.new_zeros(())
    for place in (near, ~near):
        triplets = (alike & place & other)[:, :, None] & (~alike & place)[:, None, :]
        found = excess * triplets
        total = total + found.sum() / (found > 0).sum().clamp(min=1)
    return total


@dataclass(frozen=True, eq=False)
class MultiAdversarial:
    """L = cross-entropy + depth + triplet_weight · triplets + adversarial_weight · discriminators.

    Attributes:
        domains: int64 (N,), the domain of each training item, 0 to the network's number less 1.
        triplet_weight: 0 or more; our default.
        adversarial_weight: 0 or more; our default.
        augmented: Whether to augment (see `augment`).

    Raises:
        InputError: A weight or a domain is negative.
    """

    domains: Tensor
    triplet_weight: float = 1.0
    adversarial_weight: float = 0.1
    augmented: bool = True

    def __post_init__(self) -> None:
        for name in ("triplet_weight", "adversarial_weight"):
            if not getattr(self, name) >= 0:
                raise InputError(f"{name} is {getattr(self, name)}: 0 or more")
        if self.domains.dtype != torch.int64 or bool((self.domains < 0).any()):
            raise InputError("domains: int64 numbers of 0 or more, one per training item")

    def __call__(
        self, network: nn.Module, model: Network, batch: Batch, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """See `Objective`; `model` is a `MADDG`, label maps are of depth."""
        assert isinstance(model, MADDG)
        images, maps = batch.images, batch.maps
        if self.augmented:
            images, maps = augment(images, maps, draws)
        output: Output = network(normalise(images))
        model.steps += 1
        assert output.maps is not None
        assert output.logits is not None
        unit, told = output.features
        live = bona_fide_of(maps)
        domain = self.domains[batch.rows].to(live.device)
        loss = F.binary_cross_entropy_with_logits(
            output.logits[:, 0], live.to(output.logits.dtype)
        ) + F.mse_loss(output.maps, maps)
        loss = loss + self.triplet_weight * dual_force_triplet(unit, live, domain)
        own = F.one_hot(domain, told.shape[1]).to(told.dtype)
        confusion = F.binary_cross_entropy_with_logits(told, own)
        return loss + self.adversarial_weight * confusion, model.liveness(output)

    def to_dict(self) -> Mapping[str, Any]:
        """See `Objective`."""
        return {
            "domains": self.domains.tolist(),
            "triplet_weight": self.triplet_weight,
            "adversarial_weight": self.adversarial_weight,
            "augmented": self.augmented,
        }
