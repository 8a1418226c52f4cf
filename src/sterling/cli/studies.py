"""`sterling list | run | verify | cite`: the studies."""

import json
import re
from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table as RichTable
from rich.text import Text

from sterling.cli._verdicts import claims_status, show_undecided
from sterling.errors import InputError
from sterling.shown import shown
from sterling.storage import versioned

if TYPE_CHECKING:
    from sterling.runs import Backend
    from sterling.study import Claim, Config, Evidence, Metric, StudyEntry, Table, UntilDecided
    from sterling.study.mlflow_log import MlflowLog

JsonFlag = Annotated[bool, typer.Option("--json", help="One JSON document on standard output.")]
PresetOption = Annotated[str, typer.Option(help="smoke, quick or paper.")]
SeedOption = Annotated[int, typer.Option(min=0, help="The same seed gives the same evidence.")]
SetOption = Annotated[
    list[str] | None, typer.Option("--set", help="key=value; outer.inner=value for nested fields.")
]
DataOption = Annotated[Path | None, typer.Option(help="Your own or the paper's data.")]
ProtocolOption = Annotated[
    str | None, typer.Option(help="Official protocol of the public data set at --data, as 4.1.")
]
BackendOption = Annotated[
    str,
    typer.Option(help="Backend of the cells: processes, inline or ray. The evidence is the same."),
]
AddressOption = Annotated[
    str | None,
    typer.Option(
        help="Address of an existing Ray cluster, as host:port; see docs/many_machines.md."
    ),
]
DeadlineOption = Annotated[
    float | None, typer.Option(help="Seconds that one cell may take on Ray.")
]

UntilDecidedFlag = Annotated[
    bool, typer.Option("--until-decided", help="Add repetitions until every claim is decided.")
]
MlflowOption = Annotated[
    str | None, typer.Option("--mlflow", help="MLflow store that receives the run, as its URI.")
]

COLOURS = {"holds": "green", "does not hold": "red", "undecided": "yellow"}


def register(app: typer.Typer) -> None:
    """Add this module's commands to the application."""
    app.command("list")(list_studies)
    app.command("run")(run)
    app.command("verify")(verify)
    app.command("cite")(cite)


def show_json(document: Mapping[str, Any]) -> None:
    """Write one JSON document, with the version of its form, on standard output."""
    typer.echo(json.dumps(versioned(document), indent=1, allow_nan=False))


def show_evidence(evidence: "Evidence") -> None:
    """Write evidence as one JSON document, in ASCII, on standard output."""
    show_json(json.loads(evidence.model_dump_json()))


def plain_console() -> Console:
    """A console that shows names as they are: ``[red]`` and ``:key:`` mean nothing in them."""
    return Console(markup=False, emoji=False)


def show_metrics(metrics: "Sequence[Metric]") -> None:
    """Write metrics on standard output, one a line."""
    for metric in metrics:
        interval = "" if metric.low is None else f" ({metric.low:.4f} … {metric.high:.4f})"
        value = "-" if metric.value is None else f"{metric.value:.4f}"
        typer.echo(f"{shown(metric.name)}: {value}{interval}, n = {metric.n}")


def show_table(table: "Table") -> None:
    """Write a table of evidence on standard output, in columns, with its caption."""
    columns = RichTable(box=None, pad_edge=False, title=shown(table.title), title_justify="left")
    for title in table.columns:
        columns.add_column(title)
    for row in table.rows:
        columns.add_row(*(_cell(cell) for cell in row))
    plain_console().print(columns)
    typer.echo(shown(table.caption))


def _cell(cell: object) -> str:
    if cell is None:
        return "-"
    return f"{cell:.4f}" if isinstance(cell, float) else shown(str(cell))


def list_studies(as_json: JsonFlag = False) -> None:
    """Every study by domain: what it tests, the paper, minutes of `quick`, extras it needs."""
    from sterling.studies import ENTRIES

    known = sorted(ENTRIES.values(), key=lambda study: study.domain)
    if as_json:
        listed = [
            {
                "name": study.name,
                "summary": study.summary,
                "paper": study.paper.title,
                "domain": study.domain,
                "presets": list(study.presets),
                "extras": list(study.extras),
                "minutes": study.minutes,
            }
            for study in known
        ]
        show_json({"studies": listed})
        return
    console = plain_console()
    for domain, studies in groupby(known, key=lambda study: study.domain):
        console.print(Text(domain, style="bold"))
        for study in studies:  # a name is to be copied, so it is never cut
            line = Text.assemble("  ", (study.name, "cyan"), f"  {study.summary}")
            console.print(line, soft_wrap=True)
            detail = "; ".join([f"      {study.paper.title}", *_needs(study)])
            console.print(Text(detail, style="dim"), soft_wrap=True)
    console.print(
        "presets: smoke takes seconds; quick as said, by recorded runs on two cores beside other "
        "work, else about 10 minutes; paper its data\n"
        "extras: pip install 'sterling[train,report]' for all, and what stands in brackets"
    )


