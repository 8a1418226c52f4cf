"""Saliency metrics: how well a map predicts where people looked.

Every metric takes one map (H, W) with its fixations (F, 2), or a batch of maps (N, H, W) with a
sequence of N such arrays, as NumPy arrays or torch tensors on any device::

    nss(maps, points)           # (N,), one value per image
    auc_judd(maps[0], points[0])  # one number

A fixation is (x, y) in pixels; it belongs to the pixel (floor x, floor y). Several conventions go
by one name in the literature, so each has a function of its own here: `auc_judd`, `auc_borji` and
`auc_mann_whitney`; `kl_divergence` with and without a regulariser. An image without fixations has
the value NaN. A constant map has NSS 0 and every AUC 0.5.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from array_api_compat import array_namespace
from numpy.typing import NDArray

from sterling.checks import check_numbers
from sterling.errors import InputError

EPSILON = 2.2204e-16  # regulariser of the MIT/Tübingen saliency benchmark
BORJI_STEP = 0.1  # between thresholds on a map scaled to [0, 1]

Array = Any
"""A NumPy array or a torch tensor."""


def nss(maps: Array, points: Any) -> Array:
    """Normalised scanpath saliency: mean of the standardised map at the fixations.

    Chance is 0, higher is better. The standard deviation is that of the population; of a constant
    map only the mean is subtracted, so its NSS is 0.

    Args:
        maps: Predicted maps (H, W) or (N, H, W).
        points: Fixations (F, 2) as x and y in pixels, or N such arrays.

    Returns:
        A float, or float64 (N,).

    Raises:
        InputError: A map is not finite, or a fixation lies outside.

    Source: Peters, Iyer, Itti and Koch, Vision Research 45 (2005).

    Examples:
        >>> nss(np.eye(4), np.array([[0, 0], [1, 1]]))
        1.7320508075688772
    """

    def one(values: Array, at: Array, xp: Any) -> float:
        spread = xp.std(values)
        return float(xp.mean(values[at]) - xp.mean(values)) / (float(spread) or 1.0)

    return _each(maps, points, one)


def auc_judd(maps: Array, points: Any) -> Array:
    """Area under the ROC curve whose thresholds are the map's values at the fixated pixels.

    Positives are the distinct fixated pixels, negatives all other pixels. The curve is joined to
    (0, 0) and (1, 1) and integrated by trapezoids; nothing is jittered. Chance is 0.5, higher is
    better.

    Args:
        maps: Predicted maps (H, W) or (N, H, W).
        points: Fixations (F, 2) as x and y in pixels, or N such arrays.

    Returns:
        A float, or float64 (N,).

    Raises:
        InputError: A map is not finite, or a fixation lies outside.

    Source: Judd, Ehinger, Durand and Torralba, ICCV 2009; the MIT benchmark's convention.

    Examples:
        >>> auc_judd(np.eye(3), np.array([[0, 0], [1, 1], [2, 2]]))
        1.0
    """

    def one(values: Array, at: Array, xp: Any) -> float:
        at = xp.unique_values(at)
        positives = xp.sort(values[at], stable=False)
        others = values.shape[0] - at.shape[0]
        if not others:
            return float("nan")
        above = values.shape[0] - xp.searchsorted(
            xp.sort(values, stable=False), positives, side="left"
        )
        hits = at.shape[0] - xp.searchsorted(positives, positives, side="left")
        tpr = _float64(xp, hits) / at.shape[0]
        fpr = _float64(xp, above - hits) / others
        return _area(np.asarray(fpr.tolist())[::-1], np.asarray(tpr.tolist())[::-1])

    return _each(maps, points, one)


def auc_mann_whitney(maps: Array, points: Any) -> Array:
    """Probability that a fixation has a higher value than a random pixel; a tie counts one half.

    Every fixation counts, also several on one pixel, and every pixel is a negative. Chance is 0.5,
    higher is better.

    Args:
        maps: Predicted maps (H, W) or (N, H, W).
        points: Fixations (F, 2) as x and y in pixels, or N such arrays.

    Returns:
        A float, or float64 (N,).

    Raises:
        InputError: A map is not finite, or a fixation lies outside.

    Source: the default AUC of pysaliency.

    Examples:
        >>> auc_mann_whitney(np.ones((4, 4)), np.array([[1, 2]]))
        0.5
    """
    return _each(maps, points, lambda values, at, xp: _share_below(xp, values, values[at]))


def auc_borji(maps: Array, points: Any, *, splits: int = 100, seed: int = 0) -> Array:
    """Area under the ROC curve against as many random pixels as fixations, averaged over draws.

    The map is scaled to [0, 1] and thresholds are 0.1 apart. Chance is 0.5, higher is better. The
    random pixels depend on the seed and on the map's place in the batch, not on its values.

    Args:
        maps: Predicted maps (H, W) or (N, H, W).
        points: Fixations (F, 2) as x and y in pixels, or N such arrays.
        splits: Number of draws.
        seed: Seed of the draws.

    Returns:
        A float, or float64 (N,).

    Raises:
        InputError: A map is not finite, a fixation lies outside, or `splits` is below 1.

    Source: Borji, Sihite and Itti, IEEE Transactions on Image Processing 22 (2013).

    Examples:
        >>> auc_borji(np.ones((4, 4)), np.array([[1, 2]]))
        0.5
    """
    check_numbers(at_least=1, splits=splits)
    draws = iter(np.random.SeedSequence(seed).spawn(_count(maps)))  # of the maps with fixations

    def one(values: Array, at: Array, xp: Any) -> float:
        rng = np.random.default_rng(next(draws))
        low, high = float(xp.min(values)), float(xp.max(values))
        scaled = _numpy((values - low) / ((high - low) or 1.0))
        drawn = rng.integers(len(scaled), size=(splits, at.shape[0]))
        return _stepped(scaled[_numpy(at)], scaled[drawn])

    return _each(maps, points, one)


def shuffled_auc(maps: Array, points: Any, *, splits: int | None = None, seed: int = 0) -> Array:
    """AUC whose negatives are the fixations of the batch's other images.

    A map of the centre bias alone has about 0.5, since people look at the centre of all images.
    All fixations of the other images are negatives, and ties count one half; with `splits`, as many
    as the image has fixations are drawn each time, thresholds are 0.1 apart, and the areas are
    averaged, as in Borji's version. Images of a batch are of one size.

    Args:
        maps: Predicted maps (N, H, W), two or more.
        points: N arrays (F, 2) of fixations, as x and y in pixels.
        splits: Number of draws; None takes all fixations of other images once.
        seed: Seed of the draws.

    Returns:
        float64 (N,).

    Raises:
        InputError: Fewer than two maps, a map is not finite, or a fixation lies outside.

    Source: Zhang, Tong, Marks, Shan and Cottrell, Journal of Vision 8 (2008).

    Examples:
        >>> two = np.stack([np.eye(4), np.eye(4)[::-1]])
        >>> shuffled_auc(two, [np.array([[1, 1]]), np.array([[1, 2]])]).tolist()
        [1.0, 1.0]
    """
    if splits is not None:
        check_numbers(at_least=1, splits=splits)
    xp = array_namespace(maps)
    if maps.ndim != 3 or maps.shape[0] < 2:
        raise InputError("shuffled AUC takes the fixations of other images: give two maps or more")
    pixels = _pixels(maps, points)
    everyone = np.concatenate(pixels)
    ends = np.cumsum([len(one) for one in pixels])
    draws = np.random.SeedSequence(seed).spawn(len(pixels))
    found = []
    for values, own, end, draw in zip(_rows(maps), pixels, ends, draws, strict=True):
        others = np.concatenate([everyone[: end - len(own)], everyone[end:]])
        if not len(own) or not len(others):
            found.append(float("nan"))
        elif splits is None:
            positives, negatives = (values[_index(xp, at, maps)] for at in (own, others))
            found.append(_share_below(xp, negatives, positives))
        else:
            low, high = float(xp.min(values)), float(xp.max(values))
            scaled = _numpy((values - low) / ((high - low) or 1.0))
            rng = np.random.default_rng(draw)
            drawn = rng.choice(others, size=(splits, len(own)))
            found.append(_stepped(scaled[own], scaled[drawn]))
    return _answer(maps, found)


def information_gain(maps: Array, points: Any, baseline: Array | None = None) -> Array:
    """Mean gain of a density over a baseline density at the fixations, in bits a fixation.

    0 is the baseline, higher is better. Maps are divided by their sums; 2.2204e-16 is added within
    the logarithms, so that a fixation on a pixel of density 0 costs about 52 bits.

    Args:
        maps: Predicted densities (H, W) or (N, H, W), not negative.
        points: Fixations (F, 2) as x and y in pixels, or N such arrays.
        baseline: Density (H, W) or (N, H, W), such as the centre bias of other images; uniform by
            default.

    Returns:
        A float, or float64 (N,).

    Raises:
        InputError: A density is negative, not finite, 0 everywhere or of another size, or a
            fixation lies outside.

    Source: Kümmerer, Wallis and Bethge, PNAS 112 (2015).

    Examples:
        >>> round(information_gain(np.eye(4), np.array([[0, 0], [1, 1]])), 6)
        2.0
    """
    xp = array_namespace(maps)
    if baseline is None:
        baseline = xp.ones_like(maps)
    elif baseline.ndim == 2 and maps.ndim == 3:
        baseline = xp.broadcast_to(baseline, maps.shape)
    gains = xp.log2(density(maps) + EPSILON) - xp.log2(
        density(_same_size(baseline, maps, "baseline")) + EPSILON
    )
    return _each(gains, points, lambda values, at, xp: float(xp.mean(values[at])))


def correlation(maps: Array, densities: Array) -> Array:
    """Pearson's correlation over pixels of predicted maps and fixation densities (CC).

    From -1 to 1, higher is better; 0 where exactly one of the two is constant, NaN where both are.

    Args:
        maps: Predicted maps (H, W) or (N, H, W).
        densities: Fixation densities of the same shape.

    Returns:
        A float, or float64 (N,).

    Raises:
        InputError: Shapes differ, or a value is not finite.

    Source: Le Meur, Le Callet and Barba, Vision Research 47 (2007).

    Examples:
        >>> correlation(np.eye(3), 2 * np.eye(3))
        1.0
    """

    def one(first: Array, second: Array, xp: Any) -> float:
        first, second = first - xp.mean(first), second - xp.mean(second)
        norms = [float(xp.sqrt(xp.sum(side * side))) for side in (first, second)]
        if not all(norms):
            return 0.0 if any(norms) else float("nan")
        return float(xp.sum(first * second)) / (norms[0] * norms[1])

    return _pairs(maps, densities, one)


def similarity(maps: Array, densities: Array) -> Array:
    """Histogram intersection of predicted maps and fixation densities (SIM).

    From 0 to 1, higher is better. Both are divided by their sums; one with negative values is first
    shifted so that its minimum is 0.

    Args:
        maps: Predicted maps (H, W) or (N, H, W).
        densities: Fixation densities of the same shape.

    Returns:
        A float, or float64 (N,).

    Raises:
        InputError: Shapes differ, or a value is not finite.

    Source: Judd, Durand and Torralba, MIT technical report 2012-001.

    Examples:
        >>> similarity(np.array([[1.0, 0.0]]), np.array([[1.0, 1.0]]))
        0.5
    """

    def one(first: Array, second: Array, xp: Any) -> float:
        return float(xp.sum(xp.minimum(_shared(xp, first), _shared(xp, second))))

    return _pairs(maps, densities, one)


def kl_divergence(maps: Array, densities: Array, *, epsilon: float = EPSILON) -> Array:
    """Kullback-Leibler divergence of predicted maps from fixation densities, in nats (KLD).

    ``sum D ln(ε + D / (P + ε))`` with both divided by their sums. 0 is perfect, lower is better. It
    is not symmetric: the densities D are the truth. The ε of the MIT/Tübingen benchmark is the
    default; with 0 it is the plain divergence, infinite where a prediction is 0 and the truth not.

    Args:
        maps: Predicted maps (H, W) or (N, H, W).
        densities: Fixation densities of the same shape.
        epsilon: Regulariser, 0 or more.

    Returns:
        A float, or float64 (N,).

    Raises:
        InputError: Shapes differ, a value is not finite, or `epsilon` is negative.

    Source: Bylinskii, Judd, Oliva, Torralba and Durand, IEEE TPAMI 41 (2019).

    Examples:
        >>> round(kl_divergence(np.array([[1.0, 1.0]]), np.array([[1.0, 0.0]])), 6)
        0.693147
    """
    check_numbers(at_least=0, epsilon=epsilon)

    def one(first: Array, second: Array, xp: Any) -> float:
        predicted, truth = _shared(xp, first), _shared(xp, second)
        held = truth > 0
        if not epsilon and float(xp.min(predicted[held])) == 0:
            return float("inf")
        ratio = truth[held] / (predicted[held] + epsilon)
        return float(xp.sum(truth[held] * xp.log(epsilon + ratio)))

    return _pairs(maps, densities, one)


def density(maps: Array) -> Array:
    """Divide maps by their sums.

    Args:
        maps: (H, W) or (N, H, W), not negative.

    Raises:
        InputError: A value is negative or not finite, or a map is 0 everywhere.

    Examples:
        >>> density(np.array([[1.0, 3.0]])).tolist()
        [[0.25, 0.75]]
    """
    maps = _checked(maps)
    xp = array_namespace(maps)
    if float(xp.min(maps)) < 0:
        raise InputError(f"density: a value is {float(xp.min(maps)):g}; give 0 or more")
    total = xp.sum(maps, axis=(-2, -1), keepdims=True)
    if float(xp.min(total)) == 0:
        raise InputError("density: a map is 0 everywhere; give it some mass")
    return maps / total


def _each(
    maps: Array,
    points: Any,
    metric: Callable[[Array, Array, Any], float],
) -> Array:
    """Apply a metric of (pixels of a map, indices of fixated pixels) to each map."""
    maps = _checked(maps)
    xp = array_namespace(maps)
    batch = [points] if maps.ndim == 2 else points
    found = []
    for values, at in zip(_rows(maps), _pixels(maps, batch), strict=True):
        if len(at):
            found.append(metric(values, _index(xp, at, maps), xp))
        else:
            found.append(float("nan"))
    return _answer(maps, found)


def _pairs(maps: Array, densities: Array, metric: Callable[[Array, Array, Any], float]) -> Array:
    """Apply a metric of two maps' pixels to each pair."""
    maps = _checked(maps)
    xp = array_namespace(maps)
    densities = _checked(_same_size(densities, maps, "densities"))
    rows = zip(_rows(maps), _rows(densities), strict=True)
    return _answer(maps, [metric(first, second, xp) for first, second in rows])


