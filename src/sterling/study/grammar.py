"""The grammar that every paper is written in: studies, claims, and the evidence of a run."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sterling.errors import InputError, NothingMeasuredError, unknown_name
from sterling.measure import Rate, mean_interval
from sterling.runs import Run, open_run

Preset = Literal["smoke", "quick", "paper"]
PRESETS: tuple[Preset, ...] = ("smoke", "quick", "paper")


class Config(BaseModel):
    """Base of every study's configuration: frozen, and a field nobody declared is an error.

    Attributes:
        data: Folder of the user's or the paper's own data; None takes the embedded data.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path | None = None


class _Record(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Metric(_Record):
    """One measured number.

    Attributes:
        name: What was measured, in the field's terms.
        value: The number, None when it could not be measured.
        low: Lower end of the 95 % interval, None when there is none.
        high: Upper end.
        n: How many independent units stand behind it (see ``unit``'s companion text).
        unit: Unit of ``value`` ("rate", "seconds", ...).
    """

    name: str
    value: float | None
    low: float | None = None
    high: float | None = None
    n: int
    unit: str


class Claim(_Record):
    """One sentence that a run can support or not.

    Attributes:
        id: Short stable name.
        claim: The sentence.
        paper: The paper's own figure, None where it gives none.
        measured: What this run measured.
        low: Lower end of the interval of ``measured``.
        high: Upper end.
        holds: True or False, None when the run holds too little data to tell.
        test: The rule by which ``holds`` follows from the numbers.
    """

    id: str
    claim: str
    paper: str | None = None
    measured: float | None
    low: float | None = None
    high: float | None = None
    holds: bool | None
    test: str


Row = list[str | int | float | None]


class Table(_Record):
    """A table of the evidence; every row has one cell per column."""

    name: str
    title: str
    columns: list[str]
    rows: list[Row]
    caption: str = ""


class Figure(_Record):
    """A picture as data, so that every surface can draw it.

    ``data`` by ``kind``: "det" holds ``{"scores": file, "systems": [name, ...]}``; "lines" holds
    ``{"x": [...], "series": {name: [...]}, "x_label": ..., "y_label": ...}``, a gap being
    None, and ``"log": true`` for two logarithmic axes; "bars" holds
    ``{"names": [...], "values": [...], "low": [...], "high": [...], "value_label": ...}``;
    "matrix" holds ``{"rows": [...], "columns": [...], "values": [[... or None]], "centre": ...,
    "value_label": ...}``, drawn in two colours around ``centre``;
    "gallery" holds ``{"items": [{"images": [file, ...], "text": ...}]}``. Files are relative to
    the run folder.
    """

    name: str
    title: str
    kind: Literal["det", "lines", "bars", "matrix", "gallery"]
    caption: str
    data: dict[str, Any]


class Findings(_Record):
    """What a study's function gives back: the evidence without the record of the run."""

    scope: str
    not_scored: int
    metrics: list[Metric]
    claims: list[Claim]
    tables: list[Table] = Field(default_factory=list)
    figures: list[Figure] = Field(default_factory=list)


class Evidence(Findings):
    """What a run leaves in ``evidence.json``.

    Attributes:
        scope: What the numbers are about, first of all whether the data are simulated.
        not_scored: How many items could not be scored.
        command: What to type to get it again.
    """

    study: str
    preset: str
    seed: int
    command: str
    config: dict[str, Any]
    versions: dict[str, str]
    started: str
    wall_s: float

    @property
    def outcome(self) -> str:
        """For people, as: 5 of 6 claims hold; does not hold: x; cannot tell: y."""
        held = sum(claim.holds is True for claim in self.claims)
        text = f"{held} of {len(self.claims)} claims hold"
        for verdict, words in ((False, "does not hold"), (None, "cannot tell")):
            names = [claim.id for claim in self.claims if claim.holds is verdict]
            text += f"; {words}: {', '.join(names)}" if names else ""
        return text


@dataclass(frozen=True)
class Paper:
    """A publication, enough to cite it."""

    key: str
    title: str
    authors: tuple[str, ...]
    venue: str
    year: int

    def bibtex(self) -> str:
        """A BibTeX entry; without authors where they are not known."""
        fields = {
            "title": self.title,
            "author": " and ".join(self.authors),
            "booktitle": self.venue,
            "year": str(self.year),
        }
        body = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
        return f"@inproceedings{{{self.key},\n{body}}}"


C = TypeVar("C", bound=Config)


@dataclass(frozen=True)
class Study(Generic[C]):
    """One paper as something that can be run.

    Attributes:
        name: As the field names it; the study's file has the same name.
        summary: One sentence.
        domain: The domain room it belongs to.
        paper: What it reproduces.
        presets: A configuration for each of "smoke", "quick", "paper".
        measure: From a configuration and a run (folder, seed, stages) to findings.
    """

    name: str
    summary: str
    domain: str
    paper: Paper
    presets: Mapping[Preset, C]
    measure: Callable[[C, Run], Findings]


def metric_over_seeds(name: str, unit: str, values: Sequence[float], over: str = "seeds") -> Metric:
    """The mean of a figure over several seeds, with its Student-t interval.

    ``n`` is the number of seeds, or of what else `over` names in plural. One value has no interval;
    none at all is a metric that could not be measured.
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
    """A rate with its exact interval; ``n`` is the number of trials."""
    interval = rate.interval()
    return Metric(
        name=name,
        value=rate.value,
        low=interval.low,
        high=interval.high,
        n=rate.trials,
        unit="rate",
    )


def row_over_seeds(*values: Sequence[float]) -> Row:
    """Cells of a table: mean over seeds, low and high of its Student-t interval, per sequence.

    One value has no interval (None, None); an empty sequence gives three times None.
    """
    cells: Row = []
    for each in values:
        metric = metric_over_seeds("", "", each)
        cells += [metric.value, metric.low, metric.high]
    return cells


def find_study(name: str, studies: Mapping[str, Study[Any]]) -> Study[Any]:
    """The study of that name, or an error with the nearest names."""
    if name not in studies:
        raise unknown_name("study", name, studies)
    return studies[name]


def override(config: C, assignments: Sequence[str]) -> C:
    """A configuration with some fields set from ``key=value`` texts.

    Args:
        config: Where every other field comes from.
        assignments: ``key=value``; ``outer.inner=value`` for a nested field. The value is read as
            JSON, or else taken as text.

    Raises:
        InputError: A text without "=", an unknown field, or a value that does not fit; the message
            names the field.
    """
    values = config.model_dump()
    for assignment in assignments:
        key, separator, text = assignment.partition("=")
        if not separator:
            raise InputError(f"--set {assignment}: write it as key=value")
        *outer, last = key.split(".")
        target: Any = values
        for part in outer:
            target = target.get(part) if isinstance(target, dict) else None
        if not isinstance(target, dict) or last not in target:
            raise unknown_name("configuration field", key, _leaves(values))
        try:
            target[last] = json.loads(text)
        except json.JSONDecodeError:
            target[last] = text
    try:
        return type(config).model_validate(values)
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"--set {field}: {first['msg']} (got {first['input']!r})") from error


def _leaves(values: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, f"{prefix}{name}.")
        else:
            yield prefix + name


def run_study(study: Study[C], config: C, *, preset: str, seed: int, folder: Path) -> Evidence:
    """Run a study in a folder, or go on with it there, and leave ``evidence.json``.

    Raises:
        InputError: The folder cannot take this run.
        NothingMeasuredError: The study measured nothing.
    """
    recorded = config.model_dump(mode="json")
    identity = {"study": study.name, "preset": preset, "seed": seed, "config": recorded}
    with open_run(folder, identity=identity, seed=seed) as run:
        if (folder / "evidence.json").exists():
            return load_evidence(folder)
        findings = study.measure(config, run)
        if all(metric.value is None for metric in findings.metrics):
            raise NothingMeasuredError(f"study {study.name!r} could not score a single item")
        evidence = Evidence(
            **dict(findings),
            study=study.name,
            preset=preset,
            seed=seed,
            command=f"sterling run {study.name} --preset {preset} --seed {seed}",
            config=recorded,
            versions=dict(run.versions),
            started=run.started,
            wall_s=round(run.elapsed(), 3),
        )
        run.finish(evidence.model_dump_json(indent=1))
    return evidence


def load_evidence(folder: Path) -> Evidence:
    """Read the evidence of a finished run.

    Raises:
        InputError: There is none, or the file is damaged; the message names the folder or file.
    """
    path = folder / "evidence.json"
    if not path.is_file():
        raise InputError(f"{folder} holds no evidence.json; finish the run first")
    try:
        return Evidence.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{path} is damaged at {field!r}: {first['msg']}; run again") from error
