"""The studies of searched, multi-modal and flexible networks, end to end at their smallest."""

import json
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from sterling.errors import InputError
from sterling.face.pad import build_network
from sterling.measure import Scores
from sterling.studies import STUDIES
from sterling.studies.face import casia_surf
from sterling.studies.face._old_harness import Seed
from sterling.study import Evidence, run_study
from sterling.study.report import render_report

CLAIMS = {
    "cdcn_search": {"found_beats_cdcn", "found_beats_random_auc", "cdcn_pp_beats_published"},
    "cdcn_multimodal": {"feature_beats_rgb", "feature_beats_rgb_auc", "feature_beats_input"},
    "casia_surf": {"se_beats_halfway", "multi_scale_beats_rgb", "depth_beats_rgb"},
    "flexible_modal": {"modality_dropout_narrows_the_gap", "flexible_beats_separate_rgb"},
    "fm_vit": {"flexible_beats_single_rgb", "fewer_multiply_adds"},
}
SYSTEMS = {
    "cdcn_search": {"found", "random", "published", "cdcn_pp", "cdcn"},
    "cdcn_multimodal": {"feature", "score", "thumbnails"},
    "casia_surf": {"halfway", "multi_scale", "ir"},
    "flexible_modal": {"resnet, rgb", "zeros, all", "only rgb + depth"},
    "fm_vit": {"fm_vit, depth", "only ir", "resnet"},
}


@pytest.mark.smoke
@pytest.mark.parametrize("name", sorted(CLAIMS))
def test_the_whole_path_leaves_evidence_and_a_report(name: str, tmp_path: Path) -> None:
    study, folder = STUDIES[name], tmp_path / "run"
    evidence = run_study(study, study.presets["smoke"], preset="smoke", seed=2, folder=folder)
    assert evidence.scope.startswith("SIMULATED")
    assert {claim.id for claim in evidence.claims} >= CLAIMS[name]
    scores = pl.read_parquet(folder / "scores.parquet")
    assert set(scores["system"].unique()) >= SYSTEMS[name]
    assert set(scores["seed"].unique()) == {0, 1}
    Evidence.model_validate(json.loads((folder / "evidence.json").read_text()))
    render_report([folder], tmp_path / "report.html")
    assert "<svg" in (tmp_path / "report.html").read_text()


@pytest.mark.parametrize("name", ["cdcn_multimodal", "cdcn_search", "flexible_modal", "fm_vit"])
def test_own_data_is_refused_where_there_is_no_reader(name: str, tmp_path: Path) -> None:
    study = STUDIES[name]
    config = study.presets["smoke"].model_copy(update={"data": tmp_path})
    with pytest.raises(InputError, match="simulated captures only"):
        run_study(study, config, preset="smoke", seed=0, folder=tmp_path / "run")


def test_recorded_data_takes_the_place_of_simulated_captures(tmp_path: Path) -> None:
    study = STUDIES["casia_surf"]
    config = study.presets["smoke"].model_copy(update={"data": tmp_path / "nowhere"})
    with pytest.raises(InputError, match="no such folder"):
        run_study(study, config, preset="smoke", seed=0, folder=tmp_path / "run")


def test_the_found_structure_is_a_configuration_that_builds(tmp_path: Path) -> None:
    study, folder = STUDIES["cdcn_search"], tmp_path / "run"
    config = study.presets["smoke"].model_copy(update={"seeds": 1})
    evidence = run_study(study, config, preset="smoke", seed=0, folder=folder)
    description = json.loads((folder / "found.json").read_text())
    network = build_network(description)
    (table,) = (table for table in evidence.tables if table.name == "structures")
    assert table.rows[0][2:5] == [" → ".join(cell) for cell in network.arguments["structure"]]


def test_the_rates_at_small_fpr_rise_with_it_and_are_empty_where_unresolved() -> None:
    values = np.array([0.9, 0.8, 0.7, 0.2] + [0.75] + [0.1] * 119)
    labels = np.arange(124) < 4
    species = np.where(labels, "bona_fide", "print")
    scores = Scores(values, labels, group=species)
    seed = Seed(
        dev={},
        test=dict.fromkeys(casia_surf.SYSTEMS, scores),
        thresholds={},
        results={},
        seen_species=[],
        unseen_domain=labels,
    )
    (row, *_) = casia_surf._rates_table([seed, seed]).rows
    # One of 120 attacks may be accepted at 1 %: all bona fide pass; below that nothing is resolved.
    assert row[1] == 1.0
    assert row[4:] == [None] * 6