def _checked(maps: Array) -> Array:
    """Maps as float64; refused unless of two or three axes, with pixels, and finite."""
    xp = array_namespace(maps)
    if maps.ndim not in (2, 3) or not all(maps.shape):
        raise InputError(
            f"maps have shape {tuple(maps.shape)}; give (height, width) or (images, height, width)"
        )
    maps = _float64(xp, maps)
    if not bool(xp.all(xp.isfinite(maps))):
        raise InputError("maps: a value is not finite; write finite numbers")
    return maps


def _same_size(other: Array, maps: Array, name: str) -> Array:
    if tuple(other.shape) != tuple(maps.shape):
        raise InputError(
            f"{name} have shape {tuple(other.shape)}, maps {tuple(maps.shape)}; resize one of them"
        )
    return other


def _float64(xp: Any, values: Array) -> Array:
    return xp.astype(values, xp.float64)


def _count(maps: Array) -> int:
    return int(maps.shape[0]) if maps.ndim == 3 else 1


def _rows(maps: Array) -> Iterator[Array]:
    """Pixels of each map, (H·W,)."""
    xp = array_namespace(maps)
    yield from xp.reshape(maps, (_count(maps), -1))


def _pixels(maps: Array, points: Sequence[Any]) -> list[NDArray[np.intp]]:
    """Index of the pixel of each fixation, for each map."""
    if len(points) != _count(maps):
        raise InputError(
            f"{len(points)} arrays of fixations for {_count(maps)} maps; give one array a map"
        )
    height, width = maps.shape[-2:]
    found = []
    for index, one in enumerate(points):
        at = _numpy(one)
        at = at.reshape(0, 2) if at.size == 0 else at
        if at.ndim != 2 or at.shape[1] != 2:
            raise InputError(f"fixations of map {index}: shape {at.shape}; give (fixations, 2)")
        x, y = np.floor(at.T)
        inside = (x >= 0) & (x < width) & (y >= 0) & (y < height)
        if not inside.all():
            worst = at[int(np.argmin(inside))]
            raise InputError(
                f"fixations of map {index}: ({worst[0]:g}, {worst[1]:g}) lies outside of a map of "
                f"{width} × {height} pixels; leave it out, or scale the map"
            )
        found.append((y * width + x).astype(np.intp))
    return found


