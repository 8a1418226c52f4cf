"""Strengths from paired comparisons, with their uncertainty: Bradley-Terry-Luce by MAP.

P(i beats j) = 1 / (1 + exp(θ_j - θ_i)) (Bradley and Terry, Biometrika 1952), with a Gaussian prior
of mean zero on θ, so that things never compared have a strength too.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special, stats

from sterling.errors import InputError
from sterling.measure.interval import Interval

STEPS, TOLERANCE = 100, 1e-10


@dataclass(frozen=True, eq=False)
class BradleyTerry:
    """Strengths of K things with their uncertainty.

    Attributes:
        strengths: θ, (K,), in logits; only differences mean something.
        covariance: Covariance of θ, (K, K): the inverse Hessian at the mode (Laplace).
    """

    strengths: NDArray[np.float64]
    covariance: NDArray[np.float64]

    def order(self) -> list[int]:
        """Return the things, strongest first."""
        return [int(row) for row in np.argsort(-self.strengths, kind="stable")]

    def difference(self, first: int, second: int) -> tuple[float, float]:
        """Return θ_first - θ_second and its variance."""
        covariance = self.covariance
        variance = (
            covariance[first, first] + covariance[second, second] - 2 * covariance[first, second]
        )
        return float(self.strengths[first] - self.strengths[second]), float(variance)

    def probability_above(self, first: int, second: int) -> float:
        """Return P(θ_first > θ_second) under the normal approximation."""
        mean, variance = self.difference(first, second)
        return float(stats.norm.cdf(mean / np.sqrt(variance)))

    def interval(self, thing: int, level: float = 0.95) -> Interval:
        """Return the interval of one strength."""
        half = stats.norm.ppf((1 + level) / 2) * np.sqrt(self.covariance[thing, thing])
        centre = float(self.strengths[thing])
        return Interval(centre - float(half), centre + float(half))


def fit_bradley_terry(wins: ArrayLike, ridge: float = 1.0) -> BradleyTerry:
    """Return the mode of Σ w_ij log P(i beats j) - ridge / 2 ‖θ‖², by Newton's method.

    Args:
        wins: w, (K, K): number of wins of row over column, parts of a win allowed; the diagonal
            is ignored. K of 1 or more.
        ridge: Inverse variance of the prior, above 0.

    Raises:
        InputError: `wins` is not square, holds negative numbers, or the ridge is not above 0.
    """
    won = np.array(wins, dtype=float)
    if won.ndim != 2 or won.shape[0] != won.shape[1] or not len(won):
        raise InputError(f"wins of shape {won.shape}: give one row and one column per thing")
    np.fill_diagonal(won, 0)
    if not (np.isfinite(won).all() and (won >= 0).all()):
        raise InputError("wins: give finite numbers of 0 or more")
    if not ridge > 0:
        raise InputError(f"ridge {ridge}: above 0, or strengths have no limit")
    played = won + won.T
    theta: NDArray[np.float64] = np.zeros(len(won))
    for _ in range(STEPS):
        chance = special.expit(theta[:, None] - theta[None, :])
        gradient = (won - played * chance).sum(axis=1) - ridge * theta
        step = np.linalg.solve(_curvature(played, chance, ridge), gradient)
        # Far from the mode a whole step may overshoot; the objective is concave.
        size = 1.0
        while _objective(won, theta + size * step, ridge) < _objective(won, theta, ridge) - 1e-12:
            size /= 2
        theta = theta + size * step
        if np.abs(step).max() < TOLERANCE:
            break
    chance = special.expit(theta[:, None] - theta[None, :])
    covariance = np.linalg.inv(_curvature(played, chance, ridge))
    return BradleyTerry(theta, np.asarray(covariance, dtype=np.float64))


def _curvature(played: Any, chance: Any, ridge: float) -> NDArray[np.float64]:
    """Return minus the Hessian: a graph's Laplacian plus the prior."""
    weight = played * chance * (1 - chance)
    return np.asarray(np.diag(weight.sum(axis=1)) - weight + ridge * np.eye(len(weight)))


def _objective(won: Any, theta: NDArray[np.float64], ridge: float) -> float:
    likelihood = won * special.log_expit(theta[:, None] - theta[None, :])
    return float(likelihood.sum() - ridge / 2 * theta @ theta)
