"""The study of a comparison of face detectors, from its systems and claims."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import TypeVar

from sterling.face.capture import KINDS
from sterling.face.data import Modality
from sterling.studies.face._harness.config import CaptureConfig, FaceConfig
from sterling.studies.face._harness.measuring import Extra, measure_faces
from sterling.studies.face._harness.systems import Setting, Settings, System, Systems
from sterling.studies.face._harness.views import face_views
from sterling.study import Claim, Preset, Results, Study, StudyEntry, Views

SIMULATED = "SIMULATED captures: these error rates say nothing about real cameras and attacks."


C = TypeVar("C", bound=FaceConfig)


def face_study(
    entry: StudyEntry,
    *,
    presets: Mapping[Preset, C],
    claims: Callable[[Results, C], list[Claim]],
    caption: str | Callable[[C], str],
    systems: Callable[[C], Systems] | None = None,
    settings: Callable[[C], Settings] | None = None,
    shown: Sequence[str] | None = None,
    modalities: Sequence[Modality] = ("rgb",),
    kinds: Mapping[str, Sequence[str]] = KINDS,
    extra: Extra | None = None,
    views: Callable[[Results, C], Views] | None = None,
    no_data: str | None = None,
) -> Study[C]:
    """Make a study that compares detectors of faces.

    Args:
        entry: The study in the registry; seeds are derived from its name.
        presets: Configurations.
        claims: The paper's claims, from the results.
        caption: Description of each system.
        systems: Systems of the only setting, by name; a function of a module.
        settings: Instead of `systems`: the systems of several settings. The first one is shown.
        shown: Systems to show, the main one first; None for all in their order.
        modalities: Modalities that the study needs of recorded data.
        kinds: Species by kind of instrument.
        extra: Further rows from all settings of a repetition; a function of a module.
        views: The study's own views, shown before the common ones.
        no_data: Why the study takes no recorded data; None when it does.

    Examples:
        See ``sterling/studies/face/cdcn.py``.
    """
    if settings is None:
        assert systems is not None
        settings = partial(_only_setting, systems)
    chosen = settings

    def common(results: Results, config: C) -> Views:
        trained = next(iter(chosen(config).values()))
        own = views(results, config) if views else Views([])
        found = face_views(
            main_setting(results),
            shown or results.names("system"),
            caption=caption if isinstance(caption, str) else caption(config),
            trained=[key for key, system in trained.items() if isinstance(system, System)],
            kinds=kinds,
            gallery=any(isinstance(each, System) and each.gallery for each in trained.values()),
        )
        return Views(
            [*found.metrics, *own.metrics],
            [*own.tables, *found.tables],
            [*own.figures, *found.figures],
        )

    return Study(
        entry,
        presets=presets,
        measure=partial(
            measure_faces,
            settings,
            study=entry.name,
            modalities=modalities,
            kinds=kinds,
            extra=extra,
        ),
        claims=partial(_measured, claims),
        views=common,
        scope=scope_of,
        no_data=no_data,
        repetitions="seeds",
    )


def _measured(
    claims: Callable[[Results, C], list[Claim]], results: Results, config: C
) -> list[Claim]:
    """Claims; of recorded data those that they can tell something about."""
    found = claims(results, config)
    if config.data is None:
        return found
    return [claim for claim in found if claim.measured is not None]


def _only_setting(systems: Callable[[C], Systems], config: C) -> Settings:
    return {Setting(): systems(config)}


def scope_of(config: CaptureConfig) -> str:
    """Return the scope of a face study's numbers."""
    if config.data is None:
        return SIMULATED
    return f"Presentations at {config.data}, and no others; repetitions differ in the weights."


def main_setting(results: Results) -> Results:
    """Results of the first setting."""
    names = results.names("setting")
    return results.select(setting=names[0]) if names else results
