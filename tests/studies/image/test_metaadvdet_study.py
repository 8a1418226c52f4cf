from itertools import product

import numpy as np
import pytest
import torch

from sterling.image import AttackedImages
from sterling.studies import STUDIES
from sterling.studies.image.metaadvdet._detection import (
    CONDITIONS,
    FINE_TUNED,
    GIVEN_AWAY,
    META,
    PLAIN,
    RANDOM,
    WHITE_BOX,
    _figures,
)
from sterling.studies.image.metaadvdet.study import claims
from sterling.study import Results, row

pytest.importorskip("foolbox", reason="pip install 'sterling[attacks]'")
STUDY = STUDIES["metaadvdet"]
LEVELS = {META: 0.7, FINE_TUNED: 0.5, RANDOM: 0.4, PLAIN: 0.9}


def test_claims_are_means_over_shots_of_paired_differences() -> None:
    rows = [
        {
            "repetition": repetition,
            **row(metric, level + added, condition=condition, system=system, shots=shots),
        }
        for repetition, (shots, added), condition, (system, level), metric in product(
            (0, 1), ((1, 0.0), (5, 0.1)), CONDITIONS, LEVELS.items(), ("mean F1", "AUROC")
        )
        # A white box that fooled nothing in the second repetition has no figures there.
        if (repetition, condition) != (1, WHITE_BOX)
    ]
    rows += [
        {"repetition": repetition, **row(GIVEN_AWAY, 0.2 + repetition, shots=1)}
        for repetition in (0, 1)
    ]
    results = Results.of(rows)
    measured = {claim.id: claim.measured for claim in claims(results, STUDY.presets["quick"])}
    assert measured["meta_beats_fine_tuning_1"] == pytest.approx(0.2)
    assert measured["meta_beats_random_start"] == pytest.approx(0.3)
    assert measured["meta_beats_three_features"] == pytest.approx(-0.2)
    assert measured["more_shots_help"] == pytest.approx(0.1)
    assert measured["classes_give_away"] == pytest.approx(0.7)
    assert measured["white_box_above_chance"] == pytest.approx(0.7)
    alone = {claim.id: claim for claim in claims(results, STUDY.presets["smoke"])}
    assert alone["more_shots_help"].measured is None  # it has one number of shots


def test_attacks_that_fooled_too_few_leave_no_figures() -> None:
    few = AttackedImages(
        torch.zeros(3, 1, 22, 22),
        np.zeros(3, dtype=np.int64),
        {"pgd": torch.zeros(1, 1, 22, 22)},
        {"pgd": np.array([0])},
    )
    assert _figures(STUDY.presets["smoke"], few, "paper", 1, 0, {}) == ({}, {})
