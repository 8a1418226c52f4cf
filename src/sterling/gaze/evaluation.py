"""Evaluate predicted maps against fixations: each metric with interval and human ceiling."""

import io
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import polars as pl
from numpy.typing import NDArray

from sterling.errors import InputError, NothingMeasuredError, quoted
from sterling.gaze.fixations import Fixations, density_of
from sterling.gaze.saliency import (
    auc_judd,
    auc_mann_whitney,
    correlation,
    information_gain,
    kl_divergence,
    nss,
    shuffled_auc,
    similarity,
)
from sterling.gaze.scanpath import MultiMatch, dtw, multimatch, scanmatch
from sterling.measure import Estimate, crossed_interval
from sterling.pictures import read_pixels
from sterling.tables import read_bytes

GRID = 160
"""Longer side of the maps that viewers' densities are computed on, in pixels."""

METRICS = {
    "NSS": "higher",
    "AUC (Judd)": "higher",
    "AUC (Mann-Whitney)": "higher",
    "AUC (shuffled)": "higher",
    "information gain": "higher",
    "CC": "higher",
    "SIM": "higher",
    "KLD": "lower",
}
"""Metrics of maps by name, and which direction is better."""

SCANPATH_METRICS = {
    **{f"MultiMatch {one.name}": "higher" for one in fields(MultiMatch)},
    "ScanMatch": "higher",
    "DTW": "lower",
}
"""Metrics of scanpaths by name, and which direction is better."""


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Metrics of predicted maps, for each viewer on each stimulus.

    Attributes:
        values: Columns metric, stimulus, viewer, predicted, ceiling, and for maps centre_bias: the
            metric of the prediction, of the density of all other viewers (for scanpaths, the mean
            over their scanpaths), and of the density on all other stimuli.
        pooled: Columns metric, stimulus, predicted: the prediction against all viewers at once, as
            benchmarks print it; for scanpaths the mean over viewers.
        unused: Stimuli with fixations and no prediction.
    """

    values: pl.DataFrame
    pooled: pl.DataFrame
    unused: tuple[str, ...]

    def summary(self, level: float = 0.95) -> dict[str, dict[str, Estimate]]:
        """Means over viewers and stimuli, with intervals clustered by both.

        Returns:
            By metric: "predicted", "ceiling", for maps "centre_bias", and "below ceiling", the mean
            of ceiling less prediction (of KLD and DTW, of prediction less ceiling).

        Raises:
            NothingMeasuredError: Fewer than two viewers or stimuli.
        """
        found: dict[str, dict[str, Estimate]] = {}
        for (name,), rows in self.values.partition_by(
            "metric", as_dict=True, maintain_order=True
        ).items():
            metric = str(name)
            sign = 1.0 if (METRICS | SCANPATH_METRICS)[metric] == "higher" else -1.0
            below = sign * (pl.col("ceiling") - pl.col("predicted"))
            named = ("predicted", "ceiling", "centre_bias")
            columns = {each: pl.col(each) for each in named if each in rows.columns}
            columns["below ceiling"] = below
            found[metric] = {
                each: _estimate(rows.with_columns(measured=value), level)
                for each, value in columns.items()
            }
        return found


def evaluate_maps(
    maps: Mapping[str, NDArray[np.float64]],
    fixations: Fixations,
    *,
    sigma: float | None = None,
    progress: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Compare maps with the fixations of each viewer, and with those of everybody.

    The ceiling of a viewer is the density of all other viewers on the same stimulus; the centre
    bias is the density of all viewers on the other stimuli, which is also the baseline of
    information gain and supplies the negatives of shuffled AUC. Densities are computed at most 160
    pixels a side; predicted maps are used as they are where fixations are concerned, and resized to
    that where densities are.

    Args:
        maps: Predicted maps by stimulus, each of the stimulus' size in pixels.
        fixations: Fixations of two viewers or more.
        sigma: Standard deviation of a fixation's Gaussian, in pixels of the stimulus; as
            `Fixations.density` by default.
        progress: Called once a stimulus.

    Raises:
        InputError: A map belongs to no stimulus, is of another size, negative, not finite or
            constant.
        NothingMeasuredError: Fewer than two stimuli or viewers.

    Examples:
        >>> evaluate_maps(read_maps(Path("maps")), fixations).summary()["NSS"]["ceiling"]
    """
    names = [name for name in fixations.stimuli if name in maps]
    unknown = sorted(set(maps) - set(names))
    if unknown:
        raise InputError(
            f"map {quoted(unknown[0])} belongs to no stimulus of the fixations; they have "
            f"{', '.join(fixations.stimuli[:6])}, …"
        )
    if len(names) < 2 or len(fixations.viewers) < 2:
        raise NothingMeasuredError(
            f"{len(names)} stimuli with maps and {len(fixations.viewers)} viewers: give two of each"
        )
    _check(maps, fixations, names)
    seen = {name: _Seen.of(fixations, name, sigma) for name in names}
    rows, pooled = [], []
    for name in names:
        others = [seen[each] for each in names if each != name]
        centre = _centre_bias(others, seen[name].grid)
        elsewhere = np.concatenate([one.points / one.size for one in others]) * seen[name].size
        measured = _Measured(maps[name], centre, elsewhere, seen[name])
        for viewer, values in measured.by_viewer():
            rows += [
                {"metric": metric, "stimulus": name, "viewer": viewer, **each}
                for metric, each in values.items()
            ]
        pooled += [
            {"metric": metric, "stimulus": name, "predicted": value}
            for metric, value in measured.pooled().items()
        ]
        progress()
    unused = tuple(name for name in fixations.stimuli if name not in maps)
    return Evaluation(pl.DataFrame(rows), pl.DataFrame(pooled), unused)


