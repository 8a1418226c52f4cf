"""The study of few labels: who is labelled in each protocol."""

from pathlib import Path

import numpy as np
import pytest
from tests.studies.smoke import run_smoke

from sterling.face.capture import KINDS, simulate
from sterling.face.data import Faces, read_folder
from sterling.studies.face.epcr._protocols import EpcrConfig, labelled_only, protocols, with_target


@pytest.fixture(scope="module")
def faces() -> Faces:
    return simulate("smoke", seed=0, size=32).faces()


def test_each_protocol_labels_what_it_says(faces: Faces) -> None:
    training = faces.manifest.where(split="train")
    by_name = {
        one.setting.name: one.labelled(training) for one in protocols(EpcrConfig(labelled=0.2))
    }
    few = training.select(by_name["few subjects"])
    assert len(set(few.column("subject"))) == 1
    assert 0 < few.bona_fide.sum() < len(few)
    unlabelled = training.select(~by_name["one sensor"])
    assert len(set(unlabelled.column("sensor"))) == 1
    hidden = training.select(~by_name["flat"])
    assert set(hidden.column("species")) <= set(KINDS["masks"])
    assert len(hidden) > 0
    assert by_name["target"].all()


def test_the_target_trains_without_labels_and_is_not_tested_again(faces: Faces) -> None:
    changed = with_target(faces)
    before, after = (
        set(f.manifest.where(split="test").column("subject")) for f in (faces, changed)
    )
    training = changed.manifest.where(split="train")
    (target,) = [one for one in protocols(EpcrConfig()) if one.setting.name == "target"]
    unlabelled = training.select(~target.labelled(training))
    assert after < before
    assert set(unlabelled.column("subject")) == before - after
    assert len(changed) == len(faces)


def test_labels_alone_take_as_many_steps(faces: Faces) -> None:
    few = protocols(EpcrConfig(labelled=0.2))[0].labelled
    left = labelled_only(faces, few)
    whole, training = faces.split("train"), left.split("train")
    assert len(training) == len(whole)
    labelled = set(whole.manifest.select(few(whole.manifest)).column("item"))
    names = [str(item).split("#")[0] for item in training.manifest.column("item")]
    assert set(names) == labelled
    counts = np.unique(names, return_counts=True)[1]
    assert counts.max() - counts.min() <= 1
    for split in ("dev", "test"):
        assert np.array_equal(
            left.split(split).manifest.column("item"), faces.split(split).manifest.column("item")
        )
    assert np.array_equal(training.images[0].numpy(), whole.images[few(whole.manifest)][0].numpy())


def test_it_runs_on_real_photographs(shared_data: Path, tmp_path: Path) -> None:
    everything = read_folder(shared_data / "fas" / "nuaa")
    subject, label = everything.column("subject"), everything.column("label")
    rows = [
        np.flatnonzero((subject == who) & (label == kind))[:2]
        for who in np.unique(subject)[:6]
        for kind in ("bona_fide", "attack")
    ]
    everything.select(np.concatenate(rows)).write(tmp_path / "few.csv")
    evidence = run_smoke("epcr", tmp_path, f"data={tmp_path}/few.csv", "seeds=1")
    assert evidence.scope.startswith("Presentations at")
    assert len([claim for claim in evidence.claims if "unlabelled" in claim.id]) == 1
