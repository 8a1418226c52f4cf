"""Reader of the UCI Echocardiogram data set, and how well a template supports a diagnosis."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.policy import snra
from sterling.reasoning.rewards import SHARPNESS
from sterling.reasoning.template import ReasoningTemplate, Value
from sterling.tables import Table, read_table

COLUMNS: Mapping[str, tuple[str, float]] = {
    "fractional shortening": ("fractional_shortening", 100.0),  # from shares
    "E-point septal separation": ("epss", 1.0),
    "LV end-diastolic diameter": ("lvdd", 1.0),
}
"""Column and factor by measurement; the separation is read as millimetres (no unit is stated)."""

WALL_MOTION = "wall_motion_index"


@dataclass(frozen=True, eq=False)
class Echocardiograms:
    """Measurements of patients after a heart attack.

    Attributes:
        values: Measurements of each patient in the units of the templates, by name.
        wall_motion: Wall motion score divided by the segments seen, (N,); 1 is normal, higher is
            worse.
        left_out: Rows of the file in which a number is missing.
    """

    values: tuple[Mapping[str, float], ...]
    wall_motion: NDArray[np.float64]
    left_out: int


def read_echocardiograms(path: Path) -> Echocardiograms:
    """Read the UCI Echocardiogram data set (CC BY 4.0) as a table with named columns.

    Survival is not read: the file's columns on it contradict their published description.

    Args:
        path: A .csv file with columns fractional_shortening, epss, lvdd and wall_motion_index; or
            a folder with one .csv file.

    Raises:
        InputError: There is no such file, a column is missing, or no row is complete.
    """
    if path.is_dir():
        files = sorted(path.glob("*.csv"))
        if len(files) != 1:
            raise InputError(f"{path}: holds {len(files)} .csv files; give the one to read")
        path = files[0]
    table: Table = read_table(path)
    columns = {
        name: factor * table.parsed(column).fill_null(math.nan).to_numpy()
        for name, (column, factor) in COLUMNS.items()
    }
    wall_motion = table.parsed(WALL_MOTION).fill_null(math.nan).to_numpy()
    complete = np.isfinite(np.stack([*columns.values(), wall_motion])).all(axis=0)
    if not complete.any():
        raise InputError(f"{path}: no row has all of {', '.join(columns)} and wall motion")
    rows = np.flatnonzero(complete)
    values = tuple({name: float(each[row]) for name, each in columns.items()} for row in rows)
    return Echocardiograms(values, wall_motion[complete], len(table) - len(rows))


def template_support(template: ReasoningTemplate, values: Mapping[str, Value]) -> float:
    """Return how far the known values support a template's diagnosis, in [0, 1].

    The weighted mean over the steps whose measurement is known: 1 within the range, and outside
    ``snra((distance / width of the range)^2, ln 3)``, half at a distance of its width. Our choice.

    Raises:
        InputError: No measurement of the template is known.

    Examples:
        >>> from sterling.reasoning import builtin_templates
        >>> template = builtin_templates()["dilated_cardiomyopathy"]
        >>> template_support(template, {"LV end-diastolic diameter": 6.5})
        1.0
    """
    known = [step for step in template.steps if step.measurement in values]
    if not known:
        raise InputError(f"{template.disease}: none of its measurements is known")
    earned = 0.0
    for step in known:
        value = values[step.measurement]
        if step.range is None or isinstance(value, str):
            earned += step.weight * step.supports(value)
            continue
        low, high = step.range
        outside = max(low - value, value - high, 0.0) / (high - low)
        earned += step.weight * float(snra(outside**2, SHARPNESS))
    return earned / sum(step.weight for step in known)
