"""Fixations as a typed table, read from what eye trackers and public data sets write.

``Fixations.read("fixations.csv", screen=(800, 600))`` reads one row a fixation; samples that an eye
tracker writes many times a second become fixations through `sterling.gaze.events`.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from sterling.checks import check_numbers
from sterling.errors import InputError, NothingMeasuredError, quoted, unknown_name
from sterling.tables import read_bytes, read_table

REQUIRED = ("viewer", "stimulus", "x", "y")
OPTIONAL = {"onset": 0.0, "duration": None, "width": None, "height": None}
"""Columns of numbers that may be missing, with the value that takes their place."""


@dataclass(frozen=True, eq=False)
class Fixations:
    """Fixations on stimuli, one row each, in order of onset for each viewer and stimulus.

    Attributes:
        frame: Columns viewer, stimulus (text), x, y (pixels), onset, duration (seconds), width,
            height (the screen or stimulus, pixels), and profile columns such as age (text). All
            fixations lie within their screen.
        pixels_per_degree: Pixels in one degree of visual angle; None where unknown.
        missing: Number of rows left out because x or y was missing.
        outside: Number of rows left out because the place was outside of the screen.
    """

    frame: pl.DataFrame
    pixels_per_degree: float | None = None
    missing: int = 0
    outside: int = 0

    @classmethod
    def from_frame(
        cls,
        frame: Any,
        *,
        screen: tuple[float, float] | None = None,
        pixels_per_degree: float | None = None,
        source: str = "fixations",
    ) -> Self:
        """Take a polars or pandas frame with the columns viewer, stimulus, x and y.

        Args:
            frame: Further columns: onset and duration in seconds, width and height of the screen in
                pixels; all others are profile columns, kept as text.
            screen: Width and height, where the frame has no such columns.
            pixels_per_degree: Pixels in one degree of visual angle.
            source: Name of the frame, for messages.

        Raises:
            InputError: A column is missing, a number is none, no screen is known, or a duration is
                not positive.
            NothingMeasuredError: No fixation is left.

        Examples:
            >>> rows = {"viewer": ["a"], "stimulus": ["ad.png"], "x": [10.0], "y": [20.0]}
            >>> len(Fixations.from_frame(pl.DataFrame(rows), screen=(800, 600)))
            1
        """
        if not isinstance(frame, pl.DataFrame):
            frame = pl.DataFrame({str(name): frame[name].to_list() for name in frame.columns})
        for name in REQUIRED:
            if name not in frame.columns:
                listed = ", ".join(map(quoted, frame.columns))
                raise InputError(f"{source} has no column {quoted(name)}; it has {listed}")
        columns = {
            name: _texts(frame[name], source)
            for name in frame.columns
            if name not in (*OPTIONAL, "x", "y")
        }
        numbers = {
            name: _numbers(frame[name], source)
            for name in ("x", "y", *OPTIONAL)
            if name in frame.columns
        }
        numbers |= _screen(numbers, screen, frame.height, source)
        numbers.setdefault("onset", np.zeros(frame.height))
        numbers.setdefault("duration", np.full(frame.height, np.nan))
        if (numbers["duration"] <= 0).any():
            row = int((numbers["duration"] <= 0).argmax())
            raise InputError(
                f"{source}, row {row + 1}: duration is {numbers['duration'][row]:g} s; "
                "give seconds above 0"
            )
        if pixels_per_degree is not None:
            check_numbers(above=0, pixels_per_degree=pixels_per_degree)
        x, y = numbers["x"], numbers["y"]
        there = np.isfinite(x) & np.isfinite(y)
        inside = (x >= 0) & (y >= 0) & (x < numbers["width"]) & (y < numbers["height"])
        if not (there & inside).any():
            raise NothingMeasuredError(
                f"{source}: no fixation lies within its screen; x and y are pixels from the upper "
                "left corner"
            )
        whole = pl.DataFrame(columns | numbers).filter(pl.Series(there & inside))
        return cls(
            whole.sort("stimulus", "viewer", "onset", maintain_order=True),
            pixels_per_degree,
            int((~there).sum()),
            int((there & ~inside).sum()),
        )

    @classmethod
    def read(
        cls,
        path: Path | str,
        *,
        screen: tuple[float, float] | None = None,
        pixels_per_degree: float | None = None,
    ) -> Self:
        """Read a CSV, TSV or Parquet file of fixations, or a JSON file laid out as OSIE's.

        JSON: ``{stimulus: [{"subject": 1, "x": [...], "y": [...], "dur_ms": [...]}]}``; onsets are
        the sums of the durations before.

        Args:
            path: The file; columns as for `from_frame`.
            screen: Width and height in pixels, where the file has no such columns.
            pixels_per_degree: Pixels in one degree of visual angle.

        Raises:
            InputError: As for `from_frame`, or the file cannot be read.
            NothingMeasuredError: No fixation is left.

        Examples:
            >>> Fixations.read("fixations.csv", screen=(800, 600))
        """
        path = Path(path)
        if path.suffix.lower() == ".json":
            frame = _osie(path)
        else:
            table = read_table(path)
            table.require(*REQUIRED)
            frame = table.frame.with_columns(
                table.parsed(name) for name in ("x", "y", *OPTIONAL) if name in table
            )
        return cls.from_frame(
            frame, screen=screen, pixels_per_degree=pixels_per_degree, source=str(path)
        )

    def __len__(self) -> int:
        return self.frame.height

    def __repr__(self) -> str:
        return (
            f"Fixations({len(self)} of {len(self.viewers)} viewers on {len(self.stimuli)} stimuli)"
        )

    @property
    def stimuli(self) -> list[str]:
        """Names of the stimuli, sorted."""
        return self.frame["stimulus"].unique().sort().to_list()

    @property
    def viewers(self) -> list[str]:
        """Names of the viewers, sorted."""
        return self.frame["viewer"].unique().sort().to_list()

    @property
    def profiles(self) -> list[str]:
        """Names of the profile columns."""
        known = {*REQUIRED, *OPTIONAL}
        return [name for name in self.frame.columns if name not in known]

    def where(self, **columns: str | Sequence[str]) -> Self:
        """Keep fixations by stimulus, viewer or profile.

        Args:
            columns: Column and its value, or several values: ``where(age="21-25")``.

        Raises:
            InputError: The column does not exist, or nobody has the value.

        Examples:
            >>> fixations.where(stimulus="ad.png", gender=["female", "unknown"])
        """
        kept = self.frame
        for name, wanted in columns.items():
            if name not in self.frame.columns:
                raise unknown_name("column", name, self.frame.columns)
            values = [wanted] if isinstance(wanted, str) else list(wanted)
            known = self.frame[name].unique().to_list()
            for value in values:
                if value not in known:
                    raise unknown_name(name, value, map(str, known))
            kept = kept.filter(pl.col(name).is_in(values))
        return replace(self, frame=kept)

    def size(self, stimulus: str) -> tuple[int, int]:
        """Width and height of a stimulus in pixels."""
        first = self._of(stimulus)[0]
        return int(first["width"][0]), int(first["height"][0])

    def points(self, stimulus: str) -> NDArray[np.float64]:
        """Places of all viewers' fixations on a stimulus: x, y in pixels, (F, 2)."""
        return self._of(stimulus).select("x", "y").to_numpy()

    def scanpaths(self, stimulus: str) -> dict[str, NDArray[np.float64]]:
        """Fixations of each viewer on a stimulus, in order: x, y, duration (F, 3)."""
        parts = self._of(stimulus).partition_by("viewer", as_dict=True, maintain_order=True)
        return {
            str(viewer): part.select("x", "y", "duration").to_numpy()
            for (viewer,), part in parts.items()
        }

    def density(self, stimulus: str, sigma: float | None = None) -> NDArray[np.float64]:
        """Density of fixations on a stimulus, (H, W), summing to 1.

        Args:
            stimulus: Its name.
            sigma: Standard deviation of the Gaussian in pixels; by default one degree of visual
                angle where `pixels_per_degree` is known, else 3 % of the width.
        """
        width, height = self.size(stimulus)
        spread = sigma or self.pixels_per_degree or 0.03 * width
        return density_of(self.points(stimulus), (width, height), spread)

    def _of(self, stimulus: str) -> pl.DataFrame:
        rows = self.frame.filter(pl.col("stimulus") == stimulus)
        if not rows.height:
            raise unknown_name("stimulus", stimulus, self.stimuli)
        return rows


