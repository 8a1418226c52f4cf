"""Figures of the evidence in one call each."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from sterling.study.evidence import Figure
from sterling.study.evidence import mean_cells as row_over_seeds


def lines(
    name: str,
    title: str,
    caption: str,
    x: Sequence[float],
    series: Mapping[str, Sequence[float | None]],
    *,
    labels: tuple[str, str],
    log: bool = False,
) -> Figure:
    """Curves over one axis.

    Args:
        name: Short stable name.
        title: For people.
        caption: What is drawn, and how to read it.
        x: Positions, shared by all curves.
        series: Heights by the name of the curve; None leaves a gap.
        labels: Of the two axes.
        log: Logarithmic axes, both.
    """
    data: dict[str, Any] = {
        "x": list(x),
        "series": {key: list(values) for key, values in series.items()},
        "x_label": labels[0],
        "y_label": labels[1],
    }
    if log:
        data["log"] = True
    return Figure(name=name, title=title, kind="lines", caption=caption, data=data)


def bars_over_seeds(
    name: str,
    title: str,
    caption: str,
    values: Mapping[str, Sequence[float]],
    *,
    value_label: str,
) -> Figure:
    """Means over seeds with their 95 % Student-t intervals; one value has a bar of no width.

    Args:
        name: Short stable name.
        title: For people.
        caption: What is drawn.
        values: One sequence over seeds per bar, none of them empty.
        value_label: Of the axis.
    """
    rows = [row_over_seeds(each) for each in values.values()]
    return Figure(
        name=name,
        title=title,
        kind="bars",
        caption=caption,
        data={
            "names": list(values),
            "values": [mean for mean, _, _ in rows],
            "low": [mean if low is None else low for mean, low, _ in rows],
            "high": [mean if high is None else high for mean, _, high in rows],
            "value_label": value_label,
        },
    )


def matrix(
    name: str,
    title: str,
    caption: str,
    rows: Sequence[str],
    columns: Sequence[str],
    value: Callable[[str, str], float | None],
    *,
    value_label: str,
    centre: float = 0.0,
) -> Figure:
    """Numbers by row and column, in two colours around a centre.

    Args:
        name: Short stable name.
        title: For people.
        caption: What is drawn.
        rows: Names of the rows.
        columns: Names of the columns.
        value: From the names of a row and a column to the number; None leaves a gap.
        value_label: Of the colour.
        centre: Number without a colour.
    """
    return Figure(
        name=name,
        title=title,
        kind="matrix",
        caption=caption,
        data={
            "rows": list(rows),
            "columns": list(columns),
            "values": [[value(row, column) for column in columns] for row in rows],
            "centre": centre,
            "value_label": value_label,
        },
    )
