"""Raw feedback: how far an answer is from the target, 0 for a perfect answer.

Functions are vectorised and broadcast like NumPy. A prediction that is NaN or infinite gets the
worst feedback; a target must be finite.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.checks import Positive, check_values
from sterling.errors import InputError

Floats = NDArray[np.float64]


def relative_squared(prediction: ArrayLike, target: ArrayLike, y_floor: Positive = 0.01) -> Floats:
    """Return ((ŷ − y) / max(|y|, y_floor))², in [0, ∞].

    Args:
        prediction: Any shape.
        target: Broadcasts with the predictions.
        y_floor: Smallest size of a target that errors are relative to, above 0, in the targets'
            unit. Take about 1 % of their range; the default suits a range of 1 (our choice).

    Raises:
        InputError: A target is not finite, or `y_floor` is not above 0.

    Examples:
        >>> relative_squared([9.0, float("nan")], [10.0, 10.0]).round(4).tolist()
        [0.01, inf]
    """
    check_values({"y_floor": y_floor}, relative_squared)
    guess, truth = _numbers(prediction), _targets(target)
    with np.errstate(over="ignore", invalid="ignore"):
        return _or_worst(np.square((guess - truth) / np.maximum(np.abs(truth), y_floor)))


def absolute(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Return |ŷ − y|, in [0, ∞].

    Raises:
        InputError: A target is not finite.

    Examples:
        >>> absolute([9.0, 12.5], 10.0).tolist()
        [1.0, 2.5]
    """
    guess, truth = _numbers(prediction), _targets(target)
    with np.errstate(over="ignore", invalid="ignore"):
        return _or_worst(np.abs(guess - truth))


def angular(prediction: ArrayLike, target: ArrayLike, period: Positive = 360.0) -> Floats:
    """Return the shorter way round between two angles, in [0, period / 2]; else infinite.

    Args:
        prediction: Angles of any size and sign.
        target: Broadcasts with the predictions.
        period: A full turn: 360 for degrees, 2π for radians, 180 for undirected lines.

    Raises:
        InputError: A target is not finite, or the period is not above 0.

    Examples:
        >>> angular([359.0, -350.0], [1.0, 0.0]).tolist()
        [2.0, 10.0]
    """
    check_values({"period": period}, angular)
    guess, truth = _numbers(prediction), _targets(target)
    with np.errstate(over="ignore", invalid="ignore"):
        turn = np.mod(guess - truth, period)
        return _or_worst(np.minimum(turn, period - turn))


