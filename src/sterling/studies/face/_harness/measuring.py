"""The harness of face studies: captures, repetitions and settings, collected in one frame."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial
from pathlib import Path
from typing import Any, TypeVar

from sterling.face.capture import KINDS, Scale
from sterling.face.capture.store import simulate_stored
from sterling.face.data import CropSpec, Faces, Modality, load_clips, load_faces, split_by_subject
from sterling.face.data.source import read_source
from sterling.runs import Cell, Row, Run, derive_seed
from sterling.studies.face._harness.config import CaptureConfig, FaceConfig
from sterling.studies.face._harness.repetition import Repetition, rows_of
from sterling.studies.face._harness.systems import ALL_MODALITIES, Setting, Settings
from sterling.studies.face._harness.training import compare
from sterling.study import Results

C = TypeVar("C", bound=FaceConfig)


@dataclass(frozen=True)
class Compared:
    """All settings of one repetition.

    Attributes:
        config: The configuration.
        cell: The repetition.
        by_setting: Scores by name of the setting.
        faces: Gives the captures of the first setting.
    """

    config: Any
    cell: Cell
    by_setting: Mapping[str, Repetition]
    faces: Callable[[], Faces]


Extra = Callable[[Compared], Iterable[Row]]
"""Further rows from all settings of a repetition; a function of a module."""


def measure_faces(
    settings: Callable[[C], Settings],
    config: C,
    run: Run,
    *,
    study: str,
    modalities: Sequence[Modality] = ("rgb",),
    kinds: Mapping[str, Sequence[str]] = KINDS,
    extra: Extra | None = None,
) -> Results:
    """Train and test every system of every setting in every repetition.

    Args:
        settings: From the configuration to the systems of each setting; a function of a module.
        config: Captures and training.
        run: The run.
        study: Name that seeds are derived from.
        modalities: Modalities that the study needs of recorded data.
        kinds: Species by kind of instrument.
        extra: Further rows.

    Raises:
        InputError: The recorded data lack a modality, clips or a class.
    """
    recorded, missed = None, 0
    if config.data is not None:
        recorded, missed = read_recorded(config, config.data, modalities)
    rows = run.map(
        partial(_repetition, settings, extra, kinds),
        [{"repetition": index} for index in range(config.seeds)],
        config,
        recorded,
        seed=study + "/{repetition}",
    )
    return Results.of(rows, not_scored=missed)


def read_recorded(
    config: CaptureConfig, data: Path, modalities: Sequence[Modality]
) -> tuple[Faces, int]:
    """Read the faces at ``--data``, and count the presentations without a crop."""
    manifest = read_source(data, config.official, clips=config.frames > 1)
    spec = CropSpec(size=config.size)
    if config.frames > 1:
        loaded = load_clips(
            manifest, spec, frames=config.frames, modalities=modalities, cropped=config.cropped
        )
    else:
        loaded = load_faces(manifest, spec, modalities=modalities, cropped=config.cropped)
    return loaded.faces, len(loaded.non_responses)


def _repetition(
    settings: Callable[[C], Settings],
    extra: Extra | None,
    kinds: Mapping[str, Sequence[str]],
    config: C,
    recorded: Faces | None,
    cell: Cell,
) -> list[Row]:
    @cache
    def captured(protocol: str) -> Faces:
        if recorded is not None:
            return divided(recorded, cell.repetition)
        changed = config.model_copy(update={"protocol": protocol})
        return simulated_faces(changed, cell.run, cell.repetition)

    def faces(setting: Setting) -> Faces:
        found = captured(setting.captures or config.protocol)
        return found if setting.changed is None else setting.changed(found)

    rows: list[Row] = []
    by_setting: dict[str, Repetition] = {}
    chosen = {
        setting: systems
        for setting, systems in settings(config).items()
        if recorded is None or setting.captures is None
    }
    for number, (setting, systems) in enumerate(chosen.items()):
        # Files of the first setting lie in the run folder, those of others in one of its name.
        folder = cell.run.folder / setting.key if number else cell.run.folder
        repetition = compare(
            config, replace(cell.run, folder=folder), cell, systems, partial(faces, setting)
        )
        if number == 0:
            cell.keep_scores(repetition.score_table(cell.repetition))
        by_setting[setting.name] = repetition
        found = rows_of(repetition, setting.species, kinds)
        rows += [{"setting": setting.name or None, **each} for each in found]
    if extra is not None:
        first = partial(faces, next(iter(chosen)))
        rows += extra(Compared(config, cell, by_setting, first))
    return rows


def divided(faces: Faces, repetition: int) -> Faces:
    """Recorded faces, divided by subject anew for each repetition where they are not divided."""
    if faces.manifest.matches(split=("train", "dev")).any():
        return faces
    return replace(faces, manifest=split_by_subject(faces.manifest, seed=repetition))


def simulated_faces(config: CaptureConfig, run: Run, index: int) -> Faces:
    """Simulated captures of one repetition in all three modalities.

    They depend on the run's seed, the repetition and the configuration alone, so that all studies
    of one seed share them, and render them once.
    """
    captures = simulate_stored(
        config.protocol,
        seed=derive_seed(run.seed, "captures", index),
        size=config.size,
        frames=config.frames,
        rate=config.rate,
        scale=Scale(config.subjects, config.captures),
    )
    return captures.faces(ALL_MODALITIES)
