"""`sterling demo`: a whole system assessed, and photographs judged."""

from pathlib import Path
from typing import Annotated

import typer

from sterling.cli._run import OutOption, evidence_folder

EXAMPLE = Path(__file__).with_name("example_system")
"""Files of the example system; `tools/build_example_system.py` makes them."""


def register(app: typer.Typer) -> None:
    """Add this module's command to the application."""
    app.command("demo")(demo)


def demo(
    photographs: Annotated[
        list[str] | None, typer.Argument(help="Photographs of faces to judge at the end.")
    ] = None,
    out: OutOption = None,
) -> None:
    """Assess an example system, whose answers are known, and judge photographs.

    Status 0 although a part of the example does not hold, as it should not.
    """
    from sterling.cli.assure import assessed, show
    from sterling.face.evaluation.prediction import predict_sources, standing
    from sterling.face.pad import load_detector

    out = evidence_folder(out, "demo")
    found = assessed(EXAMPLE / "system.yaml", out.resolve())
    show(found)
    typer.echo(
        "Truth: training on forgets in name only, retraining forgets; 150 of the 300 records in "
        "question are members; the assistant wrote 20 of the 60 letters."
    )
    if photographs:
        detector = load_detector("compact")
        typer.echo(standing(detector))
        for answer in predict_sources(detector, photographs):
            for line in answer.lines():
                typer.echo(line)
    typer.echo(f"report: {out / 'report.html'}")
    typer.echo(f"next: write your own system like {EXAMPLE / 'system.yaml'}")
    typer.echo("      sterling assure system.yaml")
