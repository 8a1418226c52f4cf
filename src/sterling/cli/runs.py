"""`sterling report | fsck`: what runs left."""

from pathlib import Path
from typing import Annotated

import typer

from sterling.cli.studies import JsonFlag, show_json
from sterling.shown import shown


def register(app: typer.Typer) -> None:
    """Add this module's commands to the application."""
    app.command("report")(report)
    app.command("fsck")(fsck)


def report(
    folders: Annotated[list[Path], typer.Argument(help="Run folders.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The page to write.")] = Path(
        "report.html"
    ),
) -> None:
    """One self-contained HTML page from finished runs."""
    from sterling.study.report import render_report

    render_report(folders, out)
    typer.echo(out)


def fsck(
    folder: Annotated[Path, typer.Argument(help="A run folder.")], as_json: JsonFlag = False
) -> int:
    """Check the files of a run against their digests; status 3 if one is damaged or missing."""
    from sterling.runs import damaged_files

    found = damaged_files(folder)
    if as_json:
        show_json({"run": str(folder), "damaged": found})
    else:
        for name in found:
            typer.echo(shown(f"damaged or missing: {folder / name}"))
        remedy = "start again with the same --out: what is damaged is computed again"
        typer.echo(f"{folder}: {remedy if found else 'every file is as it was written'}")
    return 3 if found else 0