def evaluate_scanpaths(
    predicted: Mapping[str, Any],
    fixations: Fixations,
    *,
    progress: Callable[[], None] = lambda: None,
) -> Evaluation:
    """Compare a predicted scanpath of each stimulus with the scanpath of each viewer.

    The ceiling of a viewer is the mean over the scanpaths of all other viewers of the stimulus.

    Args:
        predicted: Scanpath by stimulus, (F, 3): x, y in pixels, duration in seconds.
        fixations: Fixations with durations, of two viewers or more.
        progress: Called once a stimulus.

    Returns:
        MultiMatch's five similarities, ScanMatch and DTW, for each viewer on each stimulus. A
        MultiMatch of fewer than three fixations is NaN and left out of summaries.

    Raises:
        InputError: A scanpath belongs to no stimulus, is no scanpath, or durations are missing.
        NothingMeasuredError: Fewer than two stimuli or viewers.

    Examples:
        >>> evaluate_scanpaths(scanpaths, fixations).summary()["ScanMatch"]["below ceiling"]
    """
    names = [name for name in fixations.stimuli if name in predicted]
    unknown = sorted(set(predicted) - set(names))
    if unknown:
        raise InputError(f"scanpath {quoted(unknown[0])} belongs to no stimulus of the fixations")
    if len(names) < 2 or len(fixations.viewers) < 2:
        raise NothingMeasuredError(
            f"{len(names)} stimuli with scanpaths and {len(fixations.viewers)} viewers: give two "
            "of each"
        )
    if not np.isfinite(fixations.frame["duration"].to_numpy()).all():
        raise InputError("fixations without a duration: give the column duration in seconds")
    rows: list[dict[str, Any]] = []
    for name in names:
        screen = fixations.size(name)
        paths = fixations.scanpaths(name)
        for viewer, path in paths.items():
            own = _compared(predicted[name], path, screen)
            others = [
                _compared(one, path, screen) for other, one in paths.items() if other != viewer
            ]
            if others:
                rows += [
                    {
                        "metric": metric,
                        "stimulus": name,
                        "viewer": viewer,
                        "predicted": own[metric],
                        "ceiling": _mean([one[metric] for one in others]),
                    }
                    for metric in SCANPATH_METRICS
                ]
        progress()
    values = pl.DataFrame(rows)
    pooled = values.group_by("metric", "stimulus", maintain_order=True).agg(
        pl.col("predicted").fill_nan(None).mean()
    )
    unused = tuple(name for name in fixations.stimuli if name not in predicted)
    return Evaluation(values, pooled, unused)


