"""A comparison of detectors whose scores are known, so that every figure can be worked out."""

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.face.capture import Scale, simulate
from sterling.face.pad import CDCN
from sterling.face.pad.networks.cdcn_multimodal import CDCNMultimodal
from sterling.measure import Rate
from sterling.runs import Cell, open_run
from sterling.studies.face._harness.config import FaceConfig
from sterling.studies.face._harness.measuring import simulated_faces
from sterling.studies.face._harness.repetition import Repetition, kinds_of, rows_of
from sterling.studies.face._harness.systems import (
    BASELINE,
    THUMBNAILS,
    Fusion,
    Setting,
    System,
    Systems,
)
from sterling.studies.face._harness.training import compare
from sterling.studies.face._harness.views import kinds_table, settings_table, species_table
from sterling.study import Results

ITEMS = {
    split: {
        "item": [f"{split}{i}" for i in range(8)],
        "subject": [f"{split}-s{i % 4}" for i in range(8)],
        "species": ["bona_fide"] * 4 + ["print", "print", "mask_resin", "mask_resin"],
    }
    for split in ("dev", "test")
}
DEV = [0.9, 0.8, 0.7, 0.6, 0.1, 0.1, 0.2, 0.2]


def repetition(**test: list[float]) -> Repetition:
    results: dict[str, dict[str, Any]] = {
        name: {"dev": DEV, "test": scores} for name, scores in test.items()
    }
    unseen = [True, True, False, False, True, True, False, False]
    items = {**ITEMS, "seen_species": ["bona_fide", "print"], "unseen_domain": unseen}
    return Repetition.of(results, items, source="made by hand")


def results_of(*repetitions: Repetition) -> Results:
    return Results.of(
        {"repetition": index, **each}
        for index, one in enumerate(repetitions)
        for each in rows_of(one)
    )


GOOD = [0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.9]  # one resin mask of two is accepted
BAD = [0.9, 0.9, 0.1, 0.1] * 2  # two live rejected, all prints accepted


def test_error_rates_are_those_of_the_worst_species_at_the_development_threshold() -> None:
    found = repetition(good=GOOD, bad=BAD)
    assert found.acer("good") == pytest.approx((0.5 + 0.0) / 2)
    assert found.acer("bad") == pytest.approx((1.0 + 0.5) / 2)
    assert found.acer("good", unseen_domain=True) == 0.0
    assert found.auc("good", ["print"]) == 1.0
    assert found.auc("good", ["mask_resin"]) == pytest.approx((4 + 4 * 0.5) / 8)
    assert found.auc("good", ["replay"]) is None


def test_rows_hold_what_was_measured_and_claims_pair_them() -> None:
    results = results_of(repetition(good=GOOD, bad=BAD), repetition(good=BAD, bad=BAD))
    acer = results.series("acer")
    assert acer["bad"] == pytest.approx([0.75, 0.75])
    assert acer.gain("bad", than="good") == pytest.approx([0.5, 0.0])
    gains = results.series("auc").gain("good", than="bad")
    assert gains[0] > 0
    assert gains[1] == 0
    assert results.series("acer", subset="unseen domain")["good"] == pytest.approx([0.0, 0.5])
    assert results.values("auc", system="good", kind="masks")[0] == pytest.approx(0.75)


def test_tables_pool_repetitions_and_put_the_worst_species_first() -> None:
    results = results_of(repetition(good=GOOD), repetition(good=BAD))
    assert results.rate("bpcer", system="good") == Rate(2, 8)
    assert [row[:4] for row in species_table(results, "good").rows] == [
        ["print (worst)", "seen", 2, 4],
        ["mask resin", "unseen", 1, 4],
    ]
    kinds = [row[:2] for row in kinds_table(results, ["good"]).rows]
    assert kinds == [["flat", "good"], ["masks", "good"]]


def test_species_of_no_kind_are_kinds_of_their_own() -> None:
    kinds = kinds_of(["print", "balloon"])
    assert list(kinds) == ["flat", "balloon"]
    assert kinds["balloon"] == ("balloon",)


def test_a_class_missing_in_a_subset_gives_no_figure() -> None:
    only_live = replace(repetition(good=GOOD), unseen_domain=np.arange(8) < 2)
    assert only_live.acer("good", unseen_domain=True) is None
    assert results_of(only_live).series("acer", subset="unseen domain")["good"] == []


def test_settings_stand_in_one_table_with_their_gains() -> None:
    rows = [
        {"repetition": index, "setting": setting, **each}
        for setting in ("one", "two")
        for index, better in enumerate((GOOD, BAD))
        for each in rows_of(repetition(a=better, b=BAD))
    ]
    table = settings_table(Results.of(rows), "a", "b", title="", caption="")
    assert [row[0] for row in table.rows] == ["one", "two"]
    gain = table.columns.index("gain in AUC")
    good, bad = (repetition(a=scores).auc("a") for scores in (GOOD, BAD))
    assert good is not None
    assert bad is not None
    assert table.rows[0][gain] == pytest.approx((good - bad) / 2)


CONFIG = FaceConfig(
    subjects=(3, 2, 3), captures=(16, 8, 12), size=32, seeds=1, epochs=1, protocol="smoke"
)


def test_a_system_sees_its_own_modalities_and_each_scenario_the_same_weights(
    tmp_path: Any,
) -> None:
    systems: Systems = {
        "two": System(
            lambda start: CDCNMultimodal(2, modalities=("depth", "ir"), seed=start),
            scenarios={"depth": ("depth",), "both": ("depth", "ir")},
        ),
        "prepared": System(
            lambda start, width: CDCN(width, seed=start),
            prepare=lambda faces, cell: 2 + cell.repetition + 0 * len(faces),
        ),
        "fused": Fusion(("two", BASELINE)),
        BASELINE: THUMBNAILS,
    }
    with open_run(tmp_path / "run", identity={}, seed=0) as run:
        cell = Cell(run, "", {"repetition": 0}, 5)
        faces = partial(simulated_faces, CONFIG, run, 0)
        found = compare(CONFIG, run, cell, systems, faces)
    assert set(found.test) == {"two", "two, depth", "two, both", "prepared", BASELINE, "fused"}
    np.testing.assert_array_equal(found.test["two"].values, found.test["two, both"].values)
    assert (found.test["two"].values != found.test["two, depth"].values).any()
    assert found.results["prepared"]["prepared"] == 2
    both = [(found.dev[name], found.test[name]) for name in ("two", BASELINE)]
    expected = [(test.values - dev.values.mean()) / dev.values.std() for dev, test in both]
    np.testing.assert_allclose(found.test["fused"].values, np.mean(expected, axis=0))


def test_the_name_of_a_setting_is_part_of_a_claims_id() -> None:
    assert Setting("surveillance, without resin").key == "surveillance_without_resin"


def test_faces_come_apart_by_modality_and_frame() -> None:
    captures = simulate("smoke", size=32, frames=2, scale=Scale((1, 1, 1), (2, 2, 2)))
    faces = captures.faces(("rgb", "ir", "depth"))
    turned = faces.only(("depth", "rgb"))
    assert (turned.images[:, :, 1:] == captures.rgb).all()
    first = turned.first_frame()
    assert (first.images[:, 1:] == captures.rgb[:, 0]).all()
    assert first.depth is not None
    assert (first.depth == captures.true_depth[:, 0]).all()
    with pytest.raises(InputError, match="no modality 'ir'"):
        turned.only(["ir"])