def density_of(
    points: NDArray[np.float64], size: tuple[int, int], sigma: float
) -> NDArray[np.float64]:
    """Blur points into a density.

    Args:
        points: x and y in pixels, (F, 2), within the size; one or more.
        size: Width and height of the density in pixels.
        sigma: Standard deviation of the Gaussian in pixels, above 0.

    Returns:
        (height, width), summing to 1. Mass beyond the edges is reflected.

    Raises:
        InputError: No point, a point outside, or a sigma of 0 or less.

    Examples:
        >>> density_of(np.array([[3.0, 2.0]]), (8, 6), 1.0).shape
        (6, 8)
    """
    check_numbers(above=0, sigma=sigma)
    width, height = size
    x, y = np.floor(np.asarray(points, dtype=np.float64).reshape(-1, 2).T).astype(np.intp)
    if not len(x):
        raise InputError("density: no fixation; give one or more")
    if (x < 0).any() or (y < 0).any() or (x >= width).any() or (y >= height).any():
        raise InputError(f"density: a fixation lies outside of {width} × {height} pixels")
    counts = np.bincount(y * width + x, minlength=width * height).reshape(height, width)
    blurred = gaussian_filter(counts.astype(np.float64), sigma, mode="reflect")
    return np.asarray(blurred / blurred.sum(), dtype=np.float64)


