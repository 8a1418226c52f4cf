"""Parts of the few-shot studies: what they measure and share."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sterling.adapt import GradientLearner, Judged, LearnedRates, Learner, layered, lwau
from sterling.image import LabelledImages, conv4
from sterling.runs import open_run
from sterling.studies.image._few_shot import maml_on_pictures
from sterling.studies.image._few_shot_data import SMOKE, PriorConfig
from sterling.studies.image._few_shot_systems import (
    PIXELS,
    System,
    Systems,
    Trained,
    measure_systems,
)
from sterling.studies.image.lwau import BOTTOM, COST, FROZEN, TOP, layer_rows
from sterling.studies.image.pkaml import AGREEMENT, GAP, MIXED_GAIN, OWN_LEAD, matrix_rows
from sterling.studies.image.raml import distract
from sterling.study import Results

SMALL = PriorConfig(**{**SMOKE, "seeds": 1, "iterations": 1}, prior_width=2, prior_steps=1)


def small_systems(config: PriorConfig) -> Systems:
    return {
        PIXELS: System(),
        "MAML": maml_on_pictures(config),
        "maps": System(prior="labels"),
        "maps, two shots": System(prior="labels", shots=(2,)),
    }


def test_systems_on_one_representation_share_its_training(tmp_path: Path) -> None:
    with open_run(tmp_path, identity={}, seed=0) as run:
        results = Results.of(measure_systems(small_systems, SMALL, run))
    assert len(list((tmp_path / "stages").glob("*.json"))) == 3
    shared = results.select(system="representation by labels")
    assert shared.values("classes") == [12]  # three tenths of 40
    assert shared.values("pictures") == [240]
    assert results.select("gain").names("system") == ["MAML"]  # the only one that learns
    before, after = (results.values(name, system="MAML") for name in ("before adaptation", "gain"))
    assert before[0] + after[0] == pytest.approx(results.values("accuracy", system="MAML")[0])


def test_frozen_layers_cost_accuracy_and_rates_are_compared_with_the_others() -> None:
    learner = lwau(layered(conv4(2, channels=1, size=16, width=2)), 0.1)
    assert isinstance(learner.rates, LearnedRates)
    rates = {"block1": -0.1, "block2": 0.3, "block3": -0.2, "block4": 0.5, "head": -0.4}
    with torch.no_grad():
        for layer, rate in rates.items():
            learner.rates.values[layer].fill_(rate)

    def test(frozen: Learner, shots: int) -> Judged:
        """Accuracy in tenths of the groups that adapt, at the second step."""
        assert isinstance(frozen, GradientLearner)
        assert shots == 3
        adapted = len(frozen.adapt or rates)
        accuracy = np.array([[0.0, adapted / 10], [0.0, adapted / 10]])
        return Judged(accuracy, accuracy)

    rows = layer_rows(3, Trained(learner, step=1, accuracy=0.5, test=test))
    results = Results.of({"repetition": 0, "system": "LWAU", **each} for each in rows)
    for layers in range(5):
        own = results.select(system="LWAU", layers=layers)
        assert own.values(FROZEN) == pytest.approx([0.5 - layers / 10])
        assert own.values(COST) == (pytest.approx([layers / 10]) if layers else [])
    assert results.values(BOTTOM, system="LWAU") == pytest.approx([0.1])  # sizes count, not signs
    assert results.values(TOP, system="LWAU") == pytest.approx([-0.1])


def test_distractors_stand_behind_maps_that_stay() -> None:
    images = torch.arange(10.0).reshape(5, 2, 1, 1)
    part = LabelledImages(images, np.arange(5), tuple("abcde"), "made")
    wider = distract(3, {"test": part}, 0)["test"]
    assert torch.equal(wider.images[:, :2], images)
    assert wider.images.shape == (5, 8, 1, 1)
    for channel in (2, 4, 6):
        assert sorted(wider.images[:, channel].flatten().tolist()) == [0, 2, 4, 6, 8]


def test_over_fitting_to_a_number_of_shots_is_read_off_the_matrix() -> None:
    accuracy = np.array([[0.9, 0.5], [0.7, 0.8], [0.6, 0.6]])
    rows = matrix_rows(accuracy, np.array([[1.0, 3.0], [2.0, 1.0], [1.0, 2.2]]), ["1", "5", "all"])
    found = {each["metric"]: each["value"] for each in rows if "trained" not in each}
    gaps = [each["value"] for each in rows if each["metric"] == "tof_gap"]
    assert gaps == pytest.approx([0.15, 0.1, 0.25])
    assert found[GAP] == pytest.approx(0.125)
    assert found[OWN_LEAD] == pytest.approx(((0.9 - 0.7) + (0.8 - 0.5)) / 2)
    assert found[MIXED_GAIN] == pytest.approx(-0.125)
    assert found[AGREEMENT] == pytest.approx(0.5)
    assert found["accuracy"] == pytest.approx(accuracy.mean())
    same = matrix_rows(np.full((3, 2), 0.5), np.ones((3, 2)), ["1", "5", "all"])
    assert [each["value"] for each in same if each["metric"] == AGREEMENT] == [None]
