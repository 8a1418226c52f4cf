"""MIAFdR: can a list of declared members be trusted, and does it name anybody?

"Membership Inference Attacks with False Discovery Rate Control", ICCV 2025. Every repetition draws
its own records, its own split and its own models. Within a repetition, calibration and test are
split again many times, so that the mean false discovery proportion is an expectation and not one
draw.
"""

import polars as pl

from sterling.errors import unknown_name
from sterling.privacy.data.records import EMBEDDED
from sterling.runs import SCORES_FILE, Coordinate, Run
from sterling.studies.privacy.mia_fdr._claims import claims
from sterling.studies.privacy.mia_fdr._config import TEXTS, MiaFdrConfig
from sterling.studies.privacy.mia_fdr._kept_scores import declared_rows, roc_rows
from sterling.studies.privacy.mia_fdr._target_audit import audit_target
from sterling.studies.privacy.mia_fdr._texts import audit_texts
from sterling.studies.privacy.mia_fdr._views import views
from sterling.studies.registry import ENTRIES
from sterling.study import Results, Study


def measure(config: MiaFdrConfig, run: Run) -> Results:
    """Attack one target per repetition with every attack, and declare members."""
    for name in set(config.records) - {"simulated", *EMBEDDED}:
        raise unknown_name("records", name, ("simulated", *EMBEDDED))
    names = config.records if config.data is None else ("folder",)
    repetitions = range(config.seeds)
    grid: list[dict[str, Coordinate]] = [
        {"data": name, "repetition": index} for name in names for index in repetitions
    ]
    rows = run.map(audit_target, grid, config, seed="mia_fdr/{data}/{repetition}")
    first = rows[0]["data"]
    texts = [{"repetition": index} for index in repetitions]
    rows += run.map(audit_texts, texts, config, seed="mia_fdr/texts/{repetition}")
    scores = pl.read_parquet(run.folder / SCORES_FILE)
    return Results.of([*rows, *roc_rows(scores, first), *declared_rows(scores, first)])


def scope(config: MiaFdrConfig) -> str:
    """Say what the figures hold for."""
    names = config.records if config.data is None else (config.data.name,)
    simulated = [name for name in names if name == "simulated" and config.data is None]
    real = sorted(set(names) - set(simulated))
    data = f"SIMULATED records: {', '.join([*simulated, TEXTS])}"
    data += f"; real records: {', '.join(real)}" * bool(real)
    return (
        f"{data}. Small targets ({config.architecture}, transformer) trained here: rates say "
        "nothing about other models."
    )


STUDY = Study(
    ENTRIES["mia_fdr"],
    presets={
        "smoke": MiaFdrConfig(
            records=("simulated",),
            size=600,
            seeds=2,
            width=32,
            shadows=6,
            epochs=8,
            resplits=10,
            stages=2,
            authors=60,
            text_steps=20,
        ),
        "quick": MiaFdrConfig(),
        "paper": MiaFdrConfig(
            size=50_000, architecture="cnn", width=64, surrogate="mlp", shadows=64
        ),
    },
    measure=measure,
    claims=claims,
    views=views,
    scope=scope,
    repetitions="seeds",
)
