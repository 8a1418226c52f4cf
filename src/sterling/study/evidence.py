"""Evidence of a run: claims with verdicts, metrics, tables and figures, in one JSON document."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sterling.display import html_table, line, number, span
from sterling.errors import InputError
from sterling.measure import Rate, mean_interval
from sterling.storage import SCHEMA_VERSION, SUMS, digest_of, read_sums

if TYPE_CHECKING:
    import polars as pl

Verdict = Literal["holds", "does not hold", "undecided"]
Design = Literal["fixed", "sequential"]
Stop = Literal["decided", "budget", "max repetitions"]
TableRow = list[str | int | float | None]


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    def __str__(self) -> str:
        return repr(self)


class Metric(_Record):
    """One measured number.

    Attributes:
        name: Quantity that was measured, in the field's terms.
        value: The number; None when it could not be measured.
        low: Lower end of the 95 % interval; None when there is none.
        high: Upper end.
        n: Number of independent units behind it: repetitions, or trials of a rate.
        unit: Unit of ``value`` ("rate", "seconds", ...).
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    unit: str

    def __repr__(self) -> str:
        return line(self, self.name, *_measured(self.value, self.low, self.high), self.unit)


class Sample(_Record):
    """Data behind a claim or one part of it: values, counts, or neither for an estimate.

    Attributes:
        part: Name of the part; None where the claim has no parts.
        values: One value per repetition, or other independent unit.
        errors: Number of trials that showed the counted event.
        trials: Number of all trials.
    """

    part: str | None = None
    values: list[float] | None = None
    errors: int | None = None
    trials: int | None = None


class Claim(_Record):
    """One sentence that a run supports, contradicts or leaves undecided.

    Attributes:
        id: Short stable name.
        claim: The sentence.
        paper: The paper's own figure; None where it gives none.
        estimand: Quantity estimated, the number of data behind it and the kind of interval.
        measured: The estimate; None when it could not be measured.
        low: Lower end of its interval; None when there is none.
        high: Upper end.
        bar: Bar that the interval is compared with, such as "> 0" or "<= 0.2".
        verdict: Holds when the whole interval lies on the right side of the bar, does not hold when
            it lies on the wrong side, undecided in between or without an interval.
        sample: Data of the test, for every part.
        bar_low: Lower end of the bar; None where there is none.
        bar_high: Upper end.
        error: Chance that the interval which decides misses the true value.
        one_sided: Whether ``error`` is that of one side, at a fixed number of repetitions.
    """

    id: str
    claim: str
    paper: str | None = None
    estimand: str
    measured: float | None
    low: float | None = None
    high: float | None = None
    bar: str
    verdict: Verdict
    sample: list[Sample] = Field(default_factory=list)
    bar_low: float | None = None
    bar_high: float | None = None
    error: float = 0.05
    one_sided: bool = False

    def __repr__(self) -> str:
        measured = _measured(self.measured, self.low, self.high, 1 - self.error)
        return line(self, self.id, self.verdict, *measured, f"to be {self.bar}")

    @property
    def can_be_decided(self) -> bool:
        """Whether it is undecided, from values or counts that more repetitions may decide."""
        counted = [one.values is not None or one.trials is not None for one in self.sample]
        measured = any(one.values or one.trials for one in self.sample)
        return self.verdict == "undecided" and all(counted) and measured

    @property
    def rule(self) -> str:
        """Rule by which the verdict follows from the numbers, for people."""
        return f"{self.estimand}; holds if all of the interval is {self.bar}"


class Table(_Record):
    """A table of the evidence; every row has one cell per column."""

    name: str
    title: str
    columns: list[str]
    rows: list[TableRow]
    caption: str = ""

    def __repr__(self) -> str:
        return line(
            self, self.title, f"{len(self.rows)} × {len(self.columns)}", ", ".join(self.columns)
        )

    def _repr_html_(self) -> str:
        return html_table(self.columns, self.rows, caption=self.title)

    def to_frame(self) -> "pl.DataFrame":
        """Return the table as a frame; a heading that occurs again is numbered: ``low 2``.

        Example:
            >>> Table(name="t", title="T", columns=["low", "low"], rows=[[1, 2]]).to_frame().columns
            ['low', 'low 2']
        """
        import polars as pl

        earlier = [self.columns[:place].count(name) for place, name in enumerate(self.columns)]
        names = [
            f"{name} {count + 1}" if count else name
            for name, count in zip(self.columns, earlier, strict=True)
        ]
        return pl.DataFrame(self.rows, schema=names, orient="row", infer_schema_length=None)


class Figure(_Record):
    """A figure as data, so that every surface can draw it.

    ``data`` by ``kind``:

    - "det": ``{"scores": file, "systems": [name, ...]}``;
    - "lines": ``{"x": [...], "series": {name: [...]}, "x_label": ..., "y_label": ...}``, None for a
      gap, ``"log": true`` for two logarithmic axes;
    - "bars": ``{"names": [...], "values": [...], "low": [...], "high": [...],
      "value_label": ...}``;
    - "matrix": ``{"rows": [...], "columns": [...], "values": [[... or None]], "centre": ...,
      "value_label": ...}``, drawn in two colours around ``centre``;
    - "gallery": ``{"items": file}``, a JSON list of ``{"images": [file, ...], "text": ...}``.

    Files are relative to the run folder.
    """

    name: str
    title: str
    kind: Literal["det", "lines", "bars", "matrix", "gallery"]
    caption: str
    data: dict[str, Any]


