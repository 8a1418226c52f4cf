"""`sterling face attack`: attacks made of the user's own bona fide photographs."""

from pathlib import Path
from typing import Annotated

import typer

from sterling.cli._crops import PatternOption


def attack(
    photographs: Annotated[
        Path,
        typer.Argument(
            help="Folder with live/, or a manifest; only bona fide rows are used, videos as clips."
        ),
    ],
    out: Annotated[Path, typer.Option(help="New folder that receives crops and attacks.")],
    species: Annotated[
        str,
        typer.Option(
            help="Instruments, comma-separated: print, photograph, cut_print, paper_mask, phone, "
            "tablet, monitor, television."
        ),
    ] = "print,phone,tablet,monitor",
    subject_pattern: PatternOption = None,
    size: Annotated[int, typer.Option(min=32, help="Side of the written crops in pixels.")] = 256,
    crop_scale: Annotated[
        float, typer.Option(min=1.1, help="Side of the crops over that of the face.")
    ] = 2.7,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Simulate prints and replays of your own bona fide photographs and clips, to train on."""
    from sterling.face.data.source import read_source
    from sterling.face.evaluation.attack import make_attacks
    from sterling.face.evaluation.evaluate import count_reasons
    from sterling.runs import track
    from sterling.shown import shown

    manifest = read_source(photographs, subject_pattern=subject_pattern, clips=True)
    live_rows = manifest.select(manifest.bona_fide)
    photos, videos = live_rows.where(video=""), set(live_rows.column("video")) - {""}
    names = [name.strip() for name in species.split(",")]
    steps = len(photos) + 2 * len(videos) + len(names)
    with track("faces, then instruments", steps) as advance:
        made = make_attacks(
            manifest, names, out, size=size, crop_scale=crop_scale, seed=seed, progress=advance
        )
    # A clip counts once.
    live = len(set(made.manifest.presentation[made.manifest.bona_fide]))
    attacks = len(set(made.manifest.presentation)) - live
    typer.echo(f"{out}: {live} bona fide captures, {attacks} SIMULATED attacks")
    typer.echo(f"not used: {count_reasons(made.non_responses)}")
    for missing in made.non_responses:
        if missing.reason == "unreadable":
            typer.echo(shown(missing.detail), err=True)
    typer.echo(
        f"next: sterling face train --data {out / 'manifest.csv'} --out detector --model compact "
        f"--size 96 --crop-scale {crop_scale:g} --border shift"
    )
