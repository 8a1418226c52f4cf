"""Crops or clips that a network takes of a manifest, with progress on standard error."""

from typing import Annotated, Any

import typer

PatternOption = Annotated[
    str | None, typer.Option(help="Regular expression on the path, with a group named 'subject'.")
]


def crops_of(manifest: Any, network: Any, preprocessing: Any, limits: Any = None) -> Any:
    """Read the input of a network from a manifest: crops of its modalities, or clips."""
    from sterling.face.data import load_clips, load_faces
    from sterling.runs import track

    cropped = preprocessing.crop_scale is None
    with track("reading faces" if cropped else "finding faces", len(manifest)) as advance:

        def step(_done: int, _total: int) -> None:
            advance()

        if network.frames > 1:
            return load_clips(
                manifest,
                preprocessing.crop_spec(),
                frames=network.frames,
                modalities=network.modalities,
                cropped=cropped,
                limits=limits,
                progress=step,
            )
        return load_faces(
            manifest,
            preprocessing.crop_specs(),
            modalities=network.modalities,
            cropped=cropped,
            limits=limits,
            progress=step,
        )


def judged_crops(manifest: Any, detector: Any) -> Any:
    """Read the crops that a detector judges: within its limits, and familiar to its reference."""
    from sterling.face.evaluation.evaluate import familiar

    loaded = crops_of(manifest, detector.model, detector.preprocessing, detector.limits)
    return familiar(detector, loaded)
