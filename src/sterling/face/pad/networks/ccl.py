"""CCL: contrast a capture with the most similar one of the other class, and little else differs.

Liu et al., "Contrastive Context-Aware Learning for 3D High-Fidelity Mask Face Presentation Attack
Detection" (IEEE TIFS 2022). Known is that pairs are chosen by context; losses, weights and momentum
are not published in what was read, and are our documented defaults.
"""

import copy
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.checks import Count, Positive, Share, Weight
from sterling.errors import InputError
from sterling.face.data import Manifest
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.layers.resnet import Depth, residual_layers
from sterling.face.pad.networks.network import Network, Output, initialise
from sterling.face.pad.training.augment import tone_view
from sterling.face.pad.training.losses import bona_fide_of, label_loss
from sterling.face.pad.training.objective import Batch, Objective

PROJECTED = 4  # the projection has 4·width channels; the published size is unknown


class CCL(Network):
    """A residual encoder with a classifier, and a slower copy of it that is the target.

    Online branch: encoder, classifier of the pooled features, projector, predictor. Target branch:
    encoder and projector, whose weights follow the online ones (`follow`) and get no gradient.

    Args:
        depth: 10, 18 or 34; the paper's is 50.
        width: Channels of the first stage.
        seed: Seed of the initial weights; the target begins as the online branch.
    """

    name = "ccl"
    shrink = 32
    has_map = False
    logit_share = 1.0

    def __init__(self, depth: Depth = 18, width: Count = 64, *, seed: int = 0) -> None:
        super().__init__()
        projected = PROJECTED * width
        with torch.random.fork_rng(devices=[]):  # PyTorch's layers draw weights that we replace
            self.encoder = nn.Sequential(
                *residual_layers(3, width, depth),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
            )
            self.projector = _perceptron(8 * width, projected)
            self.predictor = _perceptron(projected, projected)
            self.classify = nn.Linear(8 * width, 1)
        initialise(self, seed)
        self.target = copy.deepcopy(nn.Sequential(self.encoder, self.projector))
        self.target.requires_grad_(False)

    def forward(self, images: Tensor, present: Tensor | None = None) -> Output:
        """Log odds (N, 1) of bona fide for images (N, 3, H, W): see `Network`.

        While training, `Output.features` are the predictions (N, 4·width).
        """
        self.require(images, present)
        encoded = self.encoder(images)
        logits = self.classify(encoded)
        if not self.training:
            return Output(logits=logits)
        return Output(logits=logits, features=(self.predictor(self.projector(encoded)),))

    @torch.no_grad()
    def follow(self, momentum: float) -> None:
        """Move the target's weights: ξ ← momentum · ξ + (1 − momentum) · θ."""
        online = nn.Sequential(self.encoder, self.projector)
        for slow, fast in zip(self.target.parameters(), online.parameters(), strict=True):
            slow.lerp_(fast, 1 - momentum)


def _perceptron(inputs: int, outputs: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(inputs, outputs), nn.BatchNorm1d(outputs), nn.ReLU(), nn.Linear(outputs, outputs)
    )


ASPECTS = ("subject", "illumination", "sensor", "session", "distance")
"""Columns of a manifest that make up the context, beside the class and its species."""


def contexts_of(manifest: Manifest) -> NDArray[np.int64]:
    """The context of each row as numbers (N, aspects): equal numbers are equal values.

    A value that is not known ("") is equal to no other.
    """
    columns = []
    for name in ASPECTS:
        codes = np.unique(manifest.column(name), return_inverse=True)[1].astype(np.int64)
        unknown = manifest.column(name) == ""
        codes[unknown] = -1 - np.flatnonzero(unknown)
        columns.append(codes)
    return np.stack(columns, axis=1)


