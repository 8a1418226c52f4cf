"""A comparison of detectors whose scores are known, so that every figure can be worked out."""

from typing import Any

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.face.capture import Scale, simulate
from sterling.face.pad.networks.cdcn_multimodal import CDCNMultimodal
from sterling.runs import open_run
from sterling.studies.face._old_harness import (
    BASELINE,
    Arm,
    ComparisonConfig,
    Seed,
    acer_gains,
    acers,
    auc_gains,
    compare,
)
from sterling.studies.face._old_views import kinds_table, pooled_rates, species_table

ITEMS = {
    split: {
        "item": [f"{split}{i}" for i in range(8)],
        "subject": [f"{split}-s{i % 4}" for i in range(8)],
        "species": ["bona_fide"] * 4 + ["print", "print", "mask_resin", "mask_resin"],
    }
    for split in ("dev", "test")
}
DEV = [0.9, 0.8, 0.7, 0.6, 0.1, 0.1, 0.2, 0.2]


def seed(**test: list[float]) -> Seed:
    results: dict[str, dict[str, Any]] = {
        name: {"dev": DEV, "test": scores} for name, scores in test.items()
    }
    unseen = [True, True, False, False, True, True, False, False]
    items = {**ITEMS, "seen_species": ["bona_fide", "print"], "unseen_domain": unseen}
    return Seed.of(results, items, source="made by hand")


GOOD = [0.9, 0.9, 0.9, 0.9, 0.1, 0.1, 0.1, 0.9]  # one resin mask of two is accepted
BAD = [
    0.9,
    0.9,
    0.1,
    0.1,
    0.9,
    0.9,
    0.1,
    0.1,
]  # two live rejected, all prints accepted


def test_error_rates_are_those_of_the_worst_species_at_the_development_threshold() -> None:
    found = seed(good=GOOD, bad=BAD)
    assert found.acer("good") == pytest.approx((0.5 + 0.0) / 2)
    assert found.acer("bad") == pytest.approx((1.0 + 0.5) / 2)
    assert found.acer("good", unseen_domain=True) == 0.0
    assert found.auc("good", ["print"]) == 1.0
    assert found.auc("good", ["mask_resin"]) == pytest.approx((4 + 4 * 0.5) / 8)
    assert found.auc("good", ["replay"]) is None


def test_gains_are_paired_and_count_up_when_the_better_is_better() -> None:
    seeds = [seed(good=GOOD, bad=BAD), seed(good=BAD, bad=BAD)]
    assert acer_gains(seeds, "good", "bad") == pytest.approx([0.5, 0.0])
    gains = auc_gains(seeds, "good", "bad")
    assert gains[0] > 0
    assert gains[1] == 0
    assert acers(seeds, "bad") == pytest.approx([0.75, 0.75])


def test_tables_pool_seeds_and_put_the_worst_species_first() -> None:
    seeds = [seed(good=GOOD), seed(good=BAD)]
    rates = pooled_rates(seeds, "good")
    assert {name: (rate.errors, rate.trials) for name, rate in rates.items()} == {
        "bona_fide": (2, 8),
        "print": (2, 4),
        "mask_resin": (1, 4),
    }
    rows = species_table(seeds, "good").rows
    assert [row[:4] for row in rows] == [
        ["print (worst)", "seen", 2, 4],
        ["mask resin", "unseen", 1, 4],
    ]
    kinds = [row[:2] for row in kinds_table(seeds, ["good"]).rows]
    assert kinds == [["flat", "good"], ["masks", "good"]]


def test_a_class_missing_in_a_subset_gives_no_figure() -> None:
    found = seed(good=GOOD)
    only_live = Seed(**{**vars(found), "unseen_domain": np.arange(8) < 2})
    assert only_live.acer("good", unseen_domain=True) is None
    assert acers([only_live], "good", unseen_domain=True) == []


def test_own_data_is_refused() -> None:
    with pytest.raises(InputError, match="simulated captures only"):
        ComparisonConfig.model_validate({"data": "photos"}).refuse_data()


def test_an_arm_sees_its_own_modalities_and_each_scenario_the_same_weights(tmp_path: Any) -> None:
    config = ComparisonConfig(
        subjects=(3, 2, 3), captures=(16, 8, 12), size=32, seeds=1, epochs=1, protocol="smoke"
    )
    arms = {
        "two": Arm(
            lambda start: CDCNMultimodal(2, modalities=("depth", "ir"), seed=start),
            scenarios={"depth": ("depth",), "both": ("depth", "ir")},
        )
    }
    with open_run(tmp_path / "run", identity={}, seed=0) as run:
        found = compare("test", config, run, 0, arms)
    assert set(found.test) == {"two", "two, depth", "two, both", BASELINE}
    np.testing.assert_array_equal(found.test["two"].values, found.test["two, both"].values)
    assert (found.test["two"].values != found.test["two, depth"].values).any()


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
