"""Networks that predict the classes of records, with a hypergraph, its clique expansion, or none.

::

    network = train(records, training, "hypergraph", width=64, steps=100, seed=0)
    network.probabilities(records)  # (N, 3)
"""

from copy import deepcopy
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.gaze import Hypergraph, HypergraphConv
from sterling.gaze.hypergraph import sparse_product
from sterling.studies.gaze.hmllm._audience import LABELS
from sterling.studies.gaze.hmllm._records import Records

LAYERS, DROPOUT = 2, 0.3
RATE, DECAY, CHECKED = 5e-3, 1e-2, 10
HELD_OUT = 0.2  # share of training videos whose loss chooses the step
INDICATORS, CLASSES = len(LABELS), max(len(names) for names in LABELS.values())
ALLOWED = torch.tensor([[k < len(names) for k in range(CLASSES)] for names in LABELS.values()])

Mixing = Literal["none", "cliques", "hypergraph"]


class ResponseNetwork(nn.Module):
    """Two layers that mix records, with residuals and normalisation, and two heads.

    Args:
        inputs: Features of a record.
        kinds: Kinds of the hypergraph's edges.
        mixing: Whether a layer mixes records by the hypergraph, its clique expansion, or not.
        width: Width of the layers.
        seed: Seed of the initial weights.

    Source: layers: Feng et al., AAAI 2019; residuals, normalisation and heads are our choice.
    """

    def __init__(
        self, inputs: int, kinds: tuple[str, ...], mixing: Mixing, *, width: int, seed: int
    ) -> None:
        super().__init__()
        self.mixing = mixing
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.enter = nn.Linear(inputs, width)
            self.layers = nn.ModuleList(
                HypergraphConv(width, width, kinds, learned=mixing != "none") for _ in range(LAYERS)
            )
            self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(LAYERS))
            self.classes = nn.Linear(width, INDICATORS * CLASSES)
            self.scalar = nn.Linear(width, INDICATORS)

    def represent(
        self, features: Tensor, graph: Hypergraph, generator: torch.Generator | None = None
    ) -> Tensor:
        """Represent records, (N, width); a generator draws dropout."""
        hidden = F.relu(self.enter(features))
        for layer, norm in zip(self.layers, self.norms, strict=True):
            mixed = F.relu(self._mix(layer, hidden, graph))
            if generator is not None:
                kept = torch.rand(mixed.shape, generator=generator) >= DROPOUT
                mixed = mixed * kept / (1 - DROPOUT)
            hidden = norm(hidden + mixed)
        return hidden

    def heads(self, hidden: Tensor, indicator: Tensor) -> tuple[Tensor, Tensor]:
        """Class logits (N, 3), minus infinity where an indicator has no such class, and scalars."""
        rows = torch.arange(len(hidden))
        logits = self.classes(hidden).view(-1, INDICATORS, CLASSES)[rows, indicator]
        logits = logits.masked_fill(~ALLOWED[indicator], -torch.inf)
        return logits, self.scalar(hidden)[rows, indicator]

    def probabilities(self, records: Records) -> NDArray[np.float64]:
        """Class probabilities of all records, (N, 3)."""
        with torch.no_grad():
            hidden = self.represent(records.features, records.graph)
            logits, _ = self.heads(hidden, records.indicator)
        found: NDArray[np.float64] = logits.softmax(-1).double().numpy()
        return found

    def _mix(self, layer: nn.Module, hidden: Tensor, graph: Hypergraph) -> Tensor:
        assert isinstance(layer, HypergraphConv)
        if self.mixing == "hypergraph":
            mixed: Tensor = layer(hidden, graph)
            return mixed
        linear: Tensor = layer.linear(hidden)
        return linear if self.mixing == "none" else smooth_cliques(linear, graph, layer.weights)


def smooth_cliques(features: Tensor, graph: Hypergraph, weights: Tensor) -> Tensor:
    """Apply HGNN to the clique expansion of a hypergraph without listing its pairs.

    With edges of two nodes HGNN is half of ``I + D^-1/2 A D^-1/2``. Pairs count as often as edges
    hold them. A node without an edge gets 0.

    Args:
        features: (N, D).
        graph: Hypergraph over the N nodes.
        weights: Weight of each kind of edge, (kinds,).
    """
    nodes, edges = graph.incidence(features)
    weight = weights[torch.from_numpy(graph.kind)][:, None]
    size = sparse_product(edges, nodes, features.new_ones(graph.nodes, 1))
    degree = sparse_product(nodes, edges, weight * (size - 1))
    scale = torch.where(degree > 0, degree.clamp(min=1e-30).rsqrt(), 0)
    scaled = scale * features
    gathered = sparse_product(nodes, edges, weight * sparse_product(edges, nodes, scaled))
    neighbours = gathered - sparse_product(nodes, edges, weight) * scaled
    return torch.where(degree > 0, (features + scale * neighbours) / 2, 0)


def graph_loss(logits: Tensor, scalars: Tensor, labels: Tensor, values: Tensor) -> Tensor:
    """Cross-entropy of the classes plus Huber loss of the scalars."""
    return F.cross_entropy(logits, labels) + F.huber_loss(scalars, values)


def train(
    records: Records,
    training: NDArray[np.bool_],
    video: NDArray[np.int64],
    mixing: Mixing,
    *,
    width: int,
    steps: int,
    seed: int,
) -> ResponseNetwork:
    """Train on all training records at once, and keep the step that is best on held-out videos.

    Args:
        records: Records; where some do not train, the network sees their features and edges.
        training: Mask of the training records, bool (N,).
        video: Video of each record, (N,); a fifth of the training videos choose the step.
        mixing: Mixing of the network.
        width: Width of the network.
        steps: Steps of AdamW.
        seed: Seed of weights, dropout and held-out videos.
    """
    kinds, inputs = records.graph.kinds, records.features.shape[1]
    network = ResponseNetwork(inputs, kinds, mixing, width=width, seed=seed)
    names = np.random.default_rng(seed).permutation(np.unique(video[training]))
    held_out = np.isin(video, names[: max(1, round(HELD_OUT * len(names)))])
    fitted = torch.from_numpy(training & ~held_out)
    checked = torch.from_numpy(training & held_out)
    generator = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=DECAY)
    best, kept = float("inf"), deepcopy(network.state_dict())

    def loss(chosen: Tensor, generator: torch.Generator | None) -> Tensor:
        hidden = network.represent(records.features, records.graph, generator)[chosen]
        logits, scalars = network.heads(hidden, records.indicator[chosen])
        return graph_loss(logits, scalars, records.labels[chosen], records.values[chosen])

    for step in range(1, steps + 1):
        optimizer.zero_grad()
        loss(fitted, generator).backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % CHECKED == 0:
            with torch.no_grad():
                found = float(loss(checked, None))
            if found < best:
                best, kept = found, deepcopy(network.state_dict())
    network.load_state_dict(kept)
    return network
