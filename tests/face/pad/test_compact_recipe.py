"""The recipe of the shipped detector, at a size at which it is of no use but to be tested."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from tests.draws import pixels
from tests.face.drawn_people import person, write_people
from tools.build_compact import SMOKE, averaged, build, captured, jobs, trained

from sterling.face.pad import Compact, shipped_detector
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.detector.pretrained import RECORD
from sterling.face.pad.training.compact_training import _released

pytest.importorskip("onnx")


@pytest.fixture
def photographs(tmp_path: Path) -> Path:
    folder = tmp_path / "photographs"
    rooms = [pixels(3, 80, 90, seed=seed).permute(1, 2, 0).numpy() for seed in range(8)]
    write_people(folder, [person(seed) for seed in range(14)], rooms)
    trunk = {
        _released(name): value
        for name, value in Compact(2, seed=3).state_dict().items()
        if not name.startswith("head.")
    }
    torch.save(trunk, folder / "trunk.pth")
    return folder


@pytest.mark.no_cover
@pytest.mark.smoke
def test_the_recipe_writes_what_is_shipped(photographs: Path, tmp_path: Path) -> None:
    out, work = tmp_path / "out", tmp_path / "work"
    first, *_ = jobs(SMOKE, work)
    apart = trained(photographs, *first)  # as with --only; the whole resumes from it
    record = build(SMOKE, photographs, out, work)
    again = trained(photographs, *first)
    for name, value in apart.state_dict().items():
        assert torch.equal(value, again.state_dict()[name]), name
    assert json.loads((out / "compact.json").read_text()) == json.loads(json.dumps(record))
    judge = shipped_detector(out / "compact.onnx", out / "compact.json")
    assert judge.threshold is not None
    assert record["card"]["threshold"]["value"] == judge.threshold.value
    assert judge.preprocessing.border == "shift"
    assert len(record["sizes"]) == 1 + len(SMOKE.others)
    recorded = "measured on recorded photographs"  # is added by tools/measure_compact.py
    shipped = json.loads(RECORD.read_text("utf-8"))
    assert shipped.keys() - {recorded} == record.keys()


def test_parts_and_trainings_have_captures_of_their_own(photographs: Path, tmp_path: Path) -> None:
    plan = replace(SMOKE, captures=(12, 12, 12), pixels=32)

    def images(part: str, draw: int = 0) -> np.ndarray:
        return captured(photographs, plan, part, tmp_path, draw=draw).images.numpy()

    train, other, test = images("train"), images("train", 1), images("test")
    assert not (train == other).all(axis=(1, 2, 3)).any()
    assert not (train == test).all(axis=(1, 2, 3)).any()
    assert np.array_equal(train, images("train"))  # kept
    assert len(list(tmp_path.glob("*.npz"))) == 3


def test_the_average_of_one_network_is_that_network_with_the_statistics_of_its_images() -> None:
    network = Compact(2, seed=1)
    images = pixels(128, 3, 32, 32, seed=2)
    mean = averaged([network, network], images)
    for name, value in network.named_parameters():
        torch.testing.assert_close(dict(mean.named_parameters())[name], value)
    first = network.stem[0](normalise(images)).transpose(0, 1).flatten(1)
    torch.testing.assert_close(mean.stem[1].running_mean, first.mean(1), atol=1e-4, rtol=1e-4)
    halves = averaged([Compact(2, seed=1), Compact(2, seed=2)], images)
    torch.testing.assert_close(
        halves.head.weight, (Compact(2, seed=1).head.weight + Compact(2, seed=2).head.weight) / 2
    )
