"""`sterling gaze …`: predicted maps against fixations; indicators from EEG."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sterling.cli._run import OutOption, evidence_folder, leave_evidence
from sterling.cli.studies import JsonFlag, show_evidence, show_json, show_table
from sterling.errors import InputError, NothingMeasuredError
from sterling.shown import shown

if TYPE_CHECKING:
    from sterling.study import Findings

app = typer.Typer(no_args_is_help=True, help="Attention: saliency maps, fixations, EEG.")


@app.command()
def evaluate(
    context: typer.Context,
    maps: Annotated[Path, typer.Option(help="Folder: a picture or .npy file for each stimulus.")],
    fixations: Annotated[
        Path,
        typer.Option(
            help="CSV, Parquet (viewer, stimulus, x, y; onset, duration, profile columns) or "
            "OSIE's JSON."
        ),
    ],
    screen: Annotated[
        str | None,
        typer.Option(help="Width × height in pixels, as 800x600, where the file has no columns."),
    ] = None,
    pixels_per_degree: Annotated[
        float | None, typer.Option(help="Pixels in one degree of visual angle.")
    ] = None,
    by: Annotated[
        str | None, typer.Option(help="Profile column: also measure each group of viewers.")
    ] = None,
    stimuli: Annotated[
        Path | None, typer.Option(help="Folder with the stimuli, to show maps over them.")
    ] = None,
    out: OutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Compare predicted maps with fixations, beside how well people predict each other."""
    from sterling.cli._gaze_report import gallery, gaze_findings
    from sterling.gaze import Fixations, evaluate_maps, read_maps
    from sterling.runs import track
    from sterling.storage import write_parquet

    out = evidence_folder(out, "gaze-evaluate")
    seen = Fixations.read(
        fixations,
        screen=None if screen is None else _screen(screen),
        pixels_per_degree=pixels_per_degree,
    )
    if by is not None and by not in seen.profiles:
        raise InputError(
            f"{fixations} has no profile column {by!r}; it has {', '.join(seen.profiles) or 'none'}"
        )
    predicted = read_maps(maps, seen.stimuli)

    def measured(some: Fixations) -> Any:
        kept = {name: one for name, one in predicted.items() if name in some.stimuli}
        with track("stimuli", len(kept)) as advance:
            return evaluate_maps(kept, some, progress=advance)

    whole = measured(seen)
    named = [] if by is None else seen.frame[by].unique().sort().to_list()
    groups = {}
    for value in named:
        try:
            groups[f"{by} {value}"] = measured(seen.where(**{str(by): value}))
        except NothingMeasuredError as error:  # such as a group of one viewer
            typer.echo(f"{by} {shown(value)}: not measured: {error}", err=True)

    def find() -> "Findings":
        figure = gallery(predicted, seen, whole, stimuli, out)
        return gaze_findings(whole, seen, groups, [figure])

    evidence = leave_evidence(context, out, "gaze-evaluate", find)
    write_parquet(out / "values.parquet", whole.values)
    if as_json:
        show_evidence(evidence)
        return
    for table in evidence.tables:
        show_table(table)
    typer.echo(f"Report: {out / 'report.html'}; values by viewer: {out / 'values.parquet'}")


@app.command()
def indicators(
    recording: Annotated[Path, typer.Argument(help="EEG: EDF, BDF, EEGLAB, BrainVision, FIF.")],
    events: Annotated[
        Path, typer.Option(help="Table with the columns segment, onset and duration (seconds).")
    ],
    baseline: Annotated[
        str | None, typer.Option(help="Segment of a calm viewer; results are z-scores of it.")
    ] = None,
    frontal: Annotated[
        str, typer.Option(help="Left and right frontal electrode, comma-separated.")
    ] = "F3,F4",
    out: Annotated[Path | None, typer.Option(help="Also write the rows as .csv.")] = None,
    as_json: JsonFlag = False,
) -> None:
    """Engagement β/(α+θ) and frontal asymmetry of each segment of an EEG recording."""
    from sterling.gaze import indicators as measure
    from sterling.gaze import read_recording, read_segments
    from sterling.storage import write_atomically

    left, comma, right = frontal.partition(",")
    if not comma or not left.strip() or not right.strip():
        raise InputError(f"--frontal {frontal!r}: give two electrodes, as F3,F4")
    rows = measure(
        read_recording(recording),
        read_segments(events),
        baseline=baseline,
        frontal=(left.strip(), right.strip()),
    )
    if out is not None:
        write_atomically(out, rows.write_csv().encode())
    if as_json:
        show_json({"baseline": baseline, "segments": rows.to_dicts()})
        return
    unit = "as measured" if baseline is None else f"z-scores of {shown(baseline)!r}"
    typer.echo(f"segment\twindows\tengagement\tvalence\tasymmetry\t({unit})")
    for row in rows.iter_rows(named=True):
        numbers = "\t".join(f"{row[one]:.3f}" for one in ("engagement", "valence", "asymmetry"))
        typer.echo(f"{shown(row['segment'])}\t{row['windows']}\t{numbers}")


def _screen(text: str) -> tuple[float, float]:
    """Width and height from ``800x600``."""
    width, cross, height = text.lower().replace("×", "x").partition("x")
    if cross and width.strip().isdigit() and height.strip().isdigit():
        return float(width), float(height)
    raise InputError(f"--screen {text!r}: give width and height in pixels, as 800x600")
