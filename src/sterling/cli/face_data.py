"""`sterling face data …`: which public data set a folder holds, and what of it is missing."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from sterling.cli.studies import JsonFlag, show_json

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Public data sets of presentation attacks.")


@app.callback()
def _group() -> None:
    """Public data sets of presentation attacks."""


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of the data set as it was distributed.")],
    open_files: Annotated[
        bool, typer.Option("--open", help="Also decode pictures and the first frame of videos.")
    ] = False,
    as_json: JsonFlag = False,
) -> int:
    """Which data set it is, what is missing, doubled or damaged, and what is not known of it.

    Exit status: 0 complete, 1 something is wrong, 2 no known data set.
    """
    from sterling.face.data import check_dataset

    account = check_dataset(folder, open_files=open_files)
    if as_json:
        show_json({**asdict(account), "complete": account.complete})
    else:
        _show(account)
    return 0 if account.complete else 1


def _show(account: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    typer.echo(f"{account.title}: {account.why}")
    cells: dict[str, dict[str, str]] = {}
    for count in account.counts:
        row = {"bona_fide": "bona fide", "attack": "attacks"}.get(count.kind, count.of)
        published = "?" if count.published is None else f"{count.published:,}"
        cells.setdefault(row, {})[count.split] = f"{count.found:,}/{published}"
    table = Table(box=None, pad_edge=False)
    table.add_column("found/published", no_wrap=True)
    for title in ("train", "dev", "test", "all"):
        table.add_column(title, justify="right", no_wrap=True)
    for row, by_split in cells.items():
        table.add_row(row, *(by_split.get(split, "") for split in ("train", "dev", "test", "")))
    Console().print(table)
    species = ", ".join(f"{name} {number:,}" for name, number in account.species.items())
    typer.echo(f"species: {species}")
    for problem in account.problems:
        typer.echo(f"{problem.kind} ({problem.number:,}): {problem.detail}")
        for name in problem.names:
            typer.echo(f"    {name}")
    for note in account.notes:
        typer.echo(f"note: {note}")
    for gap in account.unknown:
        typer.echo(f"not known: {gap}")
    opened = "every file was opened" if account.opened else "files were not opened (--open)"
    outcome = "nothing found missing" if account.complete else "NOT COMPLETE"
    typer.echo(f"{outcome}; {opened}")
