"""Search of CDCN++'s cells: a network of all candidates, and the bilevel steps that choose.

Yu et al., CVPR 2020, section 3.3. The authors released the network that they found and not the
search; the space and the steps here follow the paper as far as it could be established (see
PAPERS.md), and DARTS (Liu et al., ICLR 2019) and PC-DARTS (Xu et al., ICLR 2020) for the rest.
"""

import itertools
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.checks import Count, Natural, Weight, check_fields
from sterling.errors import InputError
from sterling.face.data import channels_of, require_modalities
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.layers.cdc import CentralDifferenceConv2d
from sterling.face.pad.networks.cdcn import cdc_layer, map_layer
from sterling.face.pad.networks.cdcn_pp import OPERATIONS, Structure, operation_channels
from sterling.face.pad.networks.network import initialise
from sterling.face.pad.training.losses import DepthLoss, bona_fide_of

CANDIDATES = ("none", "skip", *OPERATIONS)
"""Candidate operations of a cell's edge."""

NODES = 4
EDGES = tuple((start, end) for end in range(1, NODES + 1) for start in range(end))
"""Edges of a cell: from the input, 0, or an earlier node to each of the nodes 1 to 4."""

CELLS = ("low", "mid", "high")


class SuperNetwork(nn.Module):
    """All candidates at once, weighed by softmaxes that the search moves.

    As `CDCN`, but each level is a cell of four nodes. A node is the sum of its edges; an edge is
    the sum of all candidates, weighed by the softmax of its row of `alpha`, applied to a share of
    the channels while the others pass by, and shuffled so that all have their turn (partial
    channels). The cell's output is the sum of its nodes, weighed by the softmax of its row of
    `beta` (node attention). Cells have structures of their own (varied cells).

    Args:
        width: Channels of the stem; cells have twice as many.
        theta: Share of the difference term.
        modalities: Modalities stacked along the image's channels.
        partial: One in so many channels passes through the candidates; divides 2·width.
        seed: Seed of the initial weights. `alpha` and `beta` begin at 0.

    Raises:
        InputError: `partial` does not divide the channels.
    """

    def __init__(
        self,
        width: int = 32,
        theta: float = 0.7,
        modalities: Collection[str] = ("rgb",),
        partial: int = 4,
        *,
        seed: int = 0,
    ) -> None:
        super().__init__()
        base = 2 * width
        if partial < 1 or base % partial:
            raise InputError(f"partial is {partial}: it must divide the cells' {base} channels")
        names = require_modalities(modalities)
        with torch.random.fork_rng(devices=[]):
            self.stem = nn.Sequential(
                cdc_layer(channels_of(names), width, theta), cdc_layer(width, base, theta)
            )
            self.cells = nn.ModuleList(_Cell(base, theta, partial) for _ in CELLS)
            self.head = nn.Sequential(cdc_layer(3 * base, base, theta), map_layer(base, theta))
        initialise(self, seed)
        self.alpha = nn.Parameter(torch.zeros(len(CELLS), len(EDGES), len(CANDIDATES)))
        self.beta = nn.Parameter(torch.zeros(len(CELLS), NODES))

    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, H/8, W/8) of normalised images (N, C, H, W)."""
        x, levels = self.stem(images), []
        for cell, alpha, beta in zip(self.cells, self.alpha, self.beta, strict=True):
            mixed = cell(x, alpha.softmax(dim=-1), beta.softmax(dim=-1))
            x = F.max_pool2d(mixed, 3, 2, 1)
            levels.append(x)
        small = [
            F.interpolate(level, size=x.shape[-2:], mode="bilinear", align_corners=False)
            for level in levels[:-1]
        ]
        maps: Tensor = self.head(torch.cat([*small, x], dim=1))
        return maps.squeeze(1)

    def architecture(self) -> list[nn.Parameter]:
        """The parameters that choose the structure."""
        return [self.alpha, self.beta]

    def weights(self) -> list[nn.Parameter]:
        """All others."""
        chosen = {id(parameter) for parameter in self.architecture()}
        return [parameter for parameter in self.parameters() if id(parameter) not in chosen]


class _Cell(nn.Module):
    def __init__(self, channels: int, theta: float, partial: int) -> None:
        super().__init__()
        self.partial = partial
        self.edges = nn.ModuleList(
            nn.ModuleList(_candidate(name, channels // partial, theta) for name in CANDIDATES)
            for _ in EDGES
        )

    def forward(self, x: Tensor, alpha: Tensor, beta: Tensor) -> Tensor:
        nodes = [x]
        for end in range(1, NODES + 1):
            arriving = [
                self._edge(index, nodes[start], alpha[index])
                for index, (start, stop) in enumerate(EDGES)
                if stop == end
            ]
            nodes.append(torch.stack(arriving).sum(dim=0))
        return torch.stack([b * node for b, node in zip(beta, nodes[1:], strict=True)]).sum(dim=0)

    def _edge(self, index: int, x: Tensor, weights: Tensor) -> Tensor:
        share = x.shape[1] // self.partial
        taken, passing = x[:, :share], x[:, share:]
        operations = cast(nn.ModuleList, self.edges[index])
        mixed = sum(w * operate(taken) for w, operate in zip(weights, operations, strict=True))
        whole = torch.cat([cast(Tensor, mixed), passing], dim=1)
        # Shuffle the channels, so that the next edge takes others.
        grouped = whole.reshape(x.shape[0], self.partial, share, *x.shape[-2:])
        return grouped.transpose(1, 2).flatten(1, 2)


class _Nothing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)


def _candidate(name: str, channels: int, theta: float) -> nn.Module:
    if name == "none":
        return _Nothing()
    if name == "skip":
        return nn.Identity()
    outputs = operation_channels(name, channels)
    layers: list[nn.Module] = []
    for before, after in zip([channels, *outputs], outputs, strict=False):
        # Without learned scales, which could make up for a small weight of the candidate.
        layers += [
            CentralDifferenceConv2d(before, after, theta=theta),
            nn.BatchNorm2d(after, affine=False),
            nn.ReLU(),
        ]
    return nn.Sequential(*layers)


@dataclass(frozen=True)
class SearchConfig:
    """Settings of a search. Defaults are recalled from the paper; see PAPERS.md.

    Attributes:
        epochs: Passes over each half of the items.
        warmup_epochs: Number of first epochs in which the structure does not change.
        batch_size: Items per step.
        learning_rate: Adam's for the weights.
        weight_decay: For the weights.
        architecture_rate: Adam's for the structure.
        architecture_decay: For the structure.
        cdl_weight: Weight of the contrastive depth loss in both losses.
        seed: Decides halves and order.

    Raises:
        InputError: A value is out of range.
    """

    epochs: Count = 60
    warmup_epochs: int = 10
    batch_size: Count = 12
    learning_rate: Weight = 1e-4
    weight_decay: Weight = 5e-5
    architecture_rate: Weight = 6e-4
    architecture_decay: Weight = 1e-3
    cdl_weight: Weight = 1.0
    seed: Natural = 0

    def __post_init__(self) -> None:
        check_fields(self)
        if not 0 <= self.warmup_epochs < self.epochs:
            raise InputError(
                f"warmup_epochs is {self.warmup_epochs}: 0 or more, below epochs, {self.epochs}"
            )


@dataclass(frozen=True, eq=False)
class SearchResult:
    """Result of a search.

    Attributes:
        structure: Operations of the cells, for `CDCNpp`.
        alpha: Weights of the candidates per cell and edge, softmaxes (3, 10, 8).
        beta: Weights of the nodes per cell, softmaxes (3, 4).
        losses: Mean loss on the half that moves the structure, per epoch.
    """

    structure: Structure
    alpha: NDArray[np.float64]
    beta: NDArray[np.float64]
    losses: tuple[float, ...]


def search(
    network: SuperNetwork,
    images: Tensor,
    maps: Tensor,
    config: SearchConfig,
    *,
    progress: Callable[[int], None] | None = None,
) -> SearchResult:
    """Choose a structure: first-order alternating steps of weights and structure.

        min over α, β of L_val(w*(α, β), α, β)   with   w*(α, β) = argmin over w of L_train

    One step on a batch of one half of the items moves the structure, the next on a batch of the
    other half the weights; both losses are the depth loss.

    Args:
        network: Its present weights are the start.
        images: uint8 (N, C, S, S).
        maps: float (N, S/8, S/8), the target maps.
        config: Settings of the search.
        progress: Called after each epoch with its number.

    Raises:
        InputError: A half has no bona fide presentations or no attacks.
    """
    generator = torch.Generator().manual_seed(config.seed)
    halves = _halves(maps, generator)
    loss = DepthLoss(config.cdl_weight)
    of_weights = torch.optim.Adam(
        network.weights(), lr=config.learning_rate, weight_decay=config.weight_decay
    )
    of_structure = torch.optim.Adam(
        network.architecture(),
        lr=config.architecture_rate,
        betas=(0.5, 0.999),  # as DARTS: the structure's gradients change with the weights
        weight_decay=config.architecture_decay,
    )

    def step(optimizer: torch.optim.Optimizer, rows: Tensor) -> float:
        value: Tensor = loss(network(normalise(images[rows])), maps[rows])
        network.zero_grad()
        value.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        return float(value.detach())

    losses = []
    network.train()
    for epoch in range(config.epochs):
        batches = [
            torch.split(half[torch.randperm(len(half), generator=generator)], config.batch_size)
            for half in halves
        ]
        seen = []
        for for_weights, for_structure in zip(*batches, strict=False):
            if epoch >= config.warmup_epochs:
                seen.append(step(of_structure, for_structure))
            step(of_weights, for_weights)
        losses.append(float(np.mean(seen)) if seen else float("nan"))
        if progress is not None:
            progress(epoch + 1)
    network.eval()
    alpha, beta = (p.detach().double().softmax(dim=-1).numpy() for p in network.architecture())
    return SearchResult(derive(alpha, beta), alpha, beta, tuple(losses[config.warmup_epochs :]))


def derive(alpha: NDArray[Any], beta: NDArray[Any]) -> Structure:
    """The structure that the weights choose.

    In each cell the node with the largest β; back from it along the edge with the heaviest
    candidate other than "none", to the input. Skips leave no operation. The first cell begins with
    the layer that widens the stem's channels; a cell that would be empty has one "cdc".

    Args:
        alpha: Weights of the candidates (3, 10, 8).
        beta: Weights of the nodes (3, 4).
    """
    cells = []
    for weights, nodes in zip(alpha, beta, strict=True):
        operations: list[str] = []
        node = 1 + int(np.argmax(nodes))
        while node > 0:
            arriving = [index for index, (_, end) in enumerate(EDGES) if end == node]
            edge, choice = max(
                itertools.product(arriving, range(1, len(CANDIDATES))),
                key=lambda pair: float(weights[pair]),
            )
            if CANDIDATES[choice] != "skip":
                operations.insert(0, CANDIDATES[choice])
            node = EDGES[edge][0]
        cells.append(operations)
    low, mid, high = cells
    return (("cdc", *low), tuple(mid or ("cdc",)), tuple(high or ("cdc",)))


def _halves(maps: Tensor, generator: torch.Generator) -> Sequence[Tensor]:
    """Rows of two halves, each class shared out evenly."""
    bona_fide = bona_fide_of(maps)
    halves: list[list[Tensor]] = [[], []]
    for kind, name in ((bona_fide, "bona fide"), (~bona_fide, "attack")):
        rows = torch.nonzero(kind).flatten()
        if len(rows) < 2:
            raise InputError(f"search: {len(rows)} {name} items; each half needs at least one")
        rows = rows[torch.randperm(len(rows), generator=generator)]
        for half, part in zip(halves, rows.tensor_split(2), strict=True):
            half.append(part)
    return [torch.cat(half) for half in halves]
