"""Entries of the challenge: systems, rules, and the leaderboard of the first repetition."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit

from sterling.errors import InputError, unknown_name
from sterling.face.challenge.challenge import (
    Judgement,
    Rule,
    accepting,
    clamped,
    judge,
    probed,
    write_submission,
)
from sterling.face.challenge.leaderboard import Trained, start_board, submit
from sterling.face.data import Faces, Manifest
from sterling.face.pad.detector.weights import digest
from sterling.runs import Cell, Row, Run, derive_seed, open_run
from sterling.studies.face._harness.measuring import divided, read_recorded, simulated_faces
from sterling.studies.face._harness.repetition import Repetition, rows_of
from sterling.studies.face._harness.study import scope_of
from sterling.studies.face._harness.training import compare
from sterling.studies.face.hifimask_challenge._systems import (
    CORRUPTION,
    FIRST,
    KINDS,
    NAME,
    SYSTEMS,
    UNBOUNDED,
    UNSEEN,
    HifimaskChallengeConfig,
    systems,
)
from sterling.study import Results, row

HONEST, BLIND, PROBED = "dev", "dev, clamped blind", "dev, best of eleven clamped"
HELD, BOUNDED = "held out", "bounded"
HELD_CLAMPED = f"{HELD}, clamped"
RULES = (HONEST, BLIND, PROBED, HELD, BOUNDED)
PROBES = tuple(np.linspace(0.6, 1.4, 11).round(2).tolist())  # of the share of bona fides in test


@dataclass(frozen=True, eq=False)
class Entries:
    """The scores of all systems in one repetition, and the lists that they are scored by.

    Attributes:
        lists: Dev and test.
        values: Scores of the lists' rows, by system.
        training: SHA-256 of the training pictures.
    """

    lists: Manifest
    values: dict[str, NDArray[np.float64]]
    training: str


def measure(config: HifimaskChallengeConfig, run: Run) -> Results:
    """Train and test every entry in every repetition, and score all by every rule."""
    recorded, missed = None, 0
    if config.data is not None:
        recorded, missed = read_recorded(config, config.data, ("rgb",))
    grid = [{"repetition": index} for index in range(config.seeds)]
    rows = run.map(_repetition, grid, config, recorded, seed=NAME + "/{repetition}")
    return Results.of(rows, not_scored=missed)


def _repetition(
    config: HifimaskChallengeConfig, recorded: Faces | None, cell: Cell
) -> Iterator[Row]:
    run, index = cell.run, cell.repetition
    faces = _faces(config, recorded, run, index)
    repetition = compare(config, run, cell, systems(config), faces)
    cell.keep_scores(repetition.score_table(index))
    columns = run.stage(f"lists-{index}", lambda: _lists(faces()).table.to_dict(as_series=False))
    entries = Entries(
        Manifest.from_columns(columns, f"lists of repetition {index}"),
        {
            name: _submitted(name, [*result["dev"], *result["test"]])
            for name, result in repetition.results.items()
        },
        run.stage(f"training-{index}", lambda: _training_digest(faces())),
    )
    if index == 0:
        _write_board(config, run, entries)
    yield from rows_of(repetition, kinds=KINDS)
    for system in SYSTEMS:
        for rule, judgement in _judgements(config, run, index, entries, system).items():
            errors = judgement.errors
            yield row("acer", errors.acer, system=system, rule=rule)
            yield row("worst apcer", errors.apcer_max.value, system=system, rule=rule)
            yield row("bpcer", errors.bpcer.value, system=system, rule=rule)
        yield from _material_rows(repetition, system)


def _material_rows(repetition: Repetition, system: str) -> Iterator[Row]:
    presented = repetition.test[system].negative_groups
    for species in presented:
        seen = "seen" if species in repetition.seen_species else "unseen"
        area = repetition.auc(system, [species])
        yield row("auc", area, system=system, material=species.replace("_", " "), seen=seen)
    trained = [name for name in presented if name != UNSEEN]
    for seen, names in (("seen", trained), ("unseen", [UNSEEN])):
        yield row("auc of materials", repetition.auc(system, names), system=system, seen=seen)


def _faces(
    config: HifimaskChallengeConfig, recorded: Faces | None, run: Run, index: int
) -> Callable[[], Faces]:
    if recorded is not None:
        return lambda: divided(recorded, index)
    return cache(partial(simulated_faces, config, run, index))


def _lists(faces: Faces) -> Manifest:
    """The rows of dev, then those of test."""
    rows = [np.flatnonzero(faces.manifest.matches(split=split)) for split in ("dev", "test")]
    return faces.manifest.select(np.concatenate(rows))


def _training_digest(faces: Faces) -> str:
    return digest(faces.split("train").images)


def _submitted(system: str, scores: Sequence[float]) -> NDArray[np.float64]:
    """Scores from 0 to 1, as submissions have them; what is no probability goes through σ."""
    values = np.array(scores)
    squashed: NDArray[np.float64] = expit(values) if system in UNBOUNDED else values
    return squashed


def _rules(config: HifimaskChallengeConfig, run: Run, index: int) -> dict[str, Rule]:
    """The three rules; they score the same captures."""
    shared: dict[str, Any] = {
        "share": config.share,
        "seed": derive_seed(run.seed, NAME, "held back", index),
        "bpcer": config.bpcer,
    }
    return {
        HONEST: Rule(threshold="dev", **shared),
        HELD: Rule(threshold="held_back", **shared),
        BOUNDED: Rule(threshold="bounded", **shared),
    }


def _judgements(
    config: HifimaskChallengeConfig, run: Run, index: int, entries: Entries, system: str
) -> dict[str, Judgement]:
    rules, values, lists = _rules(config, run, index), entries.values[system], entries.lists
    # The share of bona fides in the challenge's test is published; nothing else of the labels is.
    known = float(lists.where(split="test").bona_fide.mean())
    blind = clamped(values, lists, accepting(values, lists, known))
    return {
        **{name: judge(values, lists, rule) for name, rule in rules.items()},
        BLIND: judge(blind, lists, rules[HONEST]),
        PROBED: probed(values, lists, rules[HONEST], [known * times for times in PROBES]),
        HELD_CLAMPED: judge(blind, lists, rules[HELD]),
    }


def _write_board(config: HifimaskChallengeConfig, run: Run, one: Entries) -> None:
    """The first seed's leaderboard, its lists and its files of scores, in the run's folder."""
    path, lists = run.folder / "leaderboard.json", run.folder / "lists.csv"
    path.unlink(missing_ok=True)  # of an attempt that was interrupted between here and the evidence
    one.lists.write(lists)
    start_board(
        path,
        lists,
        _rules(config, run, 0)[HELD],
        title="3D high-fidelity masks, open set",
        scope=scope_of(config),
    )
    for system in SYSTEMS:
        file = run.folder / "scores" / f"{system.replace(', ', '-').replace(' ', '_')}.txt"
        write_submission(file, one.lists, one.values[system])
        submit(
            path,
            file,
            name=system,
            command=f"sterling face challenge verify {path.name} --rerun",
            recipe={
                "study": NAME,
                "config": config.model_dump(mode="json"),
                "seed": run.seed,
                "system": system,
            },
            seed=derive_seed(run.seed, NAME, 0) % 2**31,
            training_sha256=one.training,
        )


def rerun(recipe: Mapping[str, Any], folder: Path) -> Trained:
    """Simulate, train and score the first repetition of a leaderboard's entry again.

    Args:
        recipe: Recipe of the study's leaderboard.
        folder: New folder for the run's files.

    Raises:
        InputError: The recipe is none of this study's.
    """
    try:
        config = HifimaskChallengeConfig.model_validate(recipe["config"])
        system, seed = str(recipe["system"]), int(recipe["seed"])
    except (KeyError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise InputError(f"recipe: not one of the study {NAME} ({reason})") from error
    if system not in SYSTEMS:
        raise unknown_name("system", system, SYSTEMS)
    trained = CORRUPTION if system == FIRST else system
    with open_run(folder, identity={"recipe": dict(recipe)}, seed=seed) as run:
        recorded = None if config.data is None else read_recorded(config, config.data, ("rgb",))[0]
        faces = _faces(config, recorded, run, 0)
        cell = Cell(run, "rerun", {"repetition": 0}, derive_seed(run.seed, NAME, 0) % 2**31)
        found = compare(config, run, cell, {trained: systems(config)[trained]}, faces)
        scores = found.results[system]
        values = _submitted(system, [*scores["dev"], *scores["test"]])
        return Trained(_lists(faces()), values, _training_digest(faces()))
