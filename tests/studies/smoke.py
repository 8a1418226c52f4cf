"""Run the smallest preset of a study, in one process."""

from pathlib import Path

from sterling.studies import STUDIES
from sterling.study import Evidence, override, run_study


def run_smoke(name: str, folder: Path, *assignments: str, seed: int = 0) -> Evidence:
    """The evidence of a run in `folder`, with some fields of the preset set as by ``--set``."""
    study = STUDIES[name]
    config = override(study.presets["smoke"], assignments)
    return run_study(
        study, config, preset="smoke", seed=seed, folder=folder / "run", backend="inline"
    )
