"""`sterling plan …`: how many repetitions or presentations would decide."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column
from rich.table import Table as RichTable

from sterling.cli.studies import JsonFlag, plain_console, run_folder, show_json
from sterling.errors import InputError

if TYPE_CHECKING:
    from sterling.measure.sample_size import SubjectPlan

app = typer.Typer(
    no_args_is_help=True, help="Numbers of repetitions or presentations that would decide."
)


@app.command()
def study(
    name: Annotated[str, typer.Argument(help="The study; see `sterling list`.")],
    folder: Annotated[
        Path | None, typer.Option("--run", help="Finished run; default: runs/NAME-quick-0.")
    ] = None,
    as_json: JsonFlag = False,
) -> None:
    """Project the number of repetitions that undecided claims of a finished run would need."""
    from sterling.studies import ENTRIES, STUDIES
    from sterling.study import find_study, load_evidence, planning

    find_study(name, ENTRIES)
    planned, place = STUDIES[name], folder or run_folder(name, "quick", 0)
    evidence = load_evidence(place)
    if evidence.study != name:
        raise InputError(f"--run {place}: holds a run of {evidence.study}, not of {name}")
    if planned.repetitions is None:
        raise InputError(f"no plan for study {name!r}: {planned.not_sequential}")
    projections = planning.plan(evidence, int(evidence.config[planned.repetitions]))
    if as_json:
        show_json({"note": planning.NOTE, "claims": [asdict(each) for each in projections]})
        return
    if not projections:
        typer.echo("every claim is decided")
        return
    designs = ("fixed", "until decided")
    heads = [f"{design} ({power:g})" for design in designs for power in planning.POWERS]
    table = RichTable(Column("claim", no_wrap=True, overflow="fold"), "towards", "so far", *heads)
    for each in projections:
        counts = [*each.fixed, *each.sequential]
        numbers = ["beyond any run" if count is None else str(count) for count in counts]
        table.add_row(each.claim, each.towards, str(each.repetitions), *numbers)
    plain_console().print(table)
    for each in projections:
        if each.note:
            typer.echo(f"{each.claim}: {each.note}")
    typer.echo(planning.NOTE)


@app.command()
def pad(
    bpcer: Annotated[
        float | None, typer.Option(help="Largest BPCER to show, such as 0.05.")
    ] = None,
    apcer: Annotated[
        float | None, typer.Option(help="Largest APCER to show for every species, such as 0.01.")
    ] = None,
    species: Annotated[int, typer.Option(min=1, help="Number of attack instrument species.")] = 1,
    confidence: Annotated[float, typer.Option(help="Confidence of each bound.")] = 0.95,
    subjects: Annotated[
        int | None, typer.Option(min=1, help="Subjects that you have: is it enough?")
    ] = None,
    presentations: Annotated[
        int, typer.Option(min=1, help="Presentations of each subject, for each species.")
    ] = 1,
    icc: Annotated[
        float | None,
        typer.Option(
            min=0, max=1, help="Correlation of errors within a subject; without it the worst case."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """Numbers of subjects and presentations that a bound on BPCER and APCER takes.

    Exact for independent presentations (Clopper-Pearson, one-sided), and for subjects of whose
    presentations nothing is assumed, or a correlation. A bound on the APCER of every species needs
    no correction for their number. Status 1: so few subjects cannot show a bound.
    """
    from sterling.measure.sample_size import plan_subjects

    bounds = {"BPCER": bpcer, "APCER": apcer}
    plans = {
        name: plan_subjects(bound, confidence, presentations=presentations, icc=icc)
        for name, bound in bounds.items()
        if bound is not None
    }
    if not plans:
        raise InputError("give --bpcer, --apcer or both, such as --bpcer 0.05")
    refusals = [] if subjects is None else _refusals(plans, subjects)
    if as_json:
        shown = {name: [asdict(each) for each in rows] for name, rows in plans.items()}
        show_json({"confidence": confidence, "plans": shown, "refused": refusals})
        return 1 if refusals else 0
    table = RichTable(
        *("bound", "errors allowed", "independent presentations", "subjects"),
        "likely to be shown if the true rate is",
    )
    for name, rows in plans.items():
        for each in rows:
            table.add_row(
                f"{name} <= {each.bound:g}",
                str(each.errors),
                str(each.trials),
                str(each.subjects),
                f"<= {each.true_rate:.2%}",
            )
    plain_console().print(table)
    kinds = {"BPCER": 1, "APCER": species}
    least = sum(kinds[name] * rows[0].subjects * presentations for name, rows in plans.items())
    each_species = f", the APCER's of each of {species} species apart" if "APCER" in plans else ""
    typer.echo(f"at least {least:,} presentations in all{each_species}")
    typer.echo(_assumption(presentations, icc, confidence))
    for line in refusals:
        typer.echo(line)
    return 1 if refusals else 0


def _refusals(plans: "dict[str, list[SubjectPlan]]", subjects: int) -> list[str]:
    return [
        f"cannot be promised: {name} <= {first.bound:g} by {subjects} subjects, who bound it at "
        f"{first.best_bound(subjects):.1%} at best, without an error; {first.subjects} are needed"
        for name, (first, *_) in plans.items()
        if subjects < first.subjects
    ]


def _assumption(presentations: int, icc: float | None, confidence: float) -> str:
    held = f"each bound holds with {confidence:.0%} confidence"
    if icc is None:
        return (
            f"{held}, whatever the presentations of a subject have in common: subjects count, more "
            "presentations of the same ones do not, and a subject with any error is an error"
        )
    effect = 1 + (presentations - 1) * icc
    return (
        f"{held} if errors within a subject correlate by at most {icc:g}: {presentations} "
        f"presentations of a subject count as {presentations / effect:.2g} (approximate)"
    )
