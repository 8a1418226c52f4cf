"""`sterling compare`: what changed from one run to another, and whether it is worse."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table as RichTable

from sterling.cli.studies import JsonFlag, plain_console, show_json
from sterling.shown import shown

if TYPE_CHECKING:
    from sterling.study.comparison import Difference

NAMED = 3  # items of one run alone that are named


def register(app: typer.Typer) -> None:
    """Add this module's command to the application."""
    app.command("compare")(compare)


def compare(
    run_a: Annotated[Path, typer.Argument(help="A run folder.")],
    run_b: Annotated[Path, typer.Argument(help="Another.")],
    fail_on_worse: Annotated[
        bool, typer.Option("--fail-on-worse", help="Status 1 if a figure of B is worse.")
    ] = False,
    as_json: JsonFlag = False,
) -> int:
    """Differences B - A, paired by item and clustered by subject where both scored the same.

    Figures whose better direction is not known are shown and never worse.
    """
    from sterling.study.comparison import NOTE, compare_runs, comparison_document

    rows, only = compare_runs(run_a, run_b)
    if as_json:
        show_json(comparison_document(rows, only))
    else:
        _show(rows)
        for system, items in only.items():
            for run, own in zip("AB", items, strict=True):
                if own:
                    more = ", ..." if len(own) > NAMED else ""
                    names = ", ".join(map(repr, own[:NAMED]))
                    typer.echo(
                        shown(f"only in {run}: {len(own)} items of {system} ({names}{more})")
                    )
        typer.echo(NOTE)
    return int(fail_on_worse and any(row.verdict == "worse" for row in rows))


def _show(rows: "list[Difference]") -> None:
    table = RichTable("figure", "A", "B", "B - A", "95 % interval", "p", "paired", "B is")
    for row in rows:
        interval = "-" if row.low is None else f"{row.low:.4f} … {row.high:.4f}"
        p = "-" if row.p_value is None else f"{row.p_value:.2g}"
        numbers = (f"{value:.4f}" for value in (row.a, row.b, row.difference))
        paired = "yes" if row.paired else "no"
        table.add_row(shown(row.name), *numbers, interval, p, paired, row.verdict)
    plain_console().print(table)