def _compared(first: Any, second: Any, screen: tuple[int, int]) -> dict[str, float]:
    """Every metric of two scanpaths."""
    found = asdict(multimatch(first, second, screen))
    return {
        **{f"MultiMatch {name}": value for name, value in found.items()},
        "ScanMatch": scanmatch(first, second, screen),
        "DTW": dtw(first, second),
    }


def _mean(values: list[float]) -> float:
    known = [value for value in values if not np.isnan(value)]
    return float(np.mean(known)) if known else float("nan")


def read_maps(folder: Path, stimuli: list[str]) -> dict[str, NDArray[np.float64]]:
    """Read one map for each stimulus from a folder: pictures, or .npy arrays (H, W).

    A map belongs to the stimulus of its name, with or without the extension. Of a colour picture
    the mean of its channels is taken.

    Args:
        folder: Holds the files.
        stimuli: Names of the stimuli.

    Raises:
        InputError: There is no such folder, it holds no map, a file belongs to no stimulus or two
            to one, or cannot be read.

    Examples:
        >>> read_maps(Path("maps"), fixations.stimuli)
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    by_stem = {Path(name).stem: name for name in stimuli}
    found: dict[str, NDArray[np.float64]] = {}
    for path in sorted(one for one in folder.iterdir() if not one.name.startswith(".")):
        name = path.name if path.name in stimuli else by_stem.get(path.stem)
        if name is None:
            raise InputError(f"{path} belongs to no stimulus; name maps as {stimuli[0]}")
        if name in found:
            raise InputError(f"{path}: a second map of {name}; keep one")
        found[name] = _read(path)
    if not found:
        raise InputError(f"{folder} holds no map; write one picture or .npy file a stimulus")
    return found


@dataclass(frozen=True, eq=False)
class _Seen:
    """Fixations and densities on one stimulus.

    Attributes:
        size: Width and height in pixels, (2,).
        points: Fixations of everybody, (F, 2).
        viewers: Fixations of each, by name.
        grid: Width and height of the densities.
        blurred: Density mass of each viewer (sums to the number of fixations), by name.
    """

    size: NDArray[np.float64]
    points: NDArray[np.float64]
    viewers: Mapping[str, NDArray[np.float64]]
    grid: tuple[int, int]
    blurred: Mapping[str, NDArray[np.float64]]

    @classmethod
    def of(cls, fixations: Fixations, stimulus: str, sigma: float | None) -> "_Seen":
        width, height = fixations.size(stimulus)
        scale = min(1.0, GRID / max(width, height))
        grid = max(1, round(width * scale)), max(1, round(height * scale))
        spread = (sigma or fixations.pixels_per_degree or 0.03 * width) * scale
        paths = fixations.scanpaths(stimulus)
        viewers = {name: path[:, :2] for name, path in paths.items()}
        size = np.array([width, height], dtype=np.float64)
        blurred = {
            name: len(at) * density_of(_within(at / size * grid, grid), grid, spread)
            for name, at in viewers.items()
        }
        return cls(size, np.concatenate(list(viewers.values())), viewers, grid, blurred)

    @property
    def total(self) -> NDArray[np.float64]:
        """Density mass of everybody."""
        return np.asarray(np.sum(list(self.blurred.values()), axis=0), dtype=np.float64)


@dataclass(frozen=True, eq=False)
class _Measured:
    """One predicted map, and what it is compared with."""

    map: NDArray[np.float64]
    centre: NDArray[np.float64]
    elsewhere: NDArray[np.float64]
    seen: _Seen

    def by_viewer(self) -> Iterator[tuple[str, dict[str, dict[str, float]]]]:
        """Metrics of the prediction, the ceiling and the centre bias for each viewer."""
        seen, total = self.seen, self.seen.total
        small = resized(self.map, seen.grid)
        if len(seen.viewers) < 2:
            return
        for viewer, at in seen.viewers.items():
            own = seen.blurred[viewer]
            others = total - own
            columns = {
                "predicted": self._all(self.map, small, at, own),
                "ceiling": self._all(others, others, at, own),
                "centre_bias": self._all(self.centre, self.centre, at, own),
            }
            yield (
                viewer,
                {
                    metric: {name: values[metric] for name, values in columns.items()}
                    for metric in METRICS
                },
            )

    def pooled(self) -> dict[str, float]:
        """Metrics of the prediction against everybody."""
        small = resized(self.map, self.seen.grid)
        return self._all(self.map, small, self.seen.points, self.seen.total)

    def _all(
        self,
        predicted: NDArray[np.float64],
        small: NDArray[np.float64],
        at: NDArray[np.float64],
        truth: NDArray[np.float64],
    ) -> dict[str, float]:
        """Every metric of a map, given also on the densities' grid."""
        shape = np.array(predicted.shape[::-1])
        points, elsewhere = (
            _within(one / self.seen.size * shape, shape) for one in (at, self.elsewhere)
        )
        on_grid = _within(at / self.seen.size * self.seen.grid, self.seen.grid)
        negatives = shuffled_auc(np.stack([predicted] * 2), [points, elsewhere])[0]
        return {
            "NSS": nss(predicted, points),
            "AUC (Judd)": auc_judd(predicted, points),
            "AUC (Mann-Whitney)": auc_mann_whitney(predicted, points),
            "AUC (shuffled)": float(negatives),
            "information gain": information_gain(small, on_grid, self.centre),
            "CC": correlation(small, truth),
            "SIM": similarity(small, truth),
            "KLD": kl_divergence(small, truth),
        }


