"""Columns of tables, and figures of the evidence in one call each."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from sterling.runs import Coordinate
from sterling.study.evidence import Figure, Table

Wanted = Coordinate | Collection[Coordinate]
"""A coordinate, or several to choose from."""


@dataclass(frozen=True)
class Column:
    """A column, or a group of columns, of a table.

    Attributes:
        title: Heading.
        metric: Metric shown.
        where: Coordinates of the metric, beside those of the row.
        show: "mean" over repetitions; "interval", the mean with low and high, or the only estimate
            with its own; "sum" over repetitions; "counts", errors, trials, rate, low and high of
            pooled counts; "rate", the last three of them.
    """

    title: str
    metric: str
    where: Mapping[str, Wanted] = field(default_factory=dict)
    show: Literal["mean", "interval", "sum", "counts", "rate"] = "mean"

    @property
    def headings(self) -> list[str]:
        """Headings of the columns."""
        before = ["errors", "trials"] if self.show == "counts" else []
        alone = self.show in ("mean", "sum")
        return [*before, self.title, *([] if alone else ["low", "high"])]


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
        caption: Content of the figure, and its reading.
        x: Positions, shared by all curves.
        series: Heights by the name of the curve; None leaves a gap.
        labels: Labels of the two axes.
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
        caption: Content of the figure.
        rows: Names of the rows.
        columns: Names of the columns.
        value: From the names of a row and a column to the number; None leaves a gap.
        value_label: Label of the colour.
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


def bars_of_table(table: Table, caption: str, *, value_label: str) -> Figure:
    """Draw the last three columns of a table, value, low and high, as bars."""
    keys = len(table.columns) - 3
    return Figure(
        name=table.name,
        title=table.title,
        kind="bars",
        caption=caption,
        data={
            "names": [": ".join(map(str, each[:keys])) for each in table.rows],
            "values": [each[-3] for each in table.rows],
            "low": [each[-2] for each in table.rows],
            "high": [each[-1] for each in table.rows],
            "value_label": value_label,
        },
    )


def det(systems: Sequence[str]) -> Figure:
    """Draw the detection error trade-off of the first repetition's test items.

    Args:
        systems: Systems of ``scores.parquet``; the first one has a band.
    """
    return Figure(
        name="det",
        title="Detection error trade-off",
        kind="det",
        caption="Test captures of the first repetition. Dots: the threshold chosen on development "
        "captures. Band: exact 95 % interval of the BPCER.",
        data={"scores": "scores.parquet", "systems": list(systems)},
    )
