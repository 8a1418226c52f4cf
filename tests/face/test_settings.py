"""Settings of the room that are not allowed are named, with what is allowed."""

from collections.abc import Callable
from typing import Any

import pytest

from sterling.errors import InputError
from sterling.face.data import CropSpec, FaceDetector
from sterling.face.evaluation.bounded_threshold import Promise
from sterling.face.pad import Preprocessing, TrainConfig
from sterling.face.pad.networks.cdcn_search import SearchConfig

NAN, INF = float("nan"), float("inf")


@pytest.mark.parametrize(
    ("build", "name", "values"),
    [
        (CropSpec, "size", (0, -8, 2.5, True)),
        (lambda **given: CropSpec(8, **given), "scale", (0.0, -1.0, 20.1, NAN, INF)),
        (lambda **given: CropSpec(8, **given), "border", ("mirror",)),
        (FaceDetector, "longest_side", (10,)),
        (FaceDetector, "min_confidence", (0.0, 1.0, NAN)),
        (FaceDetector, "threads", (0, 1.5)),
        (Preprocessing, "size", (0,)),
        (lambda **given: Preprocessing(32, **given), "crop_scale", (0.0,)),
        (lambda **given: Preprocessing(32, **given), "border", ("mirror",)),
        (Promise, "bpcer", (0.0, 1.0, 2.0)),
        (lambda **given: Promise(0.1, **given), "unit", ("subjects",)),
        (TrainConfig, "epochs", (0,)),
        (TrainConfig, "batch_size", (1.5,)),
        (TrainConfig, "step_epochs", (0,)),
        (TrainConfig, "learning_rate", (-1.0,)),
        (TrainConfig, "weight_decay", (INF,)),
        (TrainConfig, "cdl_weight", (NAN,)),
        (TrainConfig, "step_factor", (0.0,)),
        (TrainConfig, "seed", (-1,)),
        (TrainConfig, "mixed_precision", ("fp8",)),
        (TrainConfig, "optimizer", ("sgd",)),
        (TrainConfig, "warmup_steps", (-1,)),
        (TrainConfig, "drop_modality", (1.5,)),
        (SearchConfig, "batch_size", (0,)),
    ],
)
def test_values_out_of_range_are_refused(
    build: Callable[..., object], name: str, values: tuple[Any, ...]
) -> None:
    for value in values:
        with pytest.raises(InputError, match=name):
            build(**{name: value})