def resized(picture: NDArray[Any], size: tuple[int, int]) -> NDArray[np.float64]:
    """A map of another width and height, averaged over areas where it shrinks."""
    values = np.asarray(picture, dtype=np.float64)
    if values.shape == size[::-1]:
        return values
    return np.asarray(cv2.resize(values, size, interpolation=cv2.INTER_AREA), dtype=np.float64)


def _within(points: NDArray[np.float64], size: Any) -> NDArray[np.float64]:
    """Places kept off the far edge, on which rounding may put them."""
    return np.minimum(points, np.asarray(size) - 1e-6)


def _centre_bias(others: list[_Seen], grid: tuple[int, int]) -> NDArray[np.float64]:
    """Density of all fixations on other stimuli."""
    total = np.sum([resized(one.total, grid) for one in others], axis=0)
    return np.asarray(total / total.sum(), dtype=np.float64)


def _check(maps: Mapping[str, NDArray[np.float64]], fixations: Fixations, names: list[str]) -> None:
    for name in names:
        values, (width, height) = maps[name], fixations.size(name)
        if values.shape != (height, width):
            raise InputError(
                f"map {quoted(name)} has {' × '.join(map(str, values.shape[::-1]))} pixels, its "
                f"stimulus {width} × {height}; resize the map"
            )
        if not np.isfinite(values).all() or values.min() < 0:
            raise InputError(f"map {quoted(name)}: a value is negative or not finite")
        if np.ptp(values) == 0:
            raise InputError(
                f"map {quoted(name)} is constant, so it predicts nothing; leave it out"
            )


def _estimate(rows: pl.DataFrame, level: float) -> Estimate:
    known = rows.filter(pl.col("measured").is_finite())
    values = known["measured"].to_numpy()
    interval = crossed_interval(
        values, known["stimulus"].to_numpy(), known["viewer"].to_numpy(), level
    )
    return Estimate(float(values.mean()), interval, level, "clustered by stimulus and viewer")


def _read(path: Path) -> NDArray[np.float64]:
    if path.suffix.lower() != ".npy":
        grey: NDArray[np.float64] = np.asarray(read_pixels(path), dtype=np.float64).mean(0)
        return grey
    try:
        values = np.load(io.BytesIO(read_bytes(path)), allow_pickle=False)
        return np.asarray(values, dtype=np.float64)
    except (ValueError, TypeError, EOFError) as error:
        raise InputError(f"{path}: not an array of numbers; write it with np.save") from error