def draw_pairs(
    contexts: Tensor, bona_fide: Tensor, anchors: Tensor, draws: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw one positive and one negative for each anchor, anew at every step.

    Only liveness tells an anchor and its negative apart. The paper also prefers harder pairs as
    training goes; that is not built, as its rule is unknown.

    Args:
        contexts: int64 (N, K), see `contexts_of`.
        bona_fide: bool (N,).
        anchors: int64 (B,), rows.
        draws: CPU generator; ties are broken by it.

    Returns:
        Rows (B,) of the positives: drawn evenly from the anchor's class among those whose context
        differs in one aspect or more (the anchor itself where there is none). Rows (B,) of the
        negatives: of the other class, with as many aspects in common with the anchor as any has.

    Raises:
        InputError: A class is missing.
    """
    if bool(bona_fide.all()) or not bool(bona_fide.any()):
        raise InputError("pairs need bona fide captures and attacks, and one of them is missing")
    common = (contexts[anchors, None, :] == contexts[None, :, :]).sum(dim=2)
    same_class = bona_fide[anchors, None] == bona_fide[None, :]
    chance = torch.rand(common.shape, generator=draws)
    differs = same_class & (common < contexts.shape[1])
    # An anchor that stands alone is its own positive: two views of one picture.
    itself = torch.zeros_like(differs)
    itself[torch.arange(len(anchors)), anchors] = True
    allowed = torch.where(differs.any(dim=1, keepdim=True), differs, itself)
    positives = chance.masked_fill(~allowed, -1).argmax(dim=1)
    # Chance lies in [0, 1): it decides among equals and never outweighs an aspect.
    negatives = (common + chance).masked_fill(same_class, -1).argmax(dim=1)
    return positives, negatives


@dataclass(frozen=True, eq=False)
class ContextContrast(Objective):
    """L = L_BCE + contrast_weight · L_contrast + similar_weight · L_similar.

    L_BCE classifies anchors and positives. L_contrast (InfoNCE) tells, for each anchor's
    prediction, the target projection of its positive from those of all captures of the other class
    in the batch. L_similar asks that the cosine of a pair be 1 for one class and 0 for two.

    Attributes:
        images: uint8 (N, 3, S, S), all training captures: pairs are drawn from them.
        contexts: int64 (N, K), see `contexts_of`.
        bona_fide: bool (N,).
        pairs: "context" as `draw_pairs`, or "random": any of the same and of the other class.
        contrast_weight: Unknown in the paper; 1 is ours.
        similar_weight: Unknown in the paper; 1 is ours.
        temperature: Temperature of the softmax, above 0; 0.2 is ours.
        momentum: Momentum of the target network, in [0, 1]; 0.99 is ours.

    Raises:
        InputError: A value is out of range, or the three tensors differ in their number of rows.
    """

    images: Tensor
    contexts: Tensor
    bona_fide: Tensor
    pairs: Literal["context", "random"] = "context"
    contrast_weight: Weight = 1.0
    similar_weight: Weight = 1.0
    temperature: Positive = 0.2
    momentum: Share = 0.99

    def __post_init__(self) -> None:
        super().__post_init__()
        if not len(self.images) == len(self.contexts) == len(self.bona_fide):
            raise InputError(
                f"{len(self.images)} images, {len(self.contexts)} contexts and "
                f"{len(self.bona_fide)} classes: one each per capture"
            )

    def __call__(
        self, network: nn.Module, model: Network, batch: Batch, draws: torch.Generator
    ) -> tuple[Tensor, Tensor]:
        """See `Objective`; `model` is a `CCL`."""
        assert isinstance(model, CCL)
        # Before the step instead of after it, which is the same from the second step on.
        model.follow(self.momentum)
        device = batch.images.device
        contexts = self.contexts if self.pairs == "context" else self.contexts[:, :0]
        positive, negative = draw_pairs(contexts, self.bona_fide, batch.rows, draws)
        shown = [
            tone_view(images.to(device), draws)
            for images in (batch.images, self.images[positive], self.images[negative])
        ]
        n = len(batch.images)
        output: Output = network(normalise(torch.cat(shown[:2])))
        with torch.no_grad():
            projected = model.target(normalise(torch.cat(shown[1:])))
        live = bona_fide_of(batch.maps)
        entropy = label_loss(output, torch.cat([live, live]))
        cosines = F.normalize(output.features[0][:n], dim=1) @ F.normalize(projected, dim=1).T
        contrast = contrast_loss(cosines, live, self.temperature)
        similar = ((cosines.diagonal() - 1).square() + cosines[:, n:].diagonal().square()).mean()
        loss = entropy + self.contrast_weight * contrast + self.similar_weight * similar / 2
        return loss, model.liveness(output)[:n]


def contrast_loss(cosines: Tensor, live: Tensor, temperature: float) -> Tensor:
    """InfoNCE of each anchor's positive among captures of the other class; lower is better.

    Args:
        cosines: (B, 2·B), of the anchors' predictions with the projections of all positives, then
            of all negatives; row i's own positive stands in column i.
        live: bool (B,), the anchors' class; a positive shares it, a negative does not.
        temperature: Above 0.
    """
    n = len(cosines)
    classes = torch.cat([live, ~live])
    other = classes[None, :] != live[:, None]
    own = torch.eye(n, 2 * n, dtype=torch.bool, device=cosines.device)
    logits = (cosines / temperature).masked_fill(~(other | own), -torch.inf)
    return F.cross_entropy(logits, torch.arange(n, device=cosines.device))
