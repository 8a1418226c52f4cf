"""Scanpath metrics: how alike two sequences of fixations are.

A scanpath is an array (F, 3) of fixations in order: x and y in pixels, duration in seconds::

    multimatch(first, second, screen=(800, 600)).shape  # 1 for a path and itself
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, pi
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sterling.checks import check_numbers
from sterling.errors import InputError

_BOTH, _DOWN, _RIGHT = (1, 1), (1, 0), (0, 1)  # steps of an alignment: rows, columns


@dataclass(frozen=True)
class MultiMatch:
    """Similarity of two scanpaths in five respects, each from 0 to 1; NaN of too short paths.

    Attributes:
        shape: Similarity of the saccades as vectors.
        direction: Similarity of their angles.
        length: Similarity of their amplitudes.
        position: Similarity of the places where they start.
        duration: Similarity of the fixations' durations.
    """

    shape: float
    direction: float
    length: float
    position: float
    duration: float


def multimatch(first: Any, second: Any, screen: tuple[float, float]) -> MultiMatch:
    """Compare two scanpaths as vectors after aligning their saccades.

    The alignment is the cheapest path through the matrix of vector differences, from the first pair
    of saccades to the last, by steps right, down or both. Each similarity is 1 less the median
    difference along it, over twice the screen's diagonal (shape), π, the diagonal (twice), and the
    longer of two durations. Scanpaths are not simplified first.

    Args:
        first: Fixations (F, 3): x, y in pixels, duration in seconds.
        second: Fixations of the other scanpath.
        screen: Width and height of the screen in pixels.

    Returns:
        Five similarities, all NaN if either path has fewer than three fixations.

    Raises:
        InputError: A path is not (F, 3) or not finite, a duration is not positive, or a side of the
            screen is not positive.

    Source: Jarodzka, Holmqvist and Nyström, ETRA 2010; Dewhurst et al., Behavior Research Methods
    44 (2012); medians and units as in multimatch_gaze.

    Examples:
        >>> path = [[100, 100, 0.2], [300, 150, 0.3], [500, 400, 0.25]]
        >>> multimatch(path, path, (640, 480)).direction
        1.0
    """
    one, other = _scanpath(first, "first"), _scanpath(second, "second")
    check_numbers(above=0, width=screen[0], height=screen[1])
    if min(len(one), len(other)) < 3:
        return MultiMatch(*[float("nan")] * 5)
    step, other_step = (path[1:, :2] - path[:-1, :2] for path in (one, other))
    across = step[:, None] - other_step
    apart = np.hypot(across[..., 0], across[..., 1])
    i, j = _cheapest_path(apart)
    step, other_step, one, other = step[i], other_step[j], one[i], other[j]
    turn = np.abs(_angle(step) - _angle(other_step))
    length = np.abs(np.hypot(*step.T) - np.hypot(*other_step.T))
    place = np.hypot(*(one - other).T[:2])
    duration = np.abs(one[:, 2] - other[:, 2]) / np.maximum(one[:, 2], other[:, 2])
    medians = np.median(
        [apart[i, j], np.minimum(turn, 2 * pi - turn), length, place, duration], axis=1
    ).tolist()
    diagonal = float(np.hypot(*screen))
    return MultiMatch(
        shape=1 - medians[0] / (2 * diagonal),
        direction=1 - medians[1] / pi,
        length=1 - medians[2] / diagonal,
        position=1 - medians[3] / diagonal,
        duration=1 - medians[4],
    )


def scanmatch(
    first: Any,
    second: Any,
    screen: tuple[float, float],
    *,
    grid: tuple[int, int] = (12, 8),
    bin_seconds: float = 0.05,
    threshold: float = 3.5,
) -> float:
    """Compare two scanpaths as words of screen regions, aligned by Needleman and Wunsch.

    Each fixation becomes the letter of its region, repeated once per time bin of its duration.
    Letters in regions d apart (in regions) score ``threshold - d``, gaps score 0. The best
    alignment's score is divided by that of the longer word with itself: 1 for identical scanpaths,
    0 or less for unrelated ones.

    Args:
        first: Fixations (F, 3): x, y in pixels, duration in seconds.
        second: Fixations of the other scanpath.
        screen: Width and height of the screen in pixels.
        grid: Regions along x and y.
        bin_seconds: Length of a time bin; 0 writes each fixation once.
        threshold: Distance in regions at which a pair scores 0.

    Raises:
        InputError: A path is empty, not (F, 3) or not finite, or a setting is out of range.

    Source: Cristino, Mathôt, Theeuwes and Gilchrist, Behavior Research Methods 42 (2010).

    Examples:
        >>> path = [[100, 100, 0.2], [300, 150, 0.3]]
        >>> scanmatch(path, path, (640, 480))
        1.0
    """
    check_numbers(above=0, width=screen[0], height=screen[1], threshold=threshold)
    check_numbers(at_least=0, bin_seconds=bin_seconds)
    check_numbers(at_least=1, columns=grid[0], rows=grid[1])
    words = []
    for path, name in ((first, "first"), (second, "second")):
        one = _scanpath(path, name)
        if not len(one):
            raise InputError(f"the {name} scanpath is empty; give one fixation or more")
        cell = np.floor(one[:, :2] / screen * grid).clip(0, np.array(grid) - 1)
        times = np.maximum(1, np.rint(one[:, 2] / bin_seconds)) if bin_seconds else None
        words.append(cell if times is None else np.repeat(cell, times.astype(np.intp), axis=0))
    score = threshold - np.linalg.norm(words[0][:, None] - words[1][None], axis=-1)
    best = np.zeros((score.shape[0] + 1, score.shape[1] + 1))
    for row in range(score.shape[0]):
        # The best of a match and of skipping this row's letter; then of skipping a column's.
        step = np.maximum(best[row, 1:], best[row, :-1] + score[row])
        best[row + 1, 1:] = np.maximum.accumulate(np.maximum(step, 0.0))
    longest: float = threshold * max(score.shape)
    return float(best[-1, -1]) / longest


def dtw(first: Any, second: Any) -> float:
    """Dynamic time warping distance of two scanpaths, in pixels.

    The sum of distances between aligned fixations along the cheapest alignment that keeps the order
    and skips none. 0 for identical scanpaths; it grows with their length. Durations do not count.

    Args:
        first: Fixations (F, 2) or (F, 3): x, y in pixels.
        second: Fixations of the other scanpath.

    Raises:
        InputError: A path is empty or not finite.

    Source: Sakoe and Chiba, IEEE TASSP 26 (1978).

    Examples:
        >>> dtw([[0, 0], [3, 4]], [[0, 0], [0, 0], [3, 4]])
        0.0
    """
    one, other = _places(first, "first"), _places(second, "second")
    apart = np.linalg.norm(one[:, None] - other[None], axis=-1)
    i, j = _cheapest_path(apart)
    return float(apart[i, j].sum())


def levenshtein(first: Sequence[object], second: Sequence[object]) -> int:
    """Number of insertions, deletions and replacements that turn one sequence into the other.

    Args:
        first: Regions that were looked at, in order, as anything that can be compared.
        second: The other sequence.

    Source: Levenshtein, Soviet Physics Doklady 10 (1966).

    Examples:
        >>> levenshtein("face price logo".split(), "face logo".split())
        1
    """
    row = list(range(len(second) + 1))
    for i, letter in enumerate(first, 1):
        before, row[0] = row[0], i
        for j, other in enumerate(second, 1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (letter != other))
    return row[-1]


def _cheapest_path(costs: NDArray[np.float64]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Rows and columns of the cheapest path from the first cell to the last.

    Steps go right, down or both. Python's floats are faster here than NumPy's: scanpaths have
    about ten fixations, and each cell depends on the one before.
    """
    rows = costs.tolist()
    before, moves = [0.0] + [inf] * len(rows[0]), []
    for row in rows:
        here, taken = [inf], []
        left = inf
        for j, cost in enumerate(row):
            best, move = before[j], _BOTH  # `before` begins one column earlier
            if before[j + 1] < best:
                best, move = before[j + 1], _DOWN
            if left < best:
                best, move = left, _RIGHT
            left = best + cost
            here.append(left)
            taken.append(move)
        before = here
        moves.append(taken)
    i, j = len(rows) - 1, len(rows[0]) - 1
    at_row, at_column = [i], [j]
    while i or j:
        down, right = moves[i][j]
        i, j = i - down, j - right
        at_row.append(i)
        at_column.append(j)
    return np.array(at_row[::-1]), np.array(at_column[::-1])


