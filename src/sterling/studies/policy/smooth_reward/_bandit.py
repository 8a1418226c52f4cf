"""Softmax bandits: the exact expected update of a group-relative policy gradient, no sampling."""

import math
from itertools import combinations_with_replacement

import numpy as np
from numpy.typing import ArrayLike

from sterling.policy import advantages
from sterling.policy.activations import Floats, snra, threshold
from sterling.study import Figure, lines

ERRORS = np.array([0.0, 0.02, 0.08, 0.2, 0.6])
"""Relative errors of the five answers of the numeric bandit; the last one is the commonest."""
PLACES = tuple(round(0.02 * step, 2) for step in range(1, 50))


def expected_update(
    probabilities: ArrayLike, rewards: ArrayLike, size: int, *, alpha: float = 0.0, eps: float = 0.0
) -> Floats:
    """Return the exact expected gradient of a group with respect to the logits, (K,).

    It is the mean over all groups of (1 / G) Σ A_i (one-hot(a_i) - p), each group weighed by its
    multinomial probability.

    Args:
        probabilities: Probability of each arm, (K,).
        rewards: Reward of each arm, in [0, 1], (K,).
        size: Completions of a group, G.
        alpha: Exponent of the factor r^alpha: 0 for GRPO, 1 for AP-GRPO.
        eps: Added to the standard deviation.
    """
    p, r = np.asarray(probabilities, np.float64), np.asarray(rewards, np.float64)
    arms = np.array(list(combinations_with_replacement(range(len(p)), size)))
    counts = np.stack([(arms == arm).sum(axis=1) for arm in range(len(p))], axis=1)
    ways = [math.factorial(size) // math.prod(map(math.factorial, row)) for row in counts.tolist()]
    weight = np.array(ways) * np.prod(p**counts, axis=1)
    group = np.repeat(np.arange(len(arms)), size)
    found = advantages(r[arms].ravel(), group, alpha=alpha, eps=eps).values.reshape(arms.shape)
    push = np.stack([(found * (arms == arm)).sum(axis=1) for arm in range(len(p))], axis=1)
    gradient = (push - found.sum(axis=1, keepdims=True) * p) / size
    return np.asarray(weight @ gradient)


def limit_update(probabilities: ArrayLike, rewards: ArrayLike, *, alpha: int = 0) -> Floats:
    """Return what `expected_update` tends to for large groups, (K,).

    GRPO: ∇E[r] / σ. AP-GRPO: (∇E[r²] - μ ∇E[r]) / σ.

    Args:
        probabilities: Probability of each arm, (K,).
        rewards: Reward of each arm, (K,).
        alpha: 0 for GRPO, 1 for AP-GRPO.
    """
    p, r = np.asarray(probabilities, np.float64), np.asarray(rewards, np.float64)
    mean = p @ r
    sigma = math.sqrt(p @ (r - mean) ** 2)
    first, second = p * (r - mean), p * (r**2 - p @ r**2)
    return np.asarray((second - mean * first if alpha else first) / sigma)


def two_armed() -> Figure:
    """Draw the gradient of the right arm's logit over its probability p, with binary rewards."""
    arms = [(p, 1 - p) for p in PLACES]
    return lines(
        "two_armed",
        "Two-armed bandit: gradient over the success rate",
        "Exact expected gradient of the right answer's logit; binary reward. For large groups "
        "GRPO's is √(p(1-p)) and AP-GRPO's is (1-p) times that: it fades what is solved. No "
        "sampling.",
        list(PLACES),
        {
            "GRPO, large groups": [float(limit_update(p, (1, 0))[0]) for p in arms],
            "AP-GRPO, large groups": [float(limit_update(p, (1, 0), alpha=1)[0]) for p in arms],
            "GRPO, groups of 8": [float(expected_update(p, (1, 0), 8)[0]) for p in arms],
            "AP-GRPO, groups of 8": [
                float(expected_update(p, (1, 0), 8, alpha=1)[0]) for p in arms
            ],
        },
        labels=("success rate p", "gradient"),
    )


def five_armed() -> Figure:
    """Draw how fast the expected error falls, over the probability of the worst answer."""
    shapes = {"within 1 %": threshold(ERRORS, 100), "SNRA 100 on e²": snra(ERRORS**2, 100)}
    series: dict[str, list[float | None]] = {}
    for reward, values in shapes.items():
        for alpha, name in ((0, "GRPO"), (1, "AP-GRPO")):
            series[f"{reward}, {name}"] = [
                -float(_error_slope(worst) @ expected_update(_five(worst), values, 4, alpha=alpha))
                for worst in PLACES
            ]
    return lines(
        "five_armed",
        "Five-armed bandit: how fast the error falls",
        "Five answers with relative errors of 0, 2, 8, 20 and 60 %; the worst has the probability "
        "shown, each better one a quarter of what is left over. Decrease of the expected error "
        "along the exact expected gradient, groups of 4.",
        list(PLACES),
        series,
        labels=("probability of the worst answer", "decrease of the expected error"),
    )


def _five(worst: float) -> Floats:
    """Probabilities of the five answers: geometric from the worst to the best."""
    better = np.array([1.0, 4.0, 16.0, 64.0])
    return np.array([*((1 - worst) * better / better.sum()), worst])


def _error_slope(worst: float) -> Floats:
    """Gradient of the expected error with respect to the logits."""
    p = _five(worst)
    return np.asarray(p * (ERRORS - p @ ERRORS))
