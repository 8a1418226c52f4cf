"""Studies: a paper as something that can be run, and its run."""

import json
import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from pydantic import BaseModel, ConfigDict, ValidationError

from sterling.errors import InputError, NothingMeasuredError, unknown_name
from sterling.plugins import named_modules
from sterling.runs import Backend, Run, open_run
from sterling.scale.backends import backend_of
from sterling.storage import fingerprint_of, write_parquet
from sterling.study.entry import Paper, Preset, StudyEntry
from sterling.study.evidence import Claim, Evidence, Figure, Findings, Metric, Table, load_evidence
from sterling.study.lock import lock
from sterling.study.results import Results
from sterling.study.until_decided import UntilDecided, add_until_decided, check_sequential


class Config(BaseModel):
    """Base of every study's configuration: frozen, and an unknown field is an error.

    Attributes:
        data: Folder of the user's or the paper's own data; None takes the embedded data.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    data: Path | None = None


@dataclass(frozen=True)
class Views:
    """Metrics, tables and figures for people, derived from the results of a run.

    Attributes:
        metrics: Headline numbers.
        tables: Tables.
        figures: Figures.
    """

    metrics: Sequence[Metric]
    tables: Sequence[Table] = field(default_factory=tuple)
    figures: Sequence[Figure] = field(default_factory=tuple)


C = TypeVar("C", bound=Config)


@dataclass(frozen=True)
class Study(Generic[C]):
    """One paper as claims that can be run.

    Attributes:
        entry: Name, summary and paper, as the registry of studies shows them.
        presets: A configuration for each of "smoke", "quick", "paper".
        measure: Runs the study's cells and returns what they measured.
        claims: The paper's claims, from the results.
        views: Metrics, tables and figures, from the results.
        scope: Scope of the numbers; "SIMULATED" comes first where the data are.
        no_data: Why the study cannot take data from `Config.data`; None when it can.
        repetitions: Configuration field that counts its repetitions, for runs that add some until
            claims are decided. No repetition may depend on how many there are. None where there is
            no such field.
        not_sequential: Why `repetitions` is None.
    """

    entry: StudyEntry
    presets: Mapping[Preset, C]
    measure: Callable[[C, Run], Results]
    claims: Callable[[Results, C], list[Claim]]
    views: Callable[[Results, C], Views]
    scope: Callable[[C], str]
    no_data: str | None = None
    repetitions: str | None = None
    not_sequential: str = "it names no field that counts its repetitions"

    @property
    def name(self) -> str:
        """Name of the study."""
        return self.entry.name

    @property
    def paper(self) -> Paper:
        """The publication that it reproduces."""
        return self.entry.paper


def override(config: C, assignments: Sequence[str]) -> C:
    """A configuration with some fields set from ``key=value`` texts.

    Args:
        config: Configuration that every other field comes from.
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


def run_study(
    study: Study[C],
    config: C,
    *,
    preset: str,
    seed: int,
    folder: Path,
    backend: Backend | str = "processes",
    until_decided: UntilDecided | None = None,
) -> Evidence:
    """Run a study in a folder, or resume it there, and leave ``evidence.json``.

    Its claims, bars and stopping rule are locked in ``claims.lock.json`` before anything is
    measured.

    Args:
        study: The study.
        config: Its configuration.
        preset: Name of the preset that the configuration comes from.
        seed: Seed of the run.
        folder: Run folder; also receives ``results.parquet``.
        backend: Backend that runs the cells: "processes", "inline", "ray", or a
            `sterling.runs.Backend`. The evidence is the same.
        until_decided: Add repetitions, a quarter more at a time, until the confidence sequence of
            every claim that has one is decided. A run that its budget or its largest number ended
            resumes when started again with more. None runs as many as the configuration says.

    Raises:
        InputError: The folder cannot take this run, the study takes no data or has no sequential
            form, or an input is wrong.
        CellsFailedError: Part of the run failed.
        NothingMeasuredError: The study measured nothing.
    """
    cells = backend_of(backend) if isinstance(backend, str) else backend
    if config.data is not None and study.no_data is not None:
        raise InputError(f"--data {config.data}: {study.no_data}")
    recorded = config.model_dump(mode="json")
    identity = {"study": study.name, "preset": preset, "seed": seed, "config": recorded}
    if config.data is not None:
        identity["data"] = fingerprint_of(config.data)
    if until_decided is not None:
        check_sequential(study, config, until_decided)
        identity["design"] = "sequential"
    with open_run(folder, identity=identity, seed=seed, backend=cells) as run:
        if (folder / "evidence.json").exists():
            known = load_evidence(folder)
            if known.stopped in (None, "decided"):
                return known
        lock(study, config, preset=preset, seed=seed, until_decided=until_decided).write(folder)
        command = f"sterling run {study.name} --preset {preset} --seed {seed}"
        command += _changes(config, study.presets.get(cast("Preset", preset)))
        command += "".join(f" --plugin {module}" for module in named_modules())
        record: dict[str, Any] = {}
        if until_decided is None:
            results = study.measure(config, run)
            findings = _findings(study, results, config)
        else:
            results, findings, record = add_until_decided(
                study, config, run, until_decided, partial(_findings, study)
            )
            # The number stands for the budget, so that a machine of any speed repeats the figures.
            command += f" --until-decided --max-repetitions {record['repetitions']}"
            recorded[str(study.repetitions)] = record["repetitions"]
        write_parquet(folder / "results.parquet", results.frame)
        if all(metric.value is None for metric in findings.metrics):
            raise NothingMeasuredError(f"study {study.name!r} could not score a single item")
        return finish_run(
            run,
            findings,
            study=study.name,
            preset=preset,
            command=command,
            config=recorded,
            **record,
        )


def _changes(config: C, preset: C | None) -> str:
    """Options of the command line that make a configuration of a preset."""
    options = "" if config.data is None else f" --data {shlex.quote(str(config.data))}"
    if preset is None:
        return options
    before = preset.model_dump(mode="json")
    for name, value in config.model_dump(mode="json").items():
        if name != "data" and value != before[name]:
            options += f" --set {shlex.quote(f'{name}={json.dumps(value)}')}"
    return options


def finish_run(
    run: Run,
    findings: Findings,
    *,
    study: str,
    command: str,
    config: Mapping[str, Any],
    preset: str = "own data",
    **record: Any,
) -> Evidence:
    """Write ``evidence.json``, the last file of a run.

    Args:
        run: The run.
        findings: Findings of the run.
        study: Name of the study, or of the command.
        command: Command that repeats it.
        config: Its configuration.
        preset: Name of the preset.
        record: Further fields of `Evidence`.
    """
    evidence = Evidence(
        **dict(findings),
        study=study,
        preset=preset,
        seed=run.seed,
        command=command,
        config=dict(config),
        versions=dict(run.versions),
        started=run.started,
        wall_s=round(run.elapsed(), 3),
        **record,
    )
    run.finish(evidence.model_dump_json(indent=1))
    return evidence


def _findings(study: Study[C], results: Results, config: C) -> Findings:
    views = study.views(results, config)
    return Findings(
        scope=study.scope(config),
        not_scored=results.not_scored,
        metrics=list(views.metrics),
        claims=study.claims(results, config),
        tables=list(views.tables),
        figures=list(views.figures),
    )
