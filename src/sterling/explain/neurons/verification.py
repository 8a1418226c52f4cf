"""Checks of a unit's name: what its removal costs, and how well the name predicts its responses."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats
from sklearn.metrics import average_precision_score
from torch import Tensor, nn

from sterling.errors import InputError, unknown_name

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Metric = Callable[[Floats, Bools], float]


@contextmanager
def ablated(
    network: nn.Module, layer: str, unit: int, *, value: float | Tensor = 0.0
) -> Iterator[nn.Module]:
    """Run a network with one unit held at a value.

    Args:
        network: The network; its weights are not touched.
        layer: Name of the unit's layer.
        unit: Number of the unit: a channel, an entry, or a feature of all tokens.
        value: Value it is held at; its mean activation is the milder ablation.

    Raises:
        InputError: There is no such layer or unit.

    Examples:
        >>> with ablated(network, "layer4", 7):
        ...     logits = network(pictures)
    """
    modules = dict(network.named_modules())
    if layer not in modules or not layer:
        raise unknown_name("layer", layer, [name for name in modules if name])

    def hold(_: nn.Module, __: object, output: Tensor) -> Tensor:
        axis = -1 if output.ndim == 3 else 1
        if not 0 <= unit < output.shape[axis]:
            raise InputError(f"unit {unit}: layer {layer} has 0 to {output.shape[axis] - 1}")
        changed = output.clone()
        changed.select(axis, unit).fill_(value)
        return changed

    hook = modules[layer].register_forward_hook(hold)
    try:
        yield network
    finally:
        hook.remove()


@torch.no_grad()
def class_accuracy(
    network: nn.Module, pictures: Tensor, labels: Tensor, classes: int, *, batch: int = 256
) -> Floats:
    """Accuracy for each class, (C,); NaN of a class without pictures.

    Args:
        network: From pictures (N, 3, H, W) to logits (N, C).
        pictures: Inputs.
        labels: True classes (N,).
        classes: Number of classes, C.
        batch: Pictures at a time.
    """
    network.eval()
    right = torch.cat(
        [
            network(pictures[at : at + batch]).argmax(1) == labels[at : at + batch]
            for at in range(0, len(pictures), batch)
        ]
    ).double()
    return np.array(
        [
            float(right[labels == k].mean()) if (labels == k).any() else np.nan
            for k in range(classes)
        ]
    )


def selectivity(before: Floats, after: Floats, classes: Sequence[int]) -> float:
    """Mean loss of accuracy on some classes, above the mean loss on the others.

    Args:
        before: Accuracy for each class (C,).
        after: The same with the unit ablated.
        classes: Classes that the unit's name speaks of, not all of them.
    """
    own = np.isin(np.arange(len(before)), list(classes))
    if own.all() or not own.any():
        raise InputError(f"classes {list(classes)}: give some of the {len(before)}, not all")
    lost = before - after
    return float(np.nanmean(lost[own]) - np.nanmean(lost[~own]))


def simulation_score(similarity: Floats, values: Floats) -> float:
    """Spearman correlation of a name's similarity to pictures with the unit's responses to them.

    Pictures must be others than those the name was found on; 1 is best.
    """
    return float(stats.spearmanr(similarity, values).statistic)


def pearson(values: Floats, present: Bools) -> float:
    """Pearson correlation of responses (N,) with a concept's presence (N,); 0 of a constant."""
    if present.all() or not present.any() or np.ptp(values) == 0:
        return 0.0
    return float(np.corrcoef(values, present)[0, 1])


def cosine(values: Floats, present: Bools) -> float:
    """Cosine of centred responses, without those below 0, with the presence of a concept."""
    kept = np.maximum(values - values.mean(), 0)
    return float(kept @ present / max(np.linalg.norm(kept) * np.sqrt(present.sum()), 1e-12))


def auprc(values: Floats, present: Bools) -> float:
    """Area under the precision-recall curve of the concept as a predictor of firing."""
    return float(average_precision_score(fired(values), present))


def f1(values: Floats, present: Bools) -> float:
    """F1 of the concept as a predictor of firing."""
    on = fired(values)
    return float(2 * (on & present).sum() / (on.sum() + present.sum()))


def iou(values: Floats, present: Bools) -> float:
    """Intersection over union of the pictures that fire the unit and those with the concept."""
    on = fired(values)
    return float((on & present).sum() / (on | present).sum())


def fired(values: Floats) -> Bools:
    """Whether each response is above the middle between the means above and below it (N,).

    Source: Ridler and Calvard, 1978, for grey levels.
    """
    threshold = (values.min() + values.max()) / 2
    for _ in range(100):
        above = values > threshold
        if above.all() or not above.any():
            break
        middle = (values[above].mean() + values[~above].mean()) / 2
        if middle == threshold:
            break
        threshold = middle
    return np.asarray(values > threshold)


METRICS: dict[str, Metric] = {
    "Pearson": pearson,
    "cosine": cosine,
    "AUPRC": auprc,
    "F1": f1,
    "IoU": iou,
}
"""Fit of a concept to a unit, from responses and presence; higher is better, 1 is best."""

Sanity = Literal["missing labels", "extra labels"]


def sanity_drop(
    metric: Metric, values: Floats, present: Bools, test: Sanity, rng: np.random.Generator
) -> float:
    """Fall of a metric when the concept is replaced by one that fits worse.

    A metric that cannot tell is unfit: "missing labels" takes the concept from half of its
    pictures, "extra labels" gives it to as many others.

    Source: Oikarinen, Yan and Weng, "Evaluating Neuron Explanations", ICML 2025, name both checks
    and these five metrics as those that pass them; halves and doubles are our choice.
    """
    changed = present.copy()
    count = int(present.sum())
    if test == "missing labels":
        changed[rng.permutation(np.flatnonzero(present))[: count // 2]] = False
    else:
        others = np.flatnonzero(~present)
        changed[rng.permutation(others)[:count]] = True
    return metric(values, present) - metric(values, changed)
