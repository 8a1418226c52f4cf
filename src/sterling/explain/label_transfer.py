"""Transfer of a set of concept vectors to the set of labels that its members can get.

Within a box [low, high] of concept values a label j is possible when the head ranks it first at
some point. If the head is right about the true concepts, the set of possible labels holds the
true label whenever the concept set holds the true concepts.

Certified, so that coverage carries over: enumeration and the linear program (exact), pairwise
bounds and interval bounds (may add labels). Empirical: projected gradients may miss labels, so
nothing is guaranteed of their sets.
"""

import copy

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import linprog
from torch import Tensor, nn

from sterling.errors import InputError

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]

# A label is kept when it falls short of the first rank by no more than this: rounding may add a
# label, and never takes one away.
TOLERANCE = 1e-7


def box_of_values(values: Bools, h: Floats) -> tuple[Floats, Floats]:
    """Return lower and upper ends (N, m) of the values that concepts take, from bool (N, m, 2).

    An empty set becomes the vector nearest to the concept scores h (N, m): it covers no less.
    """
    empty = ~values.any(axis=2)
    low = np.where(empty, h >= 0.5, ~values[..., 0])
    high = np.where(empty, h >= 0.5, values[..., 1])
    return low.astype(np.float64), high.astype(np.float64)


def label_scores_by_enumeration(scores: Floats, winners: NDArray[np.intp], classes: int) -> Floats:
    """Return the least score of a vector that gets each label, (N, C); infinite when none does.

    A label is possible within the concept set at a threshold exactly when this is at most the
    threshold: the transferred label set is the set of a score, whatever the head.

    Args:
        scores: Scores of every vector for every item (N, V), from ``ConceptScore.of_vectors``.
        winners: The head's label of every vector (V,).
        classes: Number of classes, C.
    """
    least = np.full((len(scores), classes), np.inf)
    for label in np.unique(winners):
        least[:, label] = scores[:, winners == label].min(axis=1)
    return least


def box_labels(weight: Floats, bias: Floats, low: Floats, high: Floats) -> Bools:
    """Return labels of a linear head that no single other label always beats, bool (N, C).

    ``max over the box of (g_j - g_k) >= 0`` for every k: a superset of the possible labels.

    Args:
        weight: W (C, m), logits are ``W v + b``.
        bias: b (C,).
        low: Lower ends of the boxes (N, m).
        high: Upper ends (N, m).
    """
    difference = weight[:, None, :] - weight[None, :, :]
    upper = (
        high @ np.maximum(difference, 0).reshape(-1, weight.shape[1]).T
        + low @ np.minimum(difference, 0).reshape(-1, weight.shape[1]).T
    ).reshape(len(low), *difference.shape[:2])
    upper += bias[:, None] - bias[None, :]
    return np.asarray((upper >= -TOLERANCE).all(axis=2))


def lp_gap(weight: Floats, bias: Floats, low: Floats, high: Floats, label: int) -> float:
    """Return ``min over the box of max_k (g_k - g_label)``, k other than the label, by HiGHS.

    Exact. At most 0 when the label is possible; otherwise its distance from the first rank.

    Args:
        weight: W (C, m).
        bias: b (C,).
        low: (m,), one box.
        high: (m,).
        label: j.
    """
    others = np.arange(len(weight)) != label
    # Variables v and t: minimise t subject to (W_k - W_j) v - t <= b_j - b_k.
    rows = np.column_stack([weight[others] - weight[label], -np.ones(int(others.sum()))])
    solved = linprog(
        c=np.append(np.zeros(weight.shape[1]), 1.0),
        A_ub=rows,
        b_ub=bias[label] - bias[others],
        bounds=[*zip(low, high, strict=True), (None, None)],
        method="highs",
    )
    if not solved.success:
        raise InputError(f"the linear program of label {label} failed: {solved.message}")
    return float(solved.fun)


