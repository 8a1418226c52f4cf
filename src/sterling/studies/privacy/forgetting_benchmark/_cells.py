"""What a benchmark of forgetting measures in one place: for every method its figures by name.

A figure counts by its distance to the row of the model that was truly retrained.
"""

from collections.abc import Sequence

import numpy as np

from sterling.privacy.unlearning_attacks import two_sided

Cell = dict[str, dict[str, float]]
"""Of one seed: for every method its figures by name."""
Cells = dict[tuple[str, str], list[Cell]]
"""By architecture and victim, the cells of all seeds."""

RETRAINED, UNTOUCHED = "retrain", "no unlearning"
EXACT = (RETRAINED, "SISA")


def approximate(cell: Cell) -> list[str]:
    """Methods that forget, and not exactly."""
    return [name for name in cell if name not in (*EXACT, UNTOUCHED)]


def excess(cell: Cell, attack: str, methods: Sequence[str] | None = None) -> float:
    """Mean over methods of the area, on either side of 1/2, beyond that of retraining.

    Args:
        cell: One seed.
        attack: Whose area.
        methods: Which; None takes all approximate ones.
    """
    reference = two_sided(cell[RETRAINED][attack])
    names = approximate(cell) if methods is None else methods
    return float(np.mean([two_sided(cell[name][attack]) - reference for name in names]))


def over_seeds(cells: Sequence[Cell], method: str, figure: str) -> list[float]:
    """A method's figure in every seed that has it."""
    return [cell[method][figure] for cell in cells if figure in cell.get(method, {})]


def mean(values: Sequence[float]) -> float | None:
    """The mean, None where there is nothing."""
    return float(np.mean(values)) if values else None


def difference(cells: Sequence[Cell], method: str, figure: str) -> float | None:
    """Mean over seeds of a method's figure less that of retraining; None without the method."""
    return mean(
        [cell[method][figure] - cell[RETRAINED][figure] for cell in cells if method in cell]
    )