def _needs(study: "StudyEntry") -> list[str]:
    """Presets, where they are not the usual ones, minutes and extras of a study, for people."""
    from sterling.study.entry import PRESETS

    unusual = [] if study.presets == PRESETS else [", ".join(study.presets)]
    minutes = [] if study.minutes is None else [f"quick {study.minutes} min"]
    extras = [f"[{','.join(study.extras)}]"] if study.extras else []
    return [*unusual, *minutes, *extras]


def run(
    name: Annotated[str, typer.Argument(help="The study; see `sterling list`.")],
    preset: PresetOption = "quick",
    data: DataOption = None,
    seed: SeedOption = 0,
    assignments: SetOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; an interrupted run resumes in it.")
    ] = None,
    protocol: ProtocolOption = None,
    backend: BackendOption = "processes",
    address: AddressOption = None,
    deadline: DeadlineOption = None,
    mlflow: MlflowOption = None,
    research_use: Annotated[
        bool, typer.Option("--research-use", help="Let a study attack models that it trains.")
    ] = False,
    until_decided: UntilDecidedFlag = False,
    budget: Annotated[
        str | None, typer.Option(help="With --until-decided: start none after 2h, 30m or 90s.")
    ] = None,
    max_repetitions: Annotated[
        int | None,
        typer.Option(
            min=1, help="With --until-decided: at most so many; else 100 or 4 x the start."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """Run a study and test its claims. An interrupted run resumes with the same --out.

    Status 0: every claim holds; 1: one does not hold; 4: none, but one is undecided.
    """
    _require_preset(name, preset)  # before SciPy is loaded: a wrong name is answered at once
    from sterling.scale.backends import backend_of
    from sterling.study.mlflow_log import MlflowLog

    until = limits(until_decided, budget, max_repetitions)
    folder = out or run_folder(name, preset, seed, "-until-decided" if until else "")
    switched = ["research_use=true"] if research_use else []
    official = [] if protocol is None else [f"official={json.dumps(protocol)}"]
    changes = [*official, *(assignments or []), *switched]
    where = backend_of(backend, address=address, deadline=deadline)
    log = None if mlflow is None else MlflowLog(mlflow)
    evidence = run_named(
        name, preset, data, seed, changes, folder, backend=where, until=until, log=log
    )
    if as_json:
        show_evidence(evidence)
    else:
        console = plain_console()
        console.print(claims_table(evidence.claims))
        place = shown(str(folder / "evidence.json"))
        console.print(f"{evidence.outcome}. Evidence: {place}", soft_wrap=True)
        show_undecided(evidence)
    return claims_status(evidence)


def run_folder(name: str, preset: str, seed: int, design: str = "") -> Path:
    """Return the folder of a run without --out."""
    return Path("runs") / f"{name}-{preset}-{seed}{design}"


def limits(asked: bool, budget: str | None, most: int | None) -> "UntilDecided | None":
    """Limits of a run that adds repetitions; None for a run of a fixed number."""
    if not asked:
        for option, value in (("--budget", budget), ("--max-repetitions", most)):
            if value is not None:
                raise InputError(f"{option} {value}: give --until-decided with it")
        return None
    from sterling.study import UntilDecided

    seconds = None if budget is None else read_duration(budget)
    return UntilDecided(seconds, most)


def read_duration(text: str) -> float:
    """Read hours, minutes or seconds, such as 2h, 30m or 90s, as seconds.

    Raises:
        InputError: It is none of them, or zero.
    """
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([hms])", text.strip())
    seconds = float(found[1]) * {"h": 3600, "m": 60, "s": 1}[found[2]] if found else 0.0
    if not seconds:
        raise InputError(f"--budget {text}: give more than zero hours, minutes or seconds, as 2h")
    return seconds


def verify(
    names: Annotated[list[str] | None, typer.Argument(help="Studies.")] = None,
    every: Annotated[bool, typer.Option("--all", help="Every study.")] = False,
    recorded: Annotated[
        Path | None,
        typer.Option("--evidence", help="Folder of recorded evidence: run it again, and compare."),
    ] = None,
    preset: PresetOption = "smoke",
    seed: Annotated[
        int | None, typer.Option(min=0, help="Default: 0, or the recorded evidence's seed.")
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder that gets one run folder per study.")] = Path(
        "runs"
    ),
    mlflow: MlflowOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Run studies and show their claims as one table; statuses as of `sterling run`.

    With --evidence: status 0 where every recorded interval and its new one overlap, else 1.
    """
    from sterling.studies import ENTRIES
    from sterling.study import find_study

    if recorded is not None:
        if names or every:
            raise InputError("--evidence: names the study itself; leave names and --all out")
        return _verify_recorded(recorded, seed, out, as_json=as_json)
    seed = seed or 0
    if bool(names) == every:
        raise InputError("name the studies to verify, or give --all, and not both")
    chosen = list(ENTRIES) if every else list(names or [])
    for name in chosen:
        find_study(name, ENTRIES)  # before SciPy is loaded: a wrong name is answered at once
    from sterling.study.mlflow_log import MlflowLog

    log = None if mlflow is None else MlflowLog(mlflow)
    evidences = [
        run_named(name, preset, None, seed, [], out / f"{name}-{preset}-{seed}", log=log)
        for name in chosen
    ]
    if as_json:
        show_json({"runs": [evidence.model_dump(mode="json") for evidence in evidences]})
    else:
        console = plain_console()
        for evidence in evidences:
            console.print(claims_table(evidence.claims, title=evidence.study))
            console.print(evidence.outcome)
            show_undecided(evidence)
    return claims_status(*evidences)


def _verify_recorded(folder: Path, seed: int | None, out: Path, *, as_json: bool) -> int:
    """Run the study of recorded evidence again, and say whether both agree."""
    from sterling.studies import ENTRIES, STUDIES
    from sterling.study import find_study, load_evidence, run_study
    from sterling.study.agreement import agreements
    from sterling.study.recheck import recorded_config

    evidence = load_evidence(folder)
    find_study(evidence.study, ENTRIES)
    study = STUDIES[evidence.study]
    seed = evidence.seed if seed is None else seed
    again = run_study(
        study,
        recorded_config(evidence, study),
        preset=evidence.preset,
        seed=seed,
        folder=out / f"{evidence.study}-again-{seed}",
    )
    found = agreements(evidence, again)
    if as_json:
        pairs = [
            {
                "claim": one.recorded.id,
                "recorded": one.recorded.model_dump(mode="json"),
                "again": None if one.again is None else one.again.model_dump(mode="json"),
                "agrees": one.agrees,
            }
            for one in found
        ]
        show_json({"study": evidence.study, "seed": seed, "claims": pairs})
    else:
        table = RichTable("claim", "recorded", "again", "agree", title=evidence.study)
        for one in found:
            sides = (one.recorded, one.again)
            shown_sides = ["-" if side is None else _measured(side) for side in sides]
            table.add_row(shown(one.recorded.id), *shown_sides, "yes" if one.agrees else "NO")
        plain_console().print(table)
        agreeing = sum(one.agrees for one in found)
        typer.echo(f"{agreeing} of {len(found)} claims agree with the recorded evidence")
    return 0 if all(one.agrees for one in found) else 1


def _measured(claim: "Claim") -> str:
    if claim.measured is None:
        return claim.verdict
    ends = "" if claim.low is None else f" ({claim.low:.4g} … {claim.high:.4g})"
    return f"{claim.measured:.4g}{ends}, {claim.verdict}"


def cite(name: Annotated[str, typer.Argument(help="The study.")]) -> None:
    """The paper to cite, as BibTeX."""
    from sterling.studies import ENTRIES
    from sterling.study import find_study

    typer.echo(find_study(name, ENTRIES).paper.bibtex)


def run_named(
    name: str,
    preset: str,
    data: Path | None,
    seed: int,
    assignments: list[str],
    folder: Path,
    *,
    backend: "Backend | str" = "processes",
    until: "UntilDecided | None" = None,
    log: "MlflowLog | None" = None,
) -> "Evidence":
    """Run a study by name and log it, with everything that may be wrong checked first."""
    config = configuration(name, preset, data, assignments)
    from sterling.studies import STUDIES
    from sterling.study import run_study

    evidence = run_study(
        STUDIES[name],
        config,
        preset=preset,
        seed=seed,
        folder=folder,
        backend=backend,
        until_decided=until,
    )
    if log is not None:
        log.write(evidence, folder)
    return evidence


def configuration(name: str, preset: str, data: Path | None, assignments: list[str]) -> "Config":
    """Configuration of a study: a preset with the user's data and changes.

    Raises:
        InputError: An unknown study, preset or field, or data that are not there.
    """
    _require_preset(name, preset)
    from sterling.studies import STUDIES
    from sterling.study import override

    config: Config = STUDIES[name].presets[preset]  # type: ignore[index]  # checked above
    if data is not None:
        if not data.exists():
            raise InputError(f"--data {data}: no such file or folder")
        config = config.model_copy(update={"data": data})
    return override(config, assignments)


def _require_preset(name: str, preset: str) -> None:
    from sterling.studies import ENTRIES
    from sterling.study import find_study

    known = find_study(name, ENTRIES).presets
    if preset not in known:
        raise InputError(f"preset {preset!r} unknown; use one of {', '.join(known)}")


def claims_table(claims: "list[Claim]", title: str = "") -> RichTable:
    """Claims as a table for the terminal."""
    table = RichTable("claim", "paper", "measured", "95 % interval", "verdict", title=title or None)
    for claim in claims:
        measured = "-" if claim.measured is None else f"{claim.measured:.4g}"
        interval = (
            "-"
            if claim.low is None or claim.high is None
            else f"{claim.low:.4g} … {claim.high:.4g}"
        )
        verdict = Text(claim.verdict, style=COLOURS[claim.verdict])
        table.add_row(shown(claim.claim), shown(claim.paper or "-"), measured, interval, verdict)
    return table