class Findings(_Record):
    """Evidence without the record of the run.

    Attributes:
        scope: Scope of the numbers; whether the data are simulated comes first.
        not_scored: Number of items that could not be scored.
        metrics: Headline numbers.
        claims: Claims, tested.
        tables: Tables.
        figures: Figures.
    """

    scope: str
    not_scored: int
    metrics: list[Metric]
    claims: list[Claim]
    tables: list[Table] = Field(default_factory=list)
    figures: list[Figure] = Field(default_factory=list)


class Evidence(Findings):
    """Content of ``evidence.json``.

    Attributes:
        schema_version: Version of this form.
        study: Name of the study.
        preset: Name of the preset.
        seed: Seed of the run.
        command: Command that repeats the run.
        config: Configuration of the run.
        versions: Versions of the packages that the numbers depend on.
        started: When the run started, ISO 8601, UTC.
        wall_s: Seconds of work.
        design: "fixed": intervals for a number of repetitions chosen beforehand. "sequential":
            repetitions were added until claims were decided, and claims use confidence sequences.
        repetitions: Number of repetitions that a sequential run used; None for a fixed one.
        stopped: Reason why a sequential run ended: "decided" (every claim that has a confidence
            sequence is), "budget" or "max repetitions"; None for a fixed one.
    """

    schema_version: Literal[1] = SCHEMA_VERSION
    study: str
    preset: str
    seed: int
    command: str
    config: dict[str, Any]
    versions: dict[str, str]
    started: str
    wall_s: float
    design: Design = "fixed"
    repetitions: int | None = None
    stopped: Stop | None = None

    def __repr__(self) -> str:
        return line(self, f"{self.study} {self.preset}, seed {self.seed}", self.outcome)

    def _repr_html_(self) -> str:
        frame = self.to_frame().drop("claim")
        return html_table(frame.columns, frame.rows(), caption=f"{self!r}. {self.scope}")

    def to_frame(self) -> "pl.DataFrame":
        """Return one row per claim.

        Columns: ``id``, ``verdict``, ``measured``, ``low``, ``high``, ``bar`` and ``claim``, the
        sentence.
        """
        import polars as pl

        names = ("id", "verdict", "measured", "low", "high", "bar", "claim")
        rows = [{name: getattr(claim, name) for name in names} for claim in self.claims]
        numbers = dict.fromkeys(("measured", "low", "high"), pl.Float64)
        texts = dict.fromkeys(("id", "verdict", "bar", "claim"), pl.String)
        return pl.DataFrame(rows, schema={name: {**numbers, **texts}[name] for name in names})

    @property
    def outcome(self) -> str:
        """One line for people: "5 of 6 claims hold; does not hold: x; undecided: y"."""
        held = sum(claim.verdict == "holds" for claim in self.claims)
        text = f"{held} of {len(self.claims)} claims hold"
        for verdict in ("does not hold", "undecided"):
            names = [claim.id for claim in self.claims if claim.verdict == verdict]
            text += f"; {verdict}: {', '.join(names)}" if names else ""
        if self.stopped:
            text += f"; {self.repetitions} repetitions, stopped by: {self.stopped}"
        return text


def load_evidence(folder: Path) -> Evidence:
    """Read the evidence of a finished run.

    Raises:
        InputError: There is none, or the file is damaged; the message names the folder or file.
    """
    path = folder / "evidence.json"
    if not path.is_file():
        raise InputError(f"{folder} holds no evidence.json; finish the run first")
    if read_sums(folder).get(path.name, digest_of(path)) != digest_of(path):
        raise InputError(
            f"{path} is damaged: it does not fit {folder / SUMS}; delete it, and the same command "
            "makes it again"
        )
    try:
        return Evidence.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path} is damaged at {field!r}: {first['msg']}; run again") from error


def metric_of_mean(
    name: str, unit: str, values: Sequence[float], over: str = "repetitions"
) -> Metric:
    """Mean of a number over repetitions, with its 95 % Student-t interval.

    Args:
        name: Quantity that was measured.
        unit: Unit of the number.
        values: One per repetition. One value has no interval; no value is a metric that could not
            be measured.
        over: Unit of the values, in plural ("repetitions").
    """
    interval = mean_interval(values) if len(values) > 1 else None
    return Metric(
        name=name,
        value=sum(values) / len(values) if values else None,
        low=interval.low if interval else None,
        high=interval.high if interval else None,
        n=len(values),
        unit=f"{unit}, mean over {over}",
    )


def metric_of_rate(name: str, rate: Rate) -> Metric:
    """A rate with its exact 95 % interval; ``n`` is the number of trials."""
    interval = rate.interval()
    return Metric(
        name=name,
        value=rate.value,
        low=interval.low,
        high=interval.high,
        n=rate.trials,
        unit="rate",
    )


def _measured(
    value: float | None, low: float | None, high: float | None, level: float = 0.95
) -> tuple[str, str]:
    limits = "" if low is None or high is None else span(low, high, level)
    return "not measured" if value is None else number(value), limits


def mean_cells(*values: Sequence[float]) -> TableRow:
    """Cells of a table: mean, low and high of its 95 % Student-t interval, per sequence.

    One value has no interval (None, None); an empty sequence gives three times None.
    """
    cells: TableRow = []
    for each in values:
        metric = metric_of_mean("", "", each)
        cells += [metric.value, metric.low, metric.high]
    return cells
