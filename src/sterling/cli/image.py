"""`sterling image …`: enrol logos and find them in photographs."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from sterling.cli.studies import JsonFlag, show_json
from sterling.errors import InputError, NothingMeasuredError
from sterling.shown import shown

if TYPE_CHECKING:
    from sterling.image.logos import Sight

app = typer.Typer(no_args_is_help=True, help="Pictures: your own logos, found in photographs.")


@app.command()
def enroll(
    logos: Annotated[
        Path, typer.Argument(help="Folder: a picture or SVG file per brand, or a folder per brand.")
    ],
    out: Annotated[Path, typer.Option(help="Folder of the gallery.")],
    fpir: Annotated[
        float, typer.Option(help="Share of boxes with another brand that may be named.")
    ] = 0.01,
    as_json: JsonFlag = False,
) -> None:
    """Learn logos from one example each; files are named after their brands."""
    from sterling.image.logos import enroll as enrolled
    from sterling.image.logos import load_models

    gallery = enrolled(logos, load_models(), fpir=fpir)
    gallery.save(out)
    threshold = gallery.threshold
    if as_json:
        show_json(
            {
                "gallery": str(out),
                "brands": sorted(set(gallery.names)),
                "examples": len(gallery.names),
                "threshold": {
                    "value": threshold.value,
                    "rule": threshold.rule,
                    "source": threshold.source,
                    "n": threshold.n,
                    "resolved": threshold.resolved,
                },
            }
        )
        return
    brands = len(set(gallery.names))
    typer.echo(f"{brands} brands, {len(gallery.names)} examples: {out}")
    typer.echo(f"Named from a similarity of {threshold.value:.3f} on: {threshold.rule},")
    typer.echo(f"chosen on {threshold.source}.")


@app.command()
def identify(
    photographs: Annotated[list[Path], typer.Argument(help="Photographs, or folders of them.")],
    gallery: Annotated[Path, typer.Option(help="Folder that `enroll` wrote.")],
    least: Annotated[
        float, typer.Option(help="Smallest score of a box, 0 to 1: lower finds more.")
    ] = 0.3,
    as_json: JsonFlag = False,
) -> None:
    """Find logos in photographs and name them, or say unknown."""
    from sterling.checks import check_numbers
    from sterling.image.logos import LogoGallery, load_models
    from sterling.image.logos import identify as identified

    check_numbers(at_least=0, at_most=1, least=least)
    models = load_models()
    known = LogoGallery.load(gallery, models)
    found = identified(known, _files(photographs), models, least=least)
    refused = {path: str(one) for path, one in found.items() if isinstance(one, InputError)}
    seen = {path: one for path, one in found.items() if not isinstance(one, InputError)}
    if as_json:
        show_json(
            {
                "threshold": known.threshold.value,
                "rule": known.threshold.rule,
                "source": known.threshold.source,
                "photographs": [
                    {"photograph": str(path), "logos": [_row(one) for one in sights]}
                    for path, sights in seen.items()
                ],
                "not_read": list(refused.values()),
            }
        )
    else:
        typer.echo("photograph\tbox (left, top, right, bottom)\tbrand\tsimilarity\tbox score")
        for path, sights in seen.items():
            for one in sights:
                typer.echo(_line(one))
            if not sights:
                typer.echo(f"{shown(str(path))}\tno logo found")
        typer.echo(
            f"Unknown below a similarity of {known.threshold.value:.3f}: {known.threshold.rule}, "
            f"chosen on {known.threshold.source}."
        )
    for message in refused.values():
        typer.echo(shown(message), err=True)
    if not seen:
        raise NothingMeasuredError("no photograph could be read")


def _row(sight: "Sight") -> dict[str, object]:
    return {name: value for name, value in asdict(sight).items() if name != "photograph"}


def _line(sight: "Sight") -> str:
    box = ", ".join(f"{one:.0f}" for one in sight.box)
    name = f"unknown (nearest: {shown(sight.nearest)})" if sight.name is None else shown(sight.name)
    numbers = f"{sight.similarity:.3f}\t{sight.score:.2f}"
    return f"{shown(str(sight.photograph))}\t{box}\t{name}\t{numbers}"


def _files(given: list[Path]) -> list[Path]:
    """Photographs themselves and those in folders."""
    from sterling.files import is_hidden
    from sterling.pictures import SUFFIXES

    files: list[Path] = []
    for path in given:
        if not path.is_dir():
            files.append(path)
            continue
        inside = [
            one
            for one in sorted(path.rglob("*"))
            if one.suffix.lower() in SUFFIXES and not is_hidden(one.relative_to(path))
        ]
        if not inside:
            raise InputError(f"{path}: no picture (.jpg, .png, ...) in it; give another folder")
        files += inside
    return files