def _angle(steps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Angles in [0, 2π)."""
    return np.arctan2(steps[:, 1], steps[:, 0]) % (2 * pi)


def _places(path: Any, name: str) -> NDArray[np.float64]:
    """Places of fixations, (F, 2), at least one."""
    places = np.asarray(path, dtype=np.float64)
    if places.ndim != 2 or places.shape[1] not in (2, 3) or not len(places):
        raise InputError(
            f"the {name} scanpath has shape {places.shape}; give (fixations, 2) or (fixations, 3), "
            "one fixation or more"
        )
    if not np.isfinite(places).all():
        raise InputError(f"the {name} scanpath holds a number that is not finite; leave it out")
    return np.asarray(places[:, :2], dtype=np.float64)


def _scanpath(path: Any, name: str) -> NDArray[np.float64]:
    """Fixations with durations, (F, 3)."""
    fixations = np.asarray(path, dtype=np.float64)
    if fixations.size == 0:
        return np.zeros((0, 3))
    if fixations.ndim != 2 or fixations.shape[1] != 3:
        raise InputError(
            f"the {name} scanpath has shape {fixations.shape}; give (fixations, 3): x, y, duration"
        )
    if not np.isfinite(fixations).all():
        raise InputError(f"the {name} scanpath holds a number that is not finite; leave it out")
    if (fixations[:, 2] <= 0).any():
        raise InputError(
            f"the {name} scanpath has a duration of {fixations[:, 2].min():g} s; "
            "give seconds above 0"
        )
    return fixations
