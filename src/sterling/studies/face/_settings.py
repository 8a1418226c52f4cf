"""One comparison in several settings: other captures, or the same ones used otherwise."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache, partial

import numpy as np

from sterling.face.data import Faces
from sterling.runs import Run
from sterling.studies.face._old_harness import (
    Arm,
    ComparisonConfig,
    Scorer,
    Seed,
    acers,
    auc_gains,
    aucs,
    compare,
    simulated_faces,
)
from sterling.study import Row, Table, row_over_seeds


@dataclass(frozen=True)
class Setting:
    """Which captures train, choose and test.

    Attributes:
        name: Short, for tables and claims.
        captures: Protocol of the simulated captures; None for that of the configuration.
        changed: What becomes of the captures before training; None for nothing.
        species: Attacks whose AUC decides; None for all.
    """

    name: str
    captures: str | None = None
    changed: Callable[[Faces], Faces] | None = None
    species: tuple[str, ...] | None = None

    @property
    def key(self) -> str:
        """The name as part of a claim's id."""
        return self.name.replace(", ", "_").replace(" ", "_")


def leave_out(species: str, faces: Faces) -> Faces:
    """Training and development without one attack species, the test with that one alone."""
    manifest = faces.manifest
    of_species = manifest.matches(species=species)
    test = manifest.matches(split="test")
    return faces.select(np.where(test, of_species | manifest.bona_fide, ~of_species))


def compare_settings(
    study: str,
    config: ComparisonConfig,
    run: Run,
    index: int,
    settings: Mapping[Setting, Mapping[str, Arm]],
    *,
    scorers: Mapping[str, Scorer] | None = None,
    recorded: Callable[[], Faces] | None = None,
) -> dict[str, Seed]:
    """One seed of each setting, by name; settings of one protocol share its captures.

    Args:
        study: Name that the seeds are derived from.
        config: Captures and training.
        run: Run folder. The first setting's files lie in it, each other's in a folder of its name.
        index: Which repetition.
        settings: The arms of each setting.
        scorers: Hand-made systems of every setting, by name.
        recorded: Gives faces that take the place of simulated ones.
    """

    @cache
    def captured(protocol: str) -> Faces:
        if recorded is not None:
            return recorded()
        changed = config.model_copy(update={"protocol": protocol})
        return simulated_faces(study, changed, run, index)

    def faces(setting: Setting) -> Faces:
        found = captured(setting.captures or config.protocol)
        return found if setting.changed is None else setting.changed(found)

    seeds = {}
    for number, (setting, arms) in enumerate(settings.items()):
        folder = run.folder / setting.key if number else run.folder
        seeds[setting.name] = compare(
            study,
            config,
            replace(run, folder=folder),
            index,
            arms,
            scorers=scorers,
            recorded=partial(faces, setting),
        )
    return seeds


def settings_table(
    settings: Sequence[Setting],
    seeds: Mapping[str, Sequence[Seed]],
    better: str,
    worse: str,
    *,
    title: str,
    caption: str,
) -> Table:
    """AUC and ACER of two systems in each setting, and the gain in AUC."""
    rows: list[Row] = []
    for setting in settings:
        own = seeds[setting.name]
        areas = [aucs(own, arm, setting.species) for arm in (better, worse)]
        gains = auc_gains(own, better, worse, setting.species)
        errors = [row_over_seeds(acers(own, arm))[0] for arm in (better, worse)]
        rows.append([setting.name, *row_over_seeds(*areas, gains), *errors])
    return Table(
        name="settings",
        title=title,
        columns=[
            "setting",
            *(f"{arm}: {what}" for arm in (better, worse) for what in ("AUC", "low", "high")),
            *("gain in AUC", "low", "high"),
            *(f"{arm}: ACER" for arm in (better, worse)),
        ],
        rows=rows,
        caption=f"Means over seeds with 95 % Student-t intervals. {caption}",
    )
