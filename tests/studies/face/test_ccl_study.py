"""The study of masks and context: what its settings hold."""

import numpy as np
import pytest

from sterling.face.capture import Scale, simulate
from sterling.face.data import Faces
from sterling.studies.face._harness.systems import leave_out
from sterling.studies.face.ccl import BRIGHT, LEFT_OUT, confound


@pytest.fixture(scope="module")
def faces() -> Faces:
    return simulate("masks", seed=0, size=32, scale=Scale((4, 2, 4), (120, 40, 120))).faces()


@pytest.mark.parametrize("species", LEFT_OUT)
def test_a_mask_left_out_is_tested_alone(faces: Faces, species: str) -> None:
    left = leave_out(species, faces).manifest
    for split in ("train", "dev"):
        kinds = set(left.where(split=split).column("species"))
        assert species not in kinds
        assert len(kinds) > 1
    test = left.where(split="test")
    assert set(test.column("species")) == {species, "bona_fide"}
    assert test.bona_fide.sum() == faces.manifest.where(split="test").bona_fide.sum()


def test_light_agrees_with_the_class_in_training_and_not_in_test(faces: Faces) -> None:
    manifest = confound(0.9, faces).manifest
    for split, share in (("train", 0.9), ("dev", 0.9), ("test", 0.1)):
        part = manifest.where(split=split)
        for live in (True, False):
            cell = part.select(part.bona_fide == live)
            agrees = (cell.matches(illumination=BRIGHT) == live).mean()
            assert agrees == pytest.approx(share, abs=1.5 / len(cell))
    assert len(np.unique(manifest.column("item"))) == len(manifest)
