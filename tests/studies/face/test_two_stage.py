"""The second stage takes what the first one kept, and nothing else."""

import json
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from sterling.face.capture import Scale, simulate
from sterling.face.data import Faces
from sterling.face.pad import DepthNet, Detector, TemporalDepth
from sterling.runs import Cell, open_run
from sterling.studies.face._harness.measuring import simulated_faces
from sterling.studies.face._harness.training import compare
from sterling.studies.face._two_stage import TwoStageConfig, refining, single_frame

CONFIG = TwoStageConfig(
    subjects=(2, 2, 2),
    captures=(6, 6, 6),
    size=32,
    frames=2,
    epochs=1,
    refine_epochs=1,
    refine_optimizer="adadelta",
    cdl_weight=0.25,
)


def test_the_second_stage_holds_the_first_ones_network_and_trains_the_rest(
    tmp_path: Path,
) -> None:
    made: list[TemporalDepth] = []

    def network(seed: int) -> TemporalDepth:
        made.append(TemporalDepth(2, 2, seed=seed))
        return made[-1]

    systems = {
        "single": single_frame(CONFIG, lambda seed: DepthNet(2, frames=2, seed=seed)),
        "clip": refining(CONFIG, network, "single", gallery=True),
    }
    with open_run(tmp_path, identity={}, seed=0) as run:
        faces = partial(simulated_faces, CONFIG, run, 0)
        compare(CONFIG, run, Cell(run, "", {"repetition": 0}, 3), systems, faces)
    kept = Detector.from_pretrained(tmp_path / "trained" / "single-0").model
    taken, given = made[0].single.state_dict(), kept.state_dict()
    assert all(torch.equal(value, given[name]) for name, value in taken.items())
    assert systems["single"].changes["cdl_weight"] == 0.25
    assert systems["clip"].changes["optimizer"] == "adadelta"
    assert "cdl_weight" not in systems["clip"].changes
    assert Detector.from_pretrained(tmp_path / "detector").threshold is not None
    items = json.loads((tmp_path / "gallery" / "items.json").read_text())
    with Image.open(tmp_path / items[0]["images"][0]) as picture:
        assert picture.size == (2 * 32, 32)  # both frames side by side


def test_still_clips_repeat_their_first_frame() -> None:
    captures = simulate("planar", seed=0, size=32, frames=2, scale=Scale((1, 1, 1), (2, 1, 1)))
    faces: Faces = captures.faces()
    still = faces.still()
    assert still.depth is not None
    assert not torch.equal(faces.images[:, 0], faces.images[:, 1])
    assert torch.equal(still.images, faces.images[:, :1].expand_as(faces.images))
    assert torch.equal(still.depth[:, 1], captures.true_depth[:, 0])
    assert still.manifest is faces.manifest
