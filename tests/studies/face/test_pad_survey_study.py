"""The table of families."""

import numpy as np
import pytest
import torch

from sterling.face.capture import Scale, simulate
from sterling.face.data import Faces
from sterling.studies.face.pad_survey import _families as pad_survey


@pytest.fixture(scope="module")
def faces() -> Faces:
    return simulate("sets", seed=0, size=32, scale=Scale((2, 1, 2), (16, 2, 40))).faces()


def test_cameras_are_domains(faces: Faces) -> None:
    training = faces.split("train")
    domains = pad_survey._cameras(training)
    sensors = training.manifest.column("sensor")
    assert len(set(zip(sensors.tolist(), domains.tolist(), strict=True))) == len(set(sensors))
    assert int(domains.max()) == len(set(sensors)) - 1


def test_cells_tell_what_training_has_not_seen(faces: Faces) -> None:
    training, test = (faces.manifest.where(split=name) for name in ("train", "test"))
    cells = pad_survey._novelty(faces.manifest)
    assert set(cells) == set(pad_survey.NEW[:-1])
    for cell, sensor, light in zip(
        cells, test.column("sensor"), test.column("illumination"), strict=True
    ):
        assert (sensor in training.column("sensor")) == (cell in ("people", "lights"))
        assert (light in training.column("illumination")) == (cell in ("people", "cameras"))


def test_the_target_trains_without_labels_and_is_still_tested(faces: Faces) -> None:
    changed = pad_survey.with_target(faces)
    training, before = changed.split("train"), faces.split("train")
    labelled = pad_survey._labelled(training)
    assert labelled.tolist() == [True] * len(before) + [False] * 14  # every third of 40
    assert torch.equal(training.images[~labelled], faces.split("test").images[::3])
    assert torch.equal(training.images[labelled], before.images)
    for split in ("dev", "test"):
        items = [one.split(split).manifest.column("item") for one in (changed, faces)]
        assert np.array_equal(items[0], items[1])


def test_what_is_left_out_is_neither_trained_on_nor_chosen_by(faces: Faces) -> None:
    left = pad_survey._without_some(faces).manifest
    assert not left.matches(split=("train", "dev"), species=pad_survey.LEFT_OUT).any()
    assert left.matches(split="test", species=pad_survey.LEFT_OUT).any()
    assert left.matches(split="train", species="print").any()
