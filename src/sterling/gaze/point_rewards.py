"""Rewards of answers that name the points where a kind of viewer looks.

An answer is a text that holds ``{"points": [[x, y], ...]}`` in pixels of the frame. Four rewards in
[0, 1] score it: its format, the distance of its points from fixations, the agreement of all its
points with the density of fixations, and whether it fits the asked profile better than everybody::

    target = PointTarget.of(own_fixations, (1920, 1080), pooled=all_fixations)
    parts = PointReward()(completions, target)  # (answers, 4), as `policy.advantages` takes them
    advantages(parts, [frame] * len(parts), weights=WEIGHTS)

PRE-MAP (arXiv 2507.19213) rewards format, spatial accuracy and consistency; its formulas are not
published in what could be read. All formulas and constants here are our choice.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import linear_sum_assignment
from scipy.special import rel_entr

from sterling.checks import Count, Positive, check_fields, check_numbers, check_values
from sterling.errors import InputError
from sterling.gaze.saliency import correlation
from sterling.policy import Schedule, json_in, texts_of

Floats = NDArray[np.float64]

REWARDS = ("format", "spatial", "consistency", "profile")
"""Names of the rewards, in the order of the columns of `PointReward`."""
WEIGHTS = (0.2, 0.4, 0.3, 0.1)
"""Weight of each reward in the sum (our choice)."""
SAME_PROFILE = 0.98
"""Correlation above which a profile's density counts as everybody's (our choice)."""
GRID = 40
"""Longer side of the grid on which densities are compared, in cells (our choice)."""


def parse_points(text: str) -> Floats | None:
    """Read the points of an answer: the last JSON object, ``{"points": [[x, y], ...]}``.

    Args:
        text: Any text.

    Returns:
        x and y, (P, 2), at least one; infinite where a number is too large for a float. None where
        the last JSON value is no such object. Never raises.

    Examples:
        >>> parse_points('Here: {"points": [[10, 20], [30, 4]]}').tolist()
        [[10.0, 20.0], [30.0, 4.0]]
        >>> parse_points("I do not know.") is None
        True
    """
    answer = json_in(text)
    pairs = answer.get("points") if isinstance(answer, dict) else None
    if not isinstance(pairs, list) or not pairs:
        return None
    if not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        return None
    numbers = [number for pair in pairs for number in pair]
    if not all(type(number) in (int, float) for number in numbers):
        return None
    return np.array([_float(number) for number in numbers]).reshape(-1, 2)


def farthest_points(points: ArrayLike, count: Count) -> Floats:
    """Choose fixations that cover all places: each is the farthest from those chosen before.

    The first is the one nearest to the mean. The choice does not depend on a seed, but it prefers
    outliers: its spread is larger than that of the fixations.

    Args:
        points: x and y of fixations, (F, 2), one or more.
        count: Number of points to choose.

    Returns:
        (min(count, F), 2); of equally far points the first is taken.

    Raises:
        InputError: There is no point, one is not finite, or the count is below 1.

    Source: Gonzalez, Theoretical Computer Science 38 (1985).

    Examples:
        >>> farthest_points([[0, 0], [1, 0], [5, 0], [9, 0]], 3).tolist()
        [[5.0, 0.0], [0.0, 0.0], [9.0, 0.0]]
    """
    check_values({"count": count}, farthest_points)
    at = _places(points, "fixations")
    chosen = [int(np.argmin(np.linalg.norm(at - at.mean(axis=0), axis=1)))]
    apart = np.linalg.norm(at - at[chosen[0]], axis=1)
    while len(chosen) < min(count, len(at)):
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, np.linalg.norm(at - at[chosen[-1]], axis=1))
        apart[chosen] = -1.0  # of fixations on one spot each is chosen once
    return at[chosen]


def format_reward(points: Floats | None, count: Count, size: tuple[float, float]) -> float:
    """Return the reward of an answer's form, in [0, 1].

    Half of it is for an answer that can be read, a quarter for the asked number of points, and a
    quarter for the share of points within the frame. It is not 0 or 1, so that groups of answers
    rarely have equal rewards.

    Args:
        points: Points of the answer, (P, 2); None where none could be read.
        count: Number of points that was asked for.
        size: Width and height of the frame in pixels.

    Examples:
        >>> format_reward(np.array([[10.0, 20.0], [900.0, 20.0]]), 10, (800, 600))
        0.625
    """
    if points is None:
        return 0.0
    within = float(_inside(points, size).mean())
    return 0.5 + 0.25 * float(len(points) == count) + 0.25 * within


def spatial_reward(
    points: ArrayLike,
    targets: ArrayLike,
    size: tuple[float, float],
    *,
    tolerance: Positive = 0.05,
) -> float:
    """Return how near points are to target fixations, each matched with at most one, in [0, 1].

    ``sum exp(-d² / 2s²) / N`` over the matching that makes it largest, s the tolerance times the
    frame's diagonal and N the larger of both numbers: points beyond the asked number cost as much
    as missing ones. The order of the points does not matter.

    Args:
        points: Answered points, (P, 2); none earns 0.
        targets: Fixations, (N, 2), one or more.
        size: Width and height of the frame in pixels.
        tolerance: Distance as a share of the diagonal; a fixation at this distance earns 0.61.

    Raises:
        InputError: There is no target, a number is not finite, or the tolerance is not above 0.

    Source: our choice. The sum of the kernel is matched, not the distance, so that equally short
    matchings cannot give two rewards.

    Examples:
        >>> spatial_reward([[10, 20], [70, 80]], [[70, 80], [10, 20]], (100, 100))
        1.0
        >>> spatial_reward([[10, 20], [10, 20]], [[70, 80], [10, 20]], (100, 100))
        0.5
    """
    check_values({"tolerance": tolerance}, spatial_reward)
    truth = _places(targets, "targets")
    answered = np.asarray(points, dtype=np.float64).reshape(-1, 2)
    if not len(answered):
        return 0.0
    answered = _places(answered, "points")
    reach = tolerance * float(np.hypot(*size))
    squares = ((answered[:, None] - truth[None]) ** 2).sum(axis=-1)
    near = np.exp(-squares / (2 * reach**2))
    matched = near[linear_sum_assignment(near, maximize=True)].sum()
    return float(matched) / max(len(answered), len(truth))


def consistency_reward(answered: Floats, density: Floats) -> float:
    """Return the agreement of two densities, 1 less their Jensen-Shannon divergence in bits.

    It scores all points of an answer at once: that viewers differ is not punished.

    Args:
        answered: Blurred points of the answer, not negative, summing to 1.
        density: Density of fixations, of the same shape.

    Returns:
        1 for equal densities, 0 for disjoint ones.

    Source: our choice; Lin, IEEE Transactions on Information Theory 37 (1991) for the divergence.

    Examples:
        >>> consistency_reward(np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]]))
        0.0
    """
    middle = (answered + density) / 2
    divergence = (rel_entr(answered, middle).sum() + rel_entr(density, middle).sum()) / 2
    return float(np.clip(1.0 - divergence / np.log(2.0), 0.0, 1.0))


def profile_reward(answered: Floats, own: Floats, pooled: Floats) -> float | None:
    """Return whether an answer fits the asked profile better than everybody, in [0, 1].

    ``1/2 + (NSS(own) - NSS(pooled)) / 4``, clipped; NSS at a density is its mean over the density.
    1/2 is an answer that fits both alike.

    Args:
        answered: Blurred points of the answer.
        own: Density of the profile's fixations, of the same shape.
        pooled: Density of everybody's fixations.

    Returns:
        None where the two densities correlate by more than 0.98, so that there is nothing to
        tell apart.

    Source: our choice.

    Examples:
        >>> own, pooled = np.array([[0.8, 0.2, 0.0]]), np.array([[0.4, 0.2, 0.4]])
        >>> round(profile_reward(own, own, pooled), 3)
        0.735
        >>> profile_reward(own, own, own) is None
        True
    """
    return None if correlation(own, pooled) > SAME_PROFILE else _fit(answered, own - pooled)


def spread_ratio(points: ArrayLike, fixations: ArrayLike) -> float:
    """Return the mean distance between pairs of answered points over that of fixations.

    About 1 is an answer that is as spread as gaze; 0 has all points on one spot. NaN with fewer
    than two of either, or fixations on one spot.

    Args:
        points: Answered points, (P, 2).
        fixations: Fixations, (F, 2).

    Examples:
        >>> spread_ratio([[0, 0], [3, 4]], [[0, 0], [6, 8]])
        0.5
    """
    own, truth = (_mean_distance(np.asarray(one, np.float64)) for one in (points, fixations))
    return own / truth if truth > 0 else float("nan")


@dataclass(frozen=True, eq=False)
class PointTarget:
    """Target of the answers to one prompt, which is a frame and a profile.

    Attributes:
        size: Width and height of the frame in pixels.
        drawn: Fixations that points are matched with, (N, 2).
        density: Density of the profile's fixations on a grid of at most 40 cells a side.
        pooled: Density of everybody's fixations on that grid; None where there is no profile.
        sigma: Standard deviation of a fixation's Gaussian, in pixels of the frame.
    """

    size: tuple[int, int]
    drawn: Floats
    density: Floats
    pooled: Floats | None
    sigma: float

    @classmethod
    def of(
        cls,
        fixations: ArrayLike,
        size: tuple[int, int],
        *,
        pooled: ArrayLike | None = None,
        count: Count = 10,
        sigma: float | None = None,
    ) -> "PointTarget":
        """Prepare the fixations of a frame and a profile, once for all answers.

        Args:
            fixations: Fixations of the profile, (F, 2), within the frame, one or more.
            size: Width and height of the frame in pixels.
            pooled: Fixations of everybody on the frame; None where there is no profile.
            count: Number of fixations that are drawn, the farthest from each other.
            sigma: Standard deviation of a fixation's Gaussian in pixels: one degree of visual
                angle; by default 3 % of the width.

        Raises:
            InputError: There is no fixation, one lies outside of the frame, or a number is out of
                its range.

        Examples:
            >>> PointTarget.of([[10, 20], [700, 500]], (800, 600)).density.shape
            (30, 40)
        """
        spread = 0.03 * size[0] if sigma is None else sigma
        check_numbers(above=0, width=size[0], height=size[1], sigma=spread)
        own = _places(fixations, "fixations")
        others = None if pooled is None else _places(pooled, "pooled fixations")
        for name, at in (("fixations", own), ("pooled fixations", others)):
            if at is not None and not _inside(at, size).all():
                raise InputError(f"{name}: one lies outside of {size[0]} × {size[1]} pixels")
        return cls(
            size,
            farthest_points(own, count),
            blurred(own, size, spread),
            None if others is None else blurred(others, size, spread),
            spread,
        )


@dataclass(frozen=True)
class PointReward:
    """Rewards of answers to one prompt.

    Attributes:
        count: Number of points that is asked for.
        tolerance: Tolerance of `spatial_reward`, or a schedule: far points earn next to nothing
            at 0.05, so training starts at 0.25 and narrows.

    Examples:
        >>> target = PointTarget.of([[10, 20], [70, 80]], (100, 100))
        >>> answers = ['{"points": [[10, 20], [70, 80]]}', "?"]
        >>> PointReward(count=2)(answers, target).round(3).tolist()
        [[1.0, 1.0, 1.0, nan], [0.0, 0.0, 0.0, nan]]
    """

    count: Count = 10
    tolerance: Positive | Schedule = 0.05

    def __post_init__(self) -> None:
        check_fields(self)

    def __call__(
        self, completions: Sequence[Any], target: PointTarget, *, step: int | None = None
    ) -> Floats:
        """Score answers.

        Points outside of the frame count as missing, and all rewards of an answer that cannot be
        read are 0.

        Args:
            completions: Texts or lists of messages, (B,).
            target: Target that all of them are compared with.
            step: Training step, for a schedule; its own step by default.

        Returns:
            Rewards in the order of `REWARDS`, in [0, 1], (B, 4). The profile reward is NaN where
            the target has no profile, or one that is like everybody; `policy.advantages` leaves
            it out.

        Raises:
            InputError: A completion is no text, or the step is beyond the schedule.
        """
        tolerance = self._tolerance(step)
        same = target.pooled is None or correlation(target.density, target.pooled) > SAME_PROFILE
        found = np.zeros((len(completions), len(REWARDS)))
        found[:, 3] = np.nan if same else 0.0
        for index, text in enumerate(texts_of(completions)):
            points = parse_points(text)
            found[index, 0] = format_reward(points, self.count, target.size)
            if points is None:
                continue
            inside = points[_inside(points, target.size)]
            if not len(inside):
                continue
            # Points outside earn nothing, and still count among those that were answered.
            share = max(len(inside), len(target.drawn)) / max(len(points), len(target.drawn))
            found[index, 1] = share * spatial_reward(
                inside, target.drawn, target.size, tolerance=tolerance
            )
            own = blurred(inside, target.size, target.sigma)
            found[index, 2] = consistency_reward(own, target.density)
            if not same and target.pooled is not None:
                found[index, 3] = _fit(own, target.density - target.pooled)
        return found

    def _tolerance(self, step: int | None) -> float:
        if not isinstance(self.tolerance, Schedule):
            return self.tolerance
        return self.tolerance.value if step is None else self.tolerance.at(step)


def blurred(
    points: Floats,
    size: tuple[int, int],
    sigma: float,
    *,
    cells: Count = GRID,
    weights: Floats | None = None,
) -> Floats:
    """Blur points into a density on a coarse grid, as `density_of` does on pixels.

    Args:
        points: x and y in pixels of the frame, (P, 2), within it, one or more.
        size: Width and height of the frame in pixels.
        sigma: Standard deviation of the Gaussian in pixels of the frame.
        cells: Cells along the longer side, at most its pixels.
        weights: Mass of each point, (P,), 0 or more; all alike by default.

    Returns:
        (rows, columns), summing to 1.

    Examples:
        >>> blurred(np.array([[400.0, 300.0]]), (800, 600), 24).shape
        (30, 40)
    """
    scale = min(1.0, cells / max(size))
    columns, rows = (max(1, round(side * scale)) for side in size)
    x = np.minimum((points[:, 0] / size[0] * columns).astype(np.intp), columns - 1)
    y = np.minimum((points[:, 1] / size[1] * rows).astype(np.intp), rows - 1)
    # The blur is separable: the sum over points of outer products, without any picture in between.
    down = _kernels(rows, sigma * scale)[:, y]
    down = down if weights is None else down * weights
    density = down @ _kernels(columns, sigma * scale)[x]
    return np.asarray(density / density.sum(), dtype=np.float64)


def _fit(answered: Floats, difference: Floats) -> float:
    """Half, plus a quarter of the NSS at a difference of two densities; clipped to [0, 1]."""
    spread = float(answered.std()) or 1.0
    gain = float((difference * answered).sum()) / spread
    return float(np.clip(0.5 + gain / 4, 0.0, 1.0))


@cache
def _kernels(length: int, sigma: float) -> Floats:
    """Blurred unit vectors; symmetric, as the edge reflects."""
    return np.asarray(gaussian_filter1d(np.eye(length), sigma, axis=0, mode="reflect"))


def _inside(points: Floats, size: tuple[float, float]) -> NDArray[np.bool_]:
    return np.asarray(((points >= 0) & (points < np.asarray(size))).all(axis=1))


def _mean_distance(points: Floats) -> float:
    if len(points) < 2:
        return float("nan")
    apart = np.linalg.norm(points[:, None] - points[None], axis=-1)
    return float(apart.sum()) / (len(points) * (len(points) - 1))


def _places(points: ArrayLike, name: str) -> Floats:
    places = np.asarray(points, dtype=np.float64)
    if places.ndim != 2 or places.shape[1] != 2 or not len(places):
        raise InputError(f"{name} have shape {places.shape}; give (points, 2), one or more")
    if not np.isfinite(places).all():
        raise InputError(f"{name}: a number is not finite; leave it out")
    return places


def _float(number: float) -> float:
    try:
        return float(number)
    except OverflowError:  # JSON allows integers of any length
        return float("inf") if number > 0 else float("-inf")
