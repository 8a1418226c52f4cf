"""`sterling face data …`: what a folder has of a public data set, and lists over several."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from sterling.cli.studies import JsonFlag, plain_console, show_json
from sterling.shown import shown

app = typer.Typer(no_args_is_help=True, help="Public data sets of presentation attacks.")


@app.command()
def check(
    folder: Annotated[Path, typer.Argument(help="Folder of the data set as it was distributed.")],
    taken_as: Annotated[
        str | None, typer.Option("--as", help="The set that it is said to be, as oulu_npu.")
    ] = None,
    open_files: Annotated[
        bool, typer.Option("--open", help="Also decode pictures and the first frame of videos.")
    ] = False,
    as_json: JsonFlag = False,
) -> int:
    """Name the data set, its missing, doubled and damaged files, and the facts not known of it.

    Exit status: 0 complete, 1 something is wrong, 2 no known data set.
    """
    from sterling.face.data import check_dataset

    account = check_dataset(folder, taken_as=taken_as, open_files=open_files)
    if as_json:
        show_json({**asdict(account), "complete": account.complete})
    else:
        _show(account)
    return 0 if account.complete else 1


@app.command()
def lists(
    folder: Annotated[Path, typer.Argument(help="Folder of the data set as it was distributed.")],
    taken_as: Annotated[str, typer.Option("--as", help="The set, as suhifimask.")],
    train: Annotated[Path, typer.Option(help="List file of split train.")],
    dev: Annotated[Path, typer.Option(help="List file of split dev.")],
    test: Annotated[Path, typer.Option(help="List file of split test.")],
    out: Annotated[Path, typer.Option(help="The manifest to write (.csv, .parquet).")],
) -> None:
    """Write the manifest of a protocol that only its list files tell, to use with --data.

    The lines are read as the set's own lists are; what they name has to be there.
    """
    from sterling.errors import unknown_name
    from sterling.face.data import DATASETS, read_lists

    if taken_as not in DATASETS:
        raise unknown_name("data set", taken_as, DATASETS)
    named = {"train": train, "dev": dev, "test": test}
    manifest = read_lists(DATASETS[taken_as], folder, named)
    manifest.write(out)
    for split in named:
        typer.echo(f"{split}: {len(manifest.where(split=split)):,} rows")


@app.command("leave-one-out")
def leave_one_out(
    run: Annotated[str, typer.Argument(help='"O&C&I to M", "M&I to C", …: sources and target.')],
    out: Annotated[Path, typer.Option(help="The manifest to write (.csv, .parquet).")],
    oulu_npu: Annotated[Path | None, typer.Option(help="Folder of O.")] = None,
    casia_mfsd: Annotated[Path | None, typer.Option(help="Folder of C.")] = None,
    replay_attack: Annotated[Path | None, typer.Option(help="Folder of I.")] = None,
    msu_mfsd: Annotated[Path | None, typer.Option(help="Folder of M.")] = None,
    without_dev: Annotated[
        bool,
        typer.Option("--benchmark", help="Leave the development videos of O and I out."),
    ] = False,
    frames: Annotated[int, typer.Option(min=1, help="Frames of each video.")] = 8,
    seed: Annotated[int, typer.Option(min=0, help="Chooses the subjects of dev.")] = 0,
) -> None:
    """Write the list of a run over O, C, I and M, to train and evaluate on with --data.

    The threshold comes from a fifth of the subjects of the sources, never from the target.
    """
    from sterling.face.data import SPLITS
    from sterling.face.data import leave_one_out as listed

    given = {"O": oulu_npu, "C": casia_mfsd, "I": replay_attack, "M": msu_mfsd}
    manifest = listed(
        {letter: folder for letter, folder in given.items() if folder is not None},
        run,
        convention="benchmark" if without_dev else "all",
        threshold_from="source",
        seed=seed,
        frames=frames,
    )
    manifest.write(out)
    for split in SPLITS:
        part = manifest.where(split=split)
        videos = len(set(part.presentation.tolist()))
        typer.echo(f"{split}: {videos:,} videos, {len(part):,} frames")
    typer.echo("threshold: from dev, a fifth of the sources' subjects (the literature: the target)")


def _show(account: Any) -> None:
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
    plain_console().print(table)
    species = ", ".join(f"{name} {number:,}" for name, number in account.species.items())
    typer.echo(shown(f"species: {species}"))
    for problem in account.problems:
        typer.echo(shown(f"{problem.kind} ({problem.number:,}): {problem.detail}"))
        for name in problem.names:
            typer.echo(f"    {shown(name)}")
    for note in account.notes:
        typer.echo(shown(f"note: {note}"))
    for gap in account.unknown:
        typer.echo(f"not known: {gap}")
    opened = "every file was opened" if account.opened else "files were not opened (--open)"
    outcome = "nothing found missing" if account.complete else "NOT COMPLETE"
    typer.echo(f"{outcome}; {opened}")