def _texts(column: pl.Series, source: str) -> pl.Series:
    text = column.cast(pl.String, strict=False)
    if text.null_count() and column.name in REQUIRED:
        row = int(text.is_null().arg_max() or 0)
        raise InputError(f"{source}, row {row + 1}: column {quoted(column.name)} is empty")
    return text.fill_null("")


def _numbers(column: pl.Series, source: str) -> NDArray[np.float64]:
    try:
        numbers = column.cast(pl.Float64)
    except pl.exceptions.PolarsError as error:
        raise InputError(f"{source}: column {quoted(column.name)} holds no numbers") from error
    return numbers.fill_null(np.nan).to_numpy().copy()


def _screen(
    numbers: Mapping[str, NDArray[np.float64]],
    screen: tuple[float, float] | None,
    rows: int,
    source: str,
) -> dict[str, NDArray[np.float64]]:
    """Columns width and height."""
    if screen is not None:
        check_numbers(above=0, width=screen[0], height=screen[1])
        return {"width": np.full(rows, screen[0]), "height": np.full(rows, screen[1])}
    if "width" not in numbers or "height" not in numbers:
        raise InputError(f"{source}: give the screen's width and height in pixels")
    found = {name: numbers[name] for name in ("width", "height")}
    for name, values in found.items():
        if not (values > 0).all():
            row = int((~(values > 0)).argmax())
            raise InputError(f"{source}, row {row + 1}: {name} is {values[row]:g}; give pixels")
    return found


def _osie(path: Path) -> pl.DataFrame:
    """Rows of a JSON file laid out as OSIE's fixations."""
    wrong = InputError(
        f'{path}: not {{stimulus: [{{"subject": …, "x": […], "y": […], "dur_ms": […]}}]}}'
    )
    try:
        stored = json.loads(read_bytes(path))
    except ValueError as error:
        raise InputError(f"{path} is no JSON ({error}); write it again") from error
    columns: dict[str, list[Any]] = {name: [] for name in (*REQUIRED, "onset", "duration")}
    try:
        for stimulus, paths in stored.items():
            for one in paths:
                seconds = np.asarray(one["dur_ms"], dtype=np.float64) / 1000
                count = len(seconds)
                if not len(one["x"]) == len(one["y"]) == count:
                    raise wrong
                columns["stimulus"] += [str(stimulus)] * count
                columns["viewer"] += [str(one["subject"])] * count
                columns["x"] += [float(value) for value in one["x"]]
                columns["y"] += [float(value) for value in one["y"]]
                columns["onset"] += (np.cumsum(seconds) - seconds).tolist()
                columns["duration"] += seconds.tolist()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise wrong from error
    return pl.DataFrame(columns)
