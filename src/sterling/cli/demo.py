"""`sterling demo`: the main job from captures to a judged photograph."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sterling.cli.studies import run_named

if TYPE_CHECKING:
    from sterling.study import Evidence


def register(app: typer.Typer) -> None:
    """Add this module's command to the application."""
    app.command("demo")(demo)


def demo(
    photographs: Annotated[list[str], typer.Argument(help="Real photographs to judge at the end.")],
    preset: Annotated[str, typer.Option(help="smoke or quick.")] = "quick",
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: Annotated[Path | None, typer.Option(help="Run folder.")] = None,
) -> None:
    """Simulate captures, train, test the claims, report, export, and judge photographs."""
    from sterling.face.evaluation.prediction import predict_sources
    from sterling.face.pad import Detector, export_onnx
    from sterling.study.report import render_report

    folder = out or Path("runs") / f"demo-{preset}"
    evidence = run_named("cdcn", preset, None, seed, [], folder)
    render_report([folder], folder / "report.html")
    detector = Detector.from_pretrained(folder / "detector")
    exported = export_onnx(detector, folder / "detector.onnx")
    typer.echo(
        f"exported {exported.path}, largest score difference to PyTorch "
        f"{exported.max_difference:.1e}"
    )
    for answer in predict_sources(detector, photographs, boxes=folder / "photographs"):
        for line in answer.lines():
            typer.echo(line)
    for line in closing(evidence, folder):
        typer.echo(line)


def closing(evidence: "Evidence", folder: Path) -> list[str]:
    """Say what was found, and recommend only what it supports.

    The demo's detector saw minutes of simulated captures: no finding of the demo is about
    photographs, so that it is recommended for none.
    """
    return [
        f"claims: {evidence.outcome}",
        f"report: {folder / 'report.html'}",
        "The demo's detector was trained for minutes on SIMULATED captures: its answers above are "
        "a trial, and it is not fit for use on photographs.",
        "next:   sterling face predict YOUR_PHOTO.jpg (the detector of the package, not calibrated "
        "on your camera)",
        "        sterling face train --data YOUR_CAPTURES --out detector (one of your own)",
    ]