def _index(xp: Any, at: NDArray[np.intp], maps: Array) -> Array:
    """Indices as an array of the maps' kind, on their device."""
    return at if isinstance(maps, np.ndarray) else xp.asarray(at, device=maps.device)


def _numpy(values: Any) -> NDArray[Any]:
    """An array on the CPU."""
    return np.asarray(values.cpu() if hasattr(values, "cpu") else values)


def _answer(maps: Array, found: list[float]) -> Array:
    """One number of one map; of a batch an array of its kind."""
    if maps.ndim == 2:
        return found[0]
    xp = array_namespace(maps)
    return _index(xp, np.array(found), maps)


def _shared(xp: Any, values: Array) -> Array:
    """Values divided by their sum, shifted to 0 where negative; uniform where all are 0."""
    low = float(xp.min(values))
    values = values - low if low < 0 else values
    total = float(xp.sum(values))
    return values / total if total else xp.ones_like(values) / values.shape[0]


def _share_below(xp: Any, negatives: Array, positives: Array) -> float:
    """Share of (positive, negative) pairs in order, a tie counting one half."""
    ordered = xp.sort(negatives, stable=False)  # a stable sort takes ten times as long
    below = xp.searchsorted(ordered, positives, side="left")
    upto = xp.searchsorted(ordered, positives, side="right")
    pairs: int = 2 * ordered.shape[0]
    return float(xp.mean(_float64(xp, below + upto))) / pairs


def _stepped(positives: NDArray[Any], negatives: NDArray[Any]) -> float:
    """Mean area over draws (S, F) with thresholds `BORJI_STEP` apart, down from the largest."""
    areas = []
    for drawn in negatives:
        top = max(positives.max(), drawn.max())
        cuts = np.arange(0, top + BORJI_STEP, BORJI_STEP)[::-1]
        tpr, fpr = ((side[None] >= cuts[:, None]).mean(1) for side in (positives, drawn))
        areas.append(_area(fpr, tpr))
    return float(np.mean(areas))


def _area(fpr: NDArray[np.float64], tpr: NDArray[np.float64]) -> float:
    """Area under a curve by trapezoids, joined to (0, 0) and (1, 1)."""
    fpr, tpr = (np.concatenate([[0.0], side, [1.0]]) for side in (fpr, tpr))
    return float(np.trapezoid(tpr, fpr))
