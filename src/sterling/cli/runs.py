"""`sterling report | compare | fsck`: what runs left."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table as RichTable

from sterling.cli.studies import JsonFlag, plain_console, show_json
from sterling.errors import InputError
from sterling.shown import shown

if TYPE_CHECKING:
    import polars as pl


def register(app: typer.Typer) -> None:
    """Add this module's commands to the application."""
    app.command("report")(report)
    app.command("compare")(compare)
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


def compare(
    run_a: Annotated[Path, typer.Argument(help="A run folder.")],
    run_b: Annotated[Path, typer.Argument(help="Another.")],
    as_json: JsonFlag = False,
) -> None:
    """Differences B - A, paired by item where both runs scored the same items."""
    rows = _metric_differences(run_a, run_b) + _paired_differences(run_a, run_b)
    if as_json:
        show_json(rows)
        return
    table = RichTable("figure", "A", "B", "B - A", "95 % interval", "paired")
    for row in rows:
        interval = "-" if row["low"] is None else f"{row['low']:.4f} … {row['high']:.4f}"
        numbers = (f"{row[key]:.4f}" for key in ("a", "b", "difference"))
        table.add_row(shown(row["name"]), *numbers, interval, "yes" if row["paired"] else "no")
    plain_console().print(table)


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


def _metric_differences(run_a: Path, run_b: Path) -> list[dict[str, Any]]:
    from sterling.study import load_evidence

    first, second = (
        {metric.name: metric.value for metric in load_evidence(folder).metrics}
        for folder in (run_a, run_b)
    )
    shared = [name for name in first if first[name] is not None and second.get(name) is not None]
    if not shared:
        raise InputError(f"{run_a} and {run_b} have no figure in common; compare runs of one study")
    return [
        {
            "name": name,
            "a": first[name],
            "b": second[name],
            "difference": second[name] - first[name],  # type: ignore[operator]
            "low": None,
            "high": None,
            "paired": False,
        }
        for name in shared
    ]


def _paired_differences(run_a: Path, run_b: Path) -> list[dict[str, Any]]:
    """AUC differences of systems that scored the same test items in both runs."""
    import polars as pl

    from sterling.measure import auc, compare_paired
    from sterling.tables import read_parquet

    tables = [folder / "scores.parquet" for folder in (run_a, run_b)]
    if not all(path.is_file() for path in tables):
        return []
    first, second = (read_parquet(path).filter(pl.col("set") == "test") for path in tables)
    rows = []
    systems = sorted(set(first["system"]) & set(second["system"]))
    for system in systems:
        a, b = (
            table.filter((pl.col("system") == system) & (pl.col("seed") == 0)).sort("item")
            for table in (first, second)
        )
        if a["item"].to_list() != b["item"].to_list():
            continue
        scores_a, scores_b = _scores(a), _scores(b)
        estimate = compare_paired(scores_b, scores_a, lambda scores: auc(scores).value, seed=0)
        rows.append(
            {
                "name": f"AUC of {system}, first seed, same items",
                "a": auc(scores_a).value,
                "b": auc(scores_b).value,
                "difference": estimate.value,
                "low": estimate.interval.low,
                "high": estimate.interval.high,
                "paired": True,
            }
        )
    return rows


def _scores(table: "pl.DataFrame") -> Any:
    from sterling.measure import Scores

    return Scores(
        table["value"].to_numpy(),
        table["label"].to_numpy(),
        item=table["item"].to_list(),
        subject=table["subject"].to_list(),
        group=table["group"].to_list(),
    )
