"""Which class was forgotten: from probes asked before and after, or from the last bias.

Hu et al., "Learn What You Want to Unlearn: Unlearning Inversion Attacks against Machine
Unlearning", IEEE S&P 2024, infer labels in both ways.
"""

from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import xlogy

from sterling.errors import InputError


def forgotten_class_from_probes(
    before: ArrayLike,
    after: ArrayLike,
    probe_class: ArrayLike,
    *,
    signal: Literal["confidence", "entropy"] = "confidence",
) -> NDArray[np.float64]:
    """Change of the posteriors on each class's probes, (C,); the largest is forgotten.

    Args:
        before: Posteriors of probes before unlearning, (P, C).
        after: And after.
        probe_class: The class of each probe, (P,); every class has one at least.
        signal: Mean fall of the posterior of the probe's own class, or mean rise of the entropy. A
            model retrained without a class can be sure, and wrong, on its probes: entropy misses
            that.

    Raises:
        InputError: On a class without a probe, or posteriors of different shape.
    """
    first, second = np.asarray(before, dtype=np.float64), np.asarray(after, dtype=np.float64)
    classes = np.asarray(probe_class)
    if first.shape != second.shape or classes.shape != first.shape[:1]:
        raise InputError(
            f"before {first.shape}, after {second.shape}, probes {classes.shape}: give (P, C) "
            "twice and (P,)"
        )
    counts = np.bincount(classes, minlength=first.shape[1])
    if not counts.all():
        raise InputError(f"probes: class {int(counts.argmin())} has none; give one at least")
    if signal == "confidence":
        rows = np.arange(len(classes))
        change = first[rows, classes] - second[rows, classes]
    elif signal == "entropy":
        change = xlogy(first, first).sum(1) - xlogy(second, second).sum(1)
    else:
        raise InputError(f"signal {signal!r}: use 'confidence' or 'entropy'")
    return np.asarray(np.bincount(classes, change, minlength=first.shape[1]) / counts)


def forgotten_class_from_bias(before: ArrayLike, after: ArrayLike) -> NDArray[np.float64]:
    """How far forgetting lowered each class's last-layer bias, (C,); the largest is forgotten.

    A record's gradient on the bias is p − e_y: going back along it lowers its class and no other.

    Args:
        before: Bias of the last layer before unlearning, (C,).
        after: And after.
    """
    return np.asarray(before, dtype=np.float64) - np.asarray(after, dtype=np.float64)