def lp_labels(weight: Floats, bias: Floats, low: Floats, high: Floats) -> Bools:
    """Return the possible labels of a linear head within each convex box, exact, bool (N, C).

    One linear program per label that the pairwise bounds leave; arguments as :func:`box_labels`.
    """
    labels = box_labels(weight, bias, low, high)
    for item, label in np.argwhere(labels):
        gap = lp_gap(weight, bias, low[item], high[item], int(label))
        labels[item, label] = gap <= TOLERANCE
    return labels


def interval_labels(head: nn.Sequential, low: Floats, high: Floats) -> Bools:
    """Return labels of a head of linear and ReLU layers that interval bounds leave, bool (N, C).

    A superset of the possible labels: intervals of the last hidden layer, and on them the
    pairwise bound of :func:`box_labels` (IBP with the last layer elided, Gowal et al., 2019).
    """
    *hidden, last = head
    if not isinstance(last, nn.Linear):
        raise InputError("interval bounds need a head that ends in a linear layer")
    ends = low, high
    for layer in hidden:
        if isinstance(layer, nn.Linear):
            weight, bias = _arrays(layer)
            middle, radius = (ends[0] + ends[1]) / 2, (ends[1] - ends[0]) / 2
            centre, reach = middle @ weight.T + bias, radius @ np.abs(weight).T
            ends = centre - reach, centre + reach
        elif isinstance(layer, nn.ReLU):
            ends = np.maximum(ends[0], 0), np.maximum(ends[1], 0)
        else:
            raise InputError(f"no interval bounds for a layer {type(layer).__name__}")
    return box_labels(*_arrays(last), *ends)


def _arrays(layer: nn.Linear) -> tuple[Floats, Floats]:
    weight = layer.weight.detach().double().numpy()
    bias = np.zeros(len(weight)) if layer.bias is None else layer.bias.detach().double().numpy()
    return weight, bias


def pgd_labels(
    head: nn.Module,
    low: Floats,
    high: Floats,
    *,
    steps: int = 30,
    restarts: int = 3,
    generator: torch.Generator,
) -> Bools:
    """Return labels that projected gradient ascent finds in each box, bool (N, C): EMPIRICAL.

    Ascends ``g_j - max_{k != j} g_k`` from random points of the box, for every label at once. A
    label found is possible; one not found may be possible too, so coverage is not guaranteed.

    Args:
        head: Maps concept values (B, m) to logits (B, C).
        low: Lower ends (N, m).
        high: Upper ends (N, m).
        steps: Number of sign-gradient steps, of a size that falls from a quarter of the box's sides
            to 0.
        restarts: Number of random starting points.
        generator: Source of the starting points.
    """
    head = copy.deepcopy(head).double()
    lower, upper = torch.from_numpy(low), torch.from_numpy(high)
    with torch.no_grad():
        classes = head(lower[:1]).shape[1]
    bottom = lower[:, None, :].expand(-1, classes, -1)
    side = (upper - lower)[:, None, :].expand(-1, classes, -1)
    found = torch.zeros(len(lower), classes, dtype=torch.bool)
    for _ in range(restarts):
        start = torch.rand(bottom.shape, generator=generator, dtype=torch.float64)
        point = bottom + side * start
        for step in range(steps + 1):
            point = point.detach().requires_grad_()
            margin = _margins(head, point)
            found |= margin.detach() >= 0
            (slope,) = torch.autograd.grad(margin.sum(), point)
            size = 0.25 * (1 - step / steps)
            point = point + size * side * slope.sign()
            point = torch.minimum(torch.maximum(point, bottom), bottom + side)
    return np.asarray(found.numpy())


def _margins(head: nn.Module, points: Tensor) -> Tensor:
    """Return the margin of label j at point j of each item, (N, C), from points (N, C, m)."""
    n, classes, m = points.shape
    logits = head(points.reshape(-1, m)).reshape(n, classes, classes)
    own = logits.diagonal(dim1=1, dim2=2)
    others = logits.masked_fill(torch.eye(classes, dtype=torch.bool), -torch.inf).amax(dim=2)
    margins: Tensor = own - others
    return margins
