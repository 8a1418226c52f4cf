"""A self-explaining network: from the input to concepts, and from the concepts alone to a label."""

from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.explain.concept_data import ConceptData


class ConceptNetwork(nn.Module):
    """x -> h(x) in (0, 1)^m -> g(h) in R^C.

    Args:
        shape: Shape of one input: (channels, height, width) for a small convolution network, (d,)
            for a perceptron.
        concepts: Number of concepts, m.
        classes: Number of classes, C.
        width: Number of channels of the first layer.
        hidden: Number of hidden units of the head; 0 for a linear head.
        seed: Seed of the initial weights.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        concepts: int,
        classes: int,
        *,
        width: int = 16,
        hidden: int = 0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            self.encoder = _encoder(shape, width)
            self.concepts = nn.Linear(4 * width, concepts)
            self.head = (
                nn.Sequential(nn.Linear(concepts, hidden), nn.ReLU(), nn.Linear(hidden, classes))
                if hidden
                else nn.Sequential(nn.Linear(concepts, classes))
            )
        self.temperature: Tensor
        self.register_buffer("temperature", torch.ones(()))

    def forward(self, inputs: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return embedding (N, 4 width), concept scores (N, m) in (0, 1), logits (N, C)."""
        embedding = self.encoder(inputs)
        scores = torch.sigmoid(self.concepts(embedding) / self.temperature)
        return embedding, scores, self.head(scores)


def _encoder(shape: tuple[int, ...], width: int) -> nn.Module:
    if len(shape) == 1:
        return nn.Sequential(
            nn.Linear(shape[0], 8 * width), nn.ReLU(), nn.Linear(8 * width, 4 * width), nn.ReLU()
        )
    if len(shape) != 3:
        raise InputError(f"inputs of shape {shape}: give (channels, height, width) or (d,)")
    channels, height, sides = shape
    pooled = 2 * width * max(1, height // 4) * max(1, sides // 4)
    return nn.Sequential(
        nn.Conv2d(channels, width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(width, 2 * width, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(pooled, 4 * width),
        nn.ReLU(),
    )


def fit_concepts(
    model: ConceptNetwork,
    data: ConceptData,
    *,
    epochs: int,
    learning_rate: float = 2e-3,
    held_out: float = 0.2,
    seed: int = 0,
) -> None:
    """Train the concept part, then scale its temperature on held-out training items.

    Args:
        model: Network to train in place.
        data: Training items only: none of them may calibrate or test later.
        epochs: Number of passes over the data.
        learning_rate: Learning rate of Adam.
        held_out: Share of the items that only the temperature is fitted on.
        seed: Seed of the order of the items.
    """
    inputs = torch.from_numpy(data.inputs)
    wanted = torch.from_numpy(data.concepts).float()
    generator = torch.Generator().manual_seed(seed)
    order = torch.randperm(len(data), generator=generator)
    kept = max(1, round(held_out * len(data)))
    for_temperature, trains = order[:kept], order[kept:]
    parameters = [*model.encoder.parameters(), *model.concepts.parameters()]
    optimiser = torch.optim.Adam(parameters, lr=learning_rate)
    for _ in range(epochs):
        shuffled = trains[torch.randperm(len(trains), generator=generator)]
        for rows in torch.split(shuffled, 64):
            loss = F.binary_cross_entropy_with_logits(
                model.concepts(model.encoder(inputs[rows])), wanted[rows]
            )
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
    with torch.no_grad():
        logits = model.concepts(model.encoder(inputs[for_temperature]))
        truth = wanted[for_temperature]

        def loss_at(log_temperature: float) -> float:
            return float(
                F.binary_cross_entropy_with_logits(logits / np.exp(log_temperature), truth)
            )

        best = minimize_scalar(loss_at, bounds=(-3, 3), method="bounded")
        model.temperature.fill_(float(np.exp(best.x)))
    model.eval()


def fit_head(
    model: ConceptNetwork, concepts: NDArray[np.bool_], labels: NDArray[np.intp], *, steps: int = 60
) -> float:
    """Train the head on true concepts, so that it does not learn the concept part's errors.

    Full-batch L-BFGS with a weak penalty on the weights, so that separable labels converge.

    Returns:
        Share of the items whose label is not the head's answer to their true concepts.
    """
    inputs, wanted = torch.from_numpy(concepts).float(), torch.from_numpy(labels)
    optimiser = torch.optim.LBFGS(
        model.head.parameters(), max_iter=steps, line_search_fn="strong_wolfe"
    )

    def closure() -> Tensor:
        optimiser.zero_grad()
        penalty = sum((weight**2).sum() for weight in model.head.parameters())
        loss = F.cross_entropy(model.head(inputs), wanted) + 1e-5 * penalty
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    with torch.no_grad():
        return float((model.head(inputs).argmax(dim=1) != wanted).float().mean())


def concept_importance(model: ConceptNetwork, concepts: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the mean absolute gradient of the winning logit by each concept, (m,), at most 1.

    Args:
        model: Network with a trained head.
        concepts: True concepts of training items (n, m).
    """
    values = torch.from_numpy(concepts).float().requires_grad_()
    model.head(values).max(dim=1).values.sum().backward()
    if values.grad is None:
        raise RuntimeError("the head does not depend on its input")
    importance = values.grad.abs().mean(dim=0).double().numpy()
    return np.asarray(importance / importance.max())


@dataclass(frozen=True, eq=False)
class Explained:
    """Outputs of a network for some items.

    Attributes:
        embedding: (N, d).
        scores: Concept scores h in (0, 1), (N, m).
        logits: (N, C).
    """

    embedding: NDArray[np.float64]
    scores: NDArray[np.float64]
    logits: NDArray[np.float64]


def explain(model: ConceptNetwork, inputs: NDArray[np.float32]) -> Explained:
    """Return concept scores and label logits of inputs (N, ...)."""
    with torch.inference_mode():
        parts = [
            [tensor.double().numpy() for tensor in model(torch.from_numpy(chunk))]
            for chunk in np.array_split(inputs, max(1, len(inputs) // 512))
        ]
    embedding, scores, logits = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Explained(embedding, scores, logits)