def log_ratio(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Return |ln(ŷ / y)|, in [0, ∞]: a factor of two too large is as bad as one too small.

    A prediction of 0 or less gets the worst feedback.

    Raises:
        InputError: A target is not finite or not above 0.

    Examples:
        >>> log_ratio([5.0, 20.0, -1.0], 10.0).round(4).tolist()
        [0.6931, 0.6931, inf]
    """
    guess, truth = _numbers(prediction), _targets(target)
    if (truth <= 0).any():
        raise InputError(f"target: {truth[truth <= 0].flat[0]:g} has no logarithm; use `absolute`")
    with np.errstate(divide="ignore", invalid="ignore"):
        return _or_worst(np.abs(np.log(guess) - np.log(truth)))


def box_iou_error(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Return 1 − intersection over union of boxes, in [0, 1].

    Args:
        prediction: Boxes (..., 4) as left, top, right, bottom. A box that is not finite, or
            without area, gets 1.
        target: Boxes (..., 4) with an area above 0.

    Raises:
        InputError: The last dimension is not 4, or a target is not finite or has no area.

    Examples:
        >>> box_iou_error([[0, 0, 2, 2]], [[1, 0, 3, 2]]).round(4).tolist()
        [0.6667]
    """
    guess, truth = _boxes("prediction", prediction), _target_boxes(target)
    with np.errstate(over="ignore", invalid="ignore"):
        low = np.maximum(guess[..., :2], truth[..., :2])
        high = np.minimum(guess[..., 2:], truth[..., 2:])
        shared = np.prod(np.maximum(high - low, 0.0), axis=-1)
        sides = guess[..., 2:] - guess[..., :2]
        union = np.prod(sides, axis=-1) + np.prod(truth[..., 2:] - truth[..., :2], axis=-1) - shared
        valid = np.isfinite(sides).all(axis=-1) & (sides > 0).all(axis=-1) & np.isfinite(union)
        return np.where(valid, 1.0 - shared / np.where(valid, union, 1.0), 1.0)


def point_to_box(prediction: ArrayLike, target: ArrayLike) -> Floats:
    """Return the Euclidean distance from a point to a box, in [0, ∞]; 0 inside.

    Args:
        prediction: Points (..., 2) as x, y.
        target: Boxes (..., 4) as left, top, right, bottom.

    Raises:
        InputError: The last dimensions are not 2 and 4, or a target is not finite or has no area.

    Examples:
        >>> point_to_box([[5, 5], [13, 14]], [0, 0, 10, 10]).tolist()
        [0.0, 5.0]
    """
    guess, truth = _numbers(prediction), _target_boxes(target)
    if guess.shape[-1:] != (2,):
        raise InputError(f"prediction has shape {guess.shape}: give points as (..., 2)")
    with np.errstate(over="ignore", invalid="ignore"):
        gap = np.maximum(np.maximum(truth[..., :2] - guess, guess - truth[..., 2:]), 0.0)
        return _or_worst(np.hypot(gap[..., 0], gap[..., 1]))


def edit_distance(prediction: Sequence[str | None], target: Sequence[str]) -> Floats:
    """Return the Levenshtein distance of each pair over the length of the longer text, in [0, 1].

    Args:
        prediction: Texts, (N,); None gets 1.
        target: Texts, (N,).

    Raises:
        InputError: The numbers of texts differ, or a target is not a text.

    Examples:
        >>> edit_distance(["kitten", None], ["sitting", "x"]).round(4).tolist()
        [0.4286, 1.0]
    """
    if isinstance(prediction, str) or isinstance(target, str) or len(prediction) != len(target):
        raise InputError("edit distance: give two lists of texts of the same length")
    if not all(isinstance(text, str) for text in target):
        raise InputError("target: give a text for every prediction")
    pairs = zip(prediction, target, strict=True)
    return np.array([1.0 if guess is None else _edits(guess, truth) for guess, truth in pairs])


def _edits(first: str, second: str) -> float:
    if first == second:
        return 0.0
    letters = np.array([ord(letter) for letter in second])
    place = np.arange(len(second) + 1)
    row = place.copy()
    for number, letter in enumerate(first, 1):
        changed = np.minimum(row[1:] + 1, row[:-1] + (letters != ord(letter)))
        row = np.concatenate([[number], changed])
        row = np.minimum.accumulate(row - place) + place  # insertions carry to the right
    return float(row[-1]) / max(len(first), len(second))


def _numbers(values: ArrayLike) -> Floats:
    try:
        return np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("prediction: give numbers, and NaN where there is no answer") from None


def _targets(values: ArrayLike) -> Floats:
    try:
        truth = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("target: give numbers") from None
    if not np.isfinite(truth).all():
        raise InputError("target: a value is not finite; leave its items out")
    return truth


def _boxes(name: str, values: ArrayLike) -> Floats:
    boxes = _targets(values) if name == "target" else _numbers(values)
    if boxes.shape[-1:] != (4,):
        raise InputError(f"{name} has shape {boxes.shape}: give boxes as (..., 4)")
    return boxes


def _target_boxes(values: ArrayLike) -> Floats:
    boxes = _boxes("target", values)
    if (boxes[..., 2:] <= boxes[..., :2]).any():
        raise InputError("target: a box has no area; give left, top, right, bottom")
    return boxes


def _or_worst(error: Floats) -> Floats:
    return np.where(np.isnan(error), np.inf, error)
