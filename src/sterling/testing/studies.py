"""Contract of studies."""

import json
from pathlib import Path
from typing import Any

from sterling.errors import InputError
from sterling.study import PRESETS, Config, Evidence, Study, run_study
from sterling.study.lock import LOCKED_CLAIMS, Lock
from sterling.study.recheck import recheck

TIMED = "seconds"  # how the names of stages begin that hold measured times


def check_study(
    study: Study[Any], folder: Path, *, seed: int = 0, resume_on: str = "processes"
) -> Evidence:
    """Check a study: presets, paper, a smoke run with evidence, and resuming to the same evidence.

    The first run computes its cells in this process, the resumed one on another backend. Stages
    named "seconds..." hold measured times, which no second run repeats, and are not lost.

    Args:
        study: The study.
        folder: A new or empty folder for its run.
        seed: Seed of the run.
        resume_on: Backend of the resumed run.

    Returns:
        The evidence of the smoke run.

    Raises:
        AssertionError: A preset or the paper is missing, data are taken in spite of ``no_data``,
            claims or metrics are absent or named twice, claims depart from what was locked before
            the run or do not follow from the frame, or a run that resumes after losing stages ends
            with other evidence.
    """
    absent = [name for name in PRESETS if not isinstance(study.presets.get(name), Config)]
    if absent:
        raise AssertionError(f"study {study.name!r} lacks the preset(s) {', '.join(absent)}")
    if study.entry.presets != tuple(study.presets):
        raise AssertionError(f"study {study.name!r} has other presets than its entry lists")
    try:
        _ = study.paper
    except InputError as error:
        raise AssertionError(f"study {study.name!r}: {error}") from error
    smoke = study.presets["smoke"]
    counted = study.repetitions
    if counted is not None and not isinstance(getattr(smoke, counted, None), int):
        raise AssertionError(f"study {study.name!r} has no number of repetitions {counted!r}")
    if study.no_data is not None:
        _refuses_data(study, folder)
    first = run_study(study, smoke, preset="smoke", seed=seed, folder=folder, backend="inline")
    for kind, names in (
        ("claims", [claim.id for claim in first.claims]),
        ("metrics", [metric.name for metric in first.metrics]),
        ("tables", [table.name for table in first.tables]),
        ("figures", [figure.name for figure in first.figures]),
    ):
        if len(set(names)) < len(names):
            raise AssertionError(f"study {study.name!r} has {kind} of one name: {sorted(names)}")
    if not first.claims or not first.metrics:
        raise AssertionError(f"study {study.name!r} leaves no claims or no metrics")
    if not first.scope:
        raise AssertionError(f"study {study.name!r} does not say what its figures are about")
    for table in first.tables:
        if any(len(row) != len(table.columns) for row in table.rows):
            raise AssertionError(f"table {table.name!r} has a row that does not fit its columns")
    stated = Lock.model_validate_json((folder / LOCKED_CLAIMS).read_bytes())
    if departures := stated.differences(first):
        raise AssertionError(f"study {study.name!r} departs from its lock: {'; '.join(departures)}")
    others = [claim.id for claim in recheck(folder, first, study) if not claim.agrees]
    if others:
        raise AssertionError(f"study {study.name!r}: claims {others} do not follow from its frame")
    (folder / "evidence.json").unlink()
    # The piece of work that was written last is a cell, those before it are parts of that cell.
    stages = sorted((folder / "stages").glob("*.json"), key=lambda path: path.stat().st_mtime_ns)
    for lost in [each for each in stages if not each.name.startswith(TIMED)][-2:]:
        lost.unlink()
    again = run_study(study, smoke, preset="smoke", seed=seed, folder=folder, backend=resume_on)
    volatile = {"wall_s"}
    if _plain(first, volatile) != _plain(again, volatile):
        raise AssertionError(f"study {study.name!r} resumes to other evidence")
    return first


def _refuses_data(study: Study[Any], folder: Path) -> None:
    config = study.presets["smoke"].model_copy(update={"data": folder})
    try:
        run_study(study, config, preset="smoke", seed=0, folder=folder)
    except InputError:
        return
    raise AssertionError(f"study {study.name!r} takes data, though it says: {study.no_data}")


def _plain(evidence: Evidence, without: set[str]) -> Any:
    return json.loads(evidence.model_dump_json(exclude=without))
