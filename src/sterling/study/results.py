"""Everything a run measured, as one tidy frame; claims, tables and figures derive from it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import polars as pl

from sterling.display import line
from sterling.errors import InputError
from sterling.measure import Estimate, Interval, Rate
from sterling.runs import Coordinate, Row
from sterling.study.evidence import (
    Figure,
    Metric,
    Table,
    TableRow,
    mean_cells,
    metric_of_mean,
    metric_of_rate,
)
from sterling.study.series import Series
from sterling.study.views import Column, Wanted, bars_of_table, lines, matrix

SCHEMA = {
    "repetition": pl.Int64,
    "metric": pl.String,
    "value": pl.Float64,
    "low": pl.Float64,
    "high": pl.Float64,
    "errors": pl.Int64,
    "trials": pl.Int64,
}


def row(metric: str, value: float | Rate | Estimate | None, **coordinates: Coordinate) -> Row:
    """One measurement of a cell.

    Args:
        metric: Name in the field's terms.
        value: A number; a rate, whose counts are kept; an estimate, whose interval is kept; None
            when it could not be measured.
        coordinates: Coordinates of the measurement, such as ``system="cdcn"``.

    Examples:
        >>> row("auc", 0.9, system="cdcn")
        {'metric': 'auc', 'value': 0.9, 'system': 'cdcn'}
    """
    found: Row = {"metric": metric, "value": None, **coordinates}
    if isinstance(value, Rate):
        return {**found, "value": value.value, "errors": value.errors, "trials": value.trials}
    if isinstance(value, Estimate):
        ends = {"low": value.interval.low, "high": value.interval.high}
        return {**found, "value": value.value, **ends}
    return {**found, "value": None if value is None else float(value)}


@dataclass(frozen=True, eq=False)
class Results:
    """Measurements of a run: one row each, in the order of measurement.

    Attributes:
        frame: Columns ``repetition``, ``metric``, ``value`` (null when it could not be measured),
            ``low`` and ``high`` (of an estimate with its own interval), ``errors`` and ``trials``
            (of a rate over independent items), and one column per coordinate, null where it does
            not apply.
        not_scored: Number of items that could not be scored.

    Examples:
        >>> rows = [row("auc", 0.9, system="a", repetition=0), row("auc", 0.8, system="b",
        ... repetition=0)]
        >>> Results.of(rows).values("auc", system="a")
        [0.9]
    """

    frame: pl.DataFrame
    not_scored: int = 0

    @classmethod
    def of(cls, rows: Iterable[Row], *, not_scored: int = 0) -> "Results":
        """Collect rows; each has ``metric``, ``value`` and ``repetition``."""
        rows = list(rows)
        names = [*SCHEMA, *dict.fromkeys(name for each in rows for name in each)]
        columns = {name: [each.get(name) for each in rows] for name in dict.fromkeys(names)}
        return cls(pl.DataFrame(columns, schema_overrides=SCHEMA, strict=False), not_scored)

    def __repr__(self) -> str:
        metrics = self.frame["metric"].unique(maintain_order=True).to_list()
        named = ", ".join(metrics[:4]) + (", ..." if len(metrics) > 4 else "")
        return line(
            self,
            f"{len(self.frame)} rows of {named}" if metrics else "empty",
            f"{self.frame['repetition'].n_unique()} repetitions",
            f"by {' × '.join(self.coordinates)}" if self.coordinates else "",
            f"{self.not_scored} not scored" if self.not_scored else "",
        )

    def _repr_html_(self) -> str:
        html: str = self.frame._repr_html_()
        return html

    @property
    def coordinates(self) -> list[str]:
        """Names of the coordinates."""
        return [name for name in self.frame.columns if name not in SCHEMA]

    def select(self, metric: str | None = None, **coordinates: Wanted) -> "Results":
        """Keep the rows of a metric at some coordinates.

        Args:
            metric: Name of the metric; None keeps all.
            coordinates: Coordinate by name; None asks for rows to which it does not apply, a
                collection for any of its members. A coordinate set to one value is dropped from the
                frame, since all rows share it.
        """
        frame = self.frame if metric is None else self.frame.filter(pl.col("metric") == metric)
        for name, wanted in coordinates.items():
            if name not in frame.columns:
                frame = frame if wanted is None else frame.clear()
            elif wanted is None:
                frame = frame.filter(pl.col(name).is_null()).drop(name)
            elif isinstance(wanted, str | int | float):
                frame = frame.filter(pl.col(name) == wanted)
                frame = frame if name in SCHEMA else frame.drop(name)
            else:
                frame = frame.filter(pl.col(name).is_in(list(wanted)))
        return Results(frame, self.not_scored)

    def names(self, coordinate: str) -> list[Any]:
        """Values of a coordinate, in order of first appearance, without null."""
        if coordinate not in self.frame.columns:
            return []
        return self.frame[coordinate].drop_nulls().unique(maintain_order=True).to_list()

    def _at(self, metric: str, coordinates: Mapping[str, Wanted], *apart: str) -> pl.DataFrame:
        """Rows of a metric at coordinates; those that are not named are null, but for `apart`."""
        found = self.select(metric, **coordinates)
        for name in found.coordinates:
            if name not in (*apart, *coordinates):
                found = found.select(**{name: None})
        return found.frame

    def values(self, metric: str, **coordinates: Wanted) -> list[float]:
        """Values by repetition, without those that could not be measured.

        A coordinate that is not named must not apply: ``values("auc", system="cdcn")`` does not
        hold the AUC of ``subset="unseen domain"``.

        Raises:
            InputError: A repetition has several values there.
        """
        frame = self._at(metric, coordinates).drop_nulls("value")
        if frame["repetition"].is_duplicated().any():
            raise InputError(f"{metric} at {dict(coordinates)}: several values in one repetition")
        return frame["value"].to_list()

    def rate(self, metric: str, **coordinates: Wanted) -> Rate | None:
        """Counts pooled over repetitions; None when nothing was counted."""
        frame = self._at(metric, coordinates)
        trials = int(frame["trials"].sum())
        return Rate(int(frame["errors"].sum()), trials) if trials else None

    def estimate(self, metric: str, method: str, /, **coordinates: Wanted) -> Estimate | None:
        """The only estimate at some coordinates, with its own 95 % interval; None without one.

        Args:
            metric: Name of the metric.
            method: Name of the interval's method, in a few words.
            coordinates: Coordinates, as in `values`.

        Raises:
            InputError: There are several.
        """
        frame = self._at(metric, coordinates).drop_nulls("low")
        if len(frame) > 1:
            raise InputError(f"{metric} at {dict(coordinates)}: several estimates")
        if frame.is_empty():
            return None
        value, low, high = frame.select("value", "low", "high").row(0)
        return Estimate(value, Interval(low, high), 0.95, method)

    def series(self, metric: str, *, by: str = "system", **coordinates: Wanted) -> Series:
        """Values of a metric by repetition, for every value of the coordinate `by`.

        Raises:
            InputError: A repetition has several values of one system.
        """
        frame = self._at(metric, coordinates, by).drop_nulls("value")
        found: dict[str, dict[int, float]] = {}
        for name, repetition, value in zip(
            frame[by] if by in frame.columns else [],
            frame["repetition"],
            frame["value"],
            strict=False,
        ):
            values = found.setdefault(name, {})
            if repetition in values:
                raise InputError(f"{metric} of {name}: several values in repetition {repetition}")
            values[repetition] = value
        return Series(metric, found)

    def relative_to(self, **reference: Coordinate) -> "Results":
        """Differences, paired by repetition, from the row at a reference coordinate.

        ``results.relative_to(method="retrain")`` holds for every method its value less that of
        "retrain" in the same repetition at the same other coordinates. A row without a reference
        is left out.
        """
        rest = [name for name in self.coordinates if name not in reference]
        keys = ["repetition", "metric", *rest]
        base = self.select(None, **reference).frame.select(*keys, reference_value="value")
        frame = self.frame.join(
            base, on=keys, how="inner", nulls_equal=True, maintain_order="left"
        ).with_columns(
            value=pl.col("value") - pl.col("reference_value"),
            low=None,
            high=None,
            errors=None,
            trials=None,
        )
        return Results(frame.drop("reference_value").cast(pl.Schema(SCHEMA)), self.not_scored)

    def averaged(self, *coordinates: str) -> "Results":
        """Means over some coordinates, in every repetition at the same other coordinates."""
        rest = [name for name in self.coordinates if name not in coordinates]
        frame = self.frame.group_by("repetition", "metric", *rest, maintain_order=True).agg(
            pl.col("value").mean()
        )
        return Results.of(frame.to_dicts(), not_scored=self.not_scored)

    def metric(
        self, name: str, metric: str, unit: str, *, over: str = "repetitions", **at: Wanted
    ) -> Metric:
        """Mean of a metric over repetitions with its 95 % Student-t interval, as evidence."""
        return metric_of_mean(name, unit, self.values(metric, **at), over)

    def counted(self, name: str, metric: str, **at: Wanted) -> Metric:
        """A rate pooled over repetitions with its exact 95 % interval, as evidence."""
        rate = self.rate(metric, **at)
        if rate is None:
            return Metric(name=name, value=None, n=0, unit="rate")
        return metric_of_rate(name, rate)

    def table(
        self,
        name: str,
        title: str,
        rows: str | Sequence[str],
        columns: Sequence[Column],
        *,
        order: Sequence[Coordinate] | None = None,
        headings: Sequence[str] | None = None,
        caption: str = "",
    ) -> Table:
        """Tabulate metrics.

        Args:
            name: Short stable name.
            title: Title for people.
            rows: Coordinate, or coordinates, whose values are the rows.
            columns: Columns of each row.
            order: Values of the first row coordinate, in order; None for those that appear.
            headings: Headings of the row coordinates; None for their names.
            caption: Reading of the table.
        """
        keys = [rows] if isinstance(rows, str) else list(rows)
        metrics = {column.metric for column in columns}
        found = self.frame.filter(pl.col("metric").is_in(metrics))
        places = (
            [
                place
                for place in found.select(keys).unique(maintain_order=True).rows()
                if None not in place
            ]
            if set(keys) <= set(found.columns)
            else []
        )
        if order is not None:
            places = [
                place for first in dict.fromkeys(order) for place in places if place[0] == first
            ]
        body = []
        for place in places:
            at = dict(zip(keys, place, strict=True))
            cells = [cell for column in columns for cell in self._cells(column, at)]
            if any(cell is not None for cell in cells):
                body.append([*place, *cells])
        return Table(
            name=name,
            title=title,
            columns=[
                *(headings or keys),
                *(heading for column in columns for heading in column.headings),
            ],
            rows=body,
            caption=caption,
        )

    def line(self, columns: Sequence[Column]) -> TableRow:
        """Cells of one row of a table, at no further coordinate."""
        return [cell for column in columns for cell in self._cells(column, {})]

    def _cells(self, column: Column, at: Mapping[str, Coordinate]) -> TableRow:
        where = {**column.where, **at}
        if column.show in ("counts", "rate"):
            rate = self.rate(column.metric, **where)
            if rate is None:
                return [None] * len(column.headings)
            interval = rate.interval()
            counts = [rate.errors, rate.trials] if column.show == "counts" else []
            return [*counts, rate.value, interval.low, interval.high]
        values = self.values(column.metric, **where)
        if column.show == "interval" and len(values) == 1:
            estimate = self.estimate(column.metric, "", **where)
            if estimate is not None:
                return [estimate.value, estimate.interval.low, estimate.interval.high]
        if column.show == "sum":
            total = sum(values)
            return [(int(total) if float(total).is_integer() else total) if values else None]
        cells = mean_cells(values)
        return cells if column.show == "interval" else cells[:1]

    def bars(
        self,
        name: str,
        title: str,
        caption: str,
        metric: str,
        *,
        by: str | Sequence[str] = "system",
        order: Sequence[Coordinate] | None = None,
        value_label: str,
        show: Literal["interval", "rate"] = "interval",
        **coordinates: Wanted,
    ) -> Figure:
        """Draw a metric as bars with 95 % intervals.

        Args:
            name: Short stable name.
            title: Title for people.
            caption: Content of the figure.
            metric: Name of the metric.
            by: Coordinate, or coordinates, whose values are the bars.
            order: Values of the first of them, in order; None for those that appear.
            value_label: Label of the axis.
            show: "interval" for means over repetitions, "rate" for pooled counts.
            coordinates: Coordinates of the metric.
        """
        table = self.table(
            name, title, by, [Column(metric, metric, coordinates, show)], order=order
        )
        return bars_of_table(table, caption, value_label=value_label)

    def lines(
        self,
        name: str,
        title: str,
        caption: str,
        metric: str,
        *,
        x: str,
        by: str = "system",
        labels: tuple[str, str],
        log: bool = False,
        **coordinates: Wanted,
    ) -> Figure:
        """Draw a metric, mean over repetitions, over a numeric coordinate.

        Args:
            name: Short stable name.
            title: Title for people.
            caption: Content of the figure, and its reading.
            metric: Name of the metric.
            x: Coordinate of the horizontal axis.
            by: Coordinate whose values are the curves.
            labels: Labels of both axes.
            log: Draw both axes in logarithms.
            coordinates: Coordinates of the metric.
        """
        found = self.select(metric)
        places = sorted(found.names(x))
        series: dict[str, list[float | None]] = {
            str(curve): [
                found.metric("", metric, "", **{**coordinates, by: curve, x: place}).value
                for place in places
            ]
            for curve in found.select(None, **coordinates).names(by)
        }
        return lines(name, title, caption, places, series, labels=labels, log=log)

    def matrix(
        self,
        name: str,
        title: str,
        caption: str,
        *,
        rows: str,
        columns: Sequence[Column],
        order: Sequence[Coordinate] | None = None,
        value_label: str,
        centre: float = 0.0,
    ) -> Figure:
        """Draw means over repetitions by row and column, in two colours around a centre.

        Args:
            name: Short stable name.
            title: Title for people.
            caption: Content of the figure.
            rows: Coordinate whose values are the rows.
            columns: One mean each.
            order: Values of `rows` in order; None for those that appear.
            value_label: Label of the colour.
            centre: Number without a colour.
        """
        table = self.table(name, title, rows, columns, order=order)
        names = [str(each[0]) for each in table.rows]
        cells = {name: each[1:] for name, each in zip(names, table.rows, strict=True)}

        def mean(row: str, column: str) -> float | None:
            cell = cells[row][table.columns.index(column) - 1]
            return cell if isinstance(cell, float) else None

        return matrix(
            name,
            title,
            caption,
            names,
            table.columns[1:],
            mean,
            value_label=value_label,
            centre=centre,
        )
