"""The benches agree with each other where they measure the same."""

from dataclasses import replace

import pytest
import torch

from sterling.privacy.data.records import simulated_records
from sterling.privacy.unlearning import Descent, Examples
from sterling.studies.privacy.forgetting_benchmark._class_names import name_forgotten_classes
from sterling.studies.privacy.forgetting_benchmark._classifiers import (
    ClassifierBench,
    attack_after_forgetting,
    attack_along_requests,
)


def bench(*methods: str) -> ClassifierBench:
    records = simulated_records(200, classes=4, features=8, separation=2.0, seed=0)
    return ClassifierBench(
        architecture="mlp",
        data=Examples(torch.from_numpy(records.x), torch.from_numpy(records.y), torch.arange(200)),
        methods=methods,
        pool=40,
        base=60,
        models=6,
        epochs=20,
        descent=Descent(10, 3e-3),
        seed=0,
    )


def test_one_request_in_sequence_is_the_request_at_once() -> None:
    # SSD draws nothing at random, and retraining starts at the same weights: both paths must agree.
    at_once = attack_after_forgetting(bench("SSD"), "random")
    in_sequence = attack_along_requests(bench("SSD"), requests=1)
    for method in ("SSD", "retrain"):
        assert in_sequence[method] == pytest.approx([at_once[method]["U-LiRA"]], abs=1e-12)


def test_the_references_are_always_there_and_say_what_they_must() -> None:
    cell = attack_after_forgetting(replace(bench("GA"), epochs=100), "mislabelled")
    assert set(cell) == {"retrain", "no unlearning", "GA"}
    untouched, retrained = cell["no unlearning"], cell["retrain"]
    assert untouched["output difference"] == untouched["two-model"] == 0.5, "nothing changed"
    assert retrained["lingering"] == 0
    assert untouched["forget accuracy"] > retrained["forget accuracy"] + 0.3
    assert untouched["U-LiRA"] > 0.8


def test_without_unlearning_a_class_is_named_by_chance() -> None:
    cell = name_forgotten_classes(bench())
    assert cell["no unlearning"]["class from confidence"] == 0.25
    assert cell["retrain"]["class from confidence"] > 0.25
