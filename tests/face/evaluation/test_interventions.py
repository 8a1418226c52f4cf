"""A detector built to judge by one cue is at chance where that cue is taken, and nowhere else."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.data import INTERVENTIONS, Faces, Manifest
from sterling.face.data.pixels import as_array
from sterling.face.data.quality import luminance
from sterling.face.evaluation.robustness import UNCHANGED, Point, interventions, possible, some_of
from sterling.face.pad import DetectorBase, Preprocessing, Provenance
from sterling.face.pad.networks.interface import Interface
from sterling.measure import Scores, Threshold, auc, evaluate

Read = Callable[[NDArray[np.uint8]], float]
FACE = np.s_[:, 8:24, 8:24]


@dataclass(frozen=True, eq=False)
class Reader(DetectorBase):
    """A detector whose score is what a function reads from each crop."""

    read: Read = field(kw_only=True)

    def score(self, images: Any, **_: Any) -> NDArray[np.float64]:
        return np.array([self.read(one) for one in as_array(images)], np.float64)

    def save_pretrained(self, folder: Path | str) -> None:
        raise NotImplementedError(folder)


def reader(read: Read, threshold: float, scale: float | None = 2.0, crops: int = 1) -> Reader:
    return Reader(
        Interface({"name": "reader"}, ("rgb",), 1, False, crops),
        Preprocessing(32, scale, "none" if scale is None else "CenterFace"),
        Provenance("none", True, "", 0, 0, ""),
        Threshold(threshold),
        read=read,
    )


@pytest.fixture(scope="module")
def test_faces() -> Faces:
    """Bona fides are brighter by 20, within the face and without; else all is noise."""
    rng, n = np.random.default_rng(0), 40
    live = np.arange(n) % 2 == 0
    noise = rng.normal(110, 10, (n, 3, 32, 32)) + 20 * live[:, None, None, None]
    columns = {
        "item": [f"i{i}" for i in range(n)],
        "path": [f"{i}.png" for i in range(n)],
        "label": np.where(live, "bona_fide", "attack").tolist(),
        "species": np.where(live, "bona_fide", "print").tolist(),
        "subject": [f"s{i // 4}" for i in range(n)],
    }
    images = torch.from_numpy(noise.round().clip(0, 255).astype(np.uint8))
    return Faces(Manifest.from_columns(columns), images)


def areas(detector: DetectorBase, faces: Faces) -> dict[str, float]:
    return {point.kind: point.area.value for point in interventions(detector, faces)}


def test_a_reader_of_brightness_is_at_chance_exactly_where_brightness_is_equal(
    test_faces: Faces,
) -> None:
    found = areas(reader(lambda one: round(float(luminance(one).mean())), 120), test_faces)
    assert list(found) == [UNCHANGED, *INTERVENTIONS]
    assert found["equal contrast"] == found["equal spectra"] == 0.5
    kept = set(found) - {"equal contrast", "equal spectra"}
    assert {found[kind] for kind in kept} == {1.0}


def test_a_reader_of_the_face_ignores_the_edges(test_faces: Faces) -> None:
    inside = reader(lambda one: float(one[FACE].mean()), 120)
    points = {point.kind: point for point in interventions(inside, test_faces)}
    assert np.array_equal(points["no edges"].scores.values, points[UNCHANGED].scores.values)
    assert points["no edges"].errors == points[UNCHANGED].errors
    difference = reader(lambda one: float(one[FACE].std(axis=(1, 2)).mean()), 1)
    # Nothing of the face is left in "only edges".
    changed = {point.kind: point for point in interventions(difference, test_faces)}
    assert set(changed["only edges"].scores.values) == {0.0}
    assert changed["only edges"].area.value == 0.5
    assert changed["only edges"].errors.bpcer.value == 1


def test_each_scale_is_a_set_of_its_own(test_faces: Faces) -> None:
    """Bona fides are brighter in the second crop alone: its brightness is made equal, too."""
    images = test_faces.images
    two = Faces(test_faces.manifest, torch.cat([images // 2 + 20, images], dim=1), crops=2)
    read = reader(lambda one: round(float(luminance(one[3:]).mean())), 120, crops=2)
    specs = (read.preprocessing.crop_spec(),) * 2
    object.__setattr__(read.preprocessing, "crop_specs", lambda: specs)
    points = {point.kind: point for point in interventions(read, two)}
    assert points[UNCHANGED].area.value == 1
    assert points["equal contrast"].area.value == 0.5
    mean = round(float(np.mean([luminance(one) for one in images.numpy()])))
    assert set(points["equal contrast"].scores.values) == {mean}


@pytest.mark.parametrize("scale", [None, 1.0])
def test_crops_without_surroundings_have_no_rows_of_edges(
    test_faces: Faces, scale: float | None
) -> None:
    own = reader(lambda one: float(one.mean()), 120, scale)
    assert set(INTERVENTIONS) - set(possible(own)) == {"no edges", "only edges"}
    assert "no edges" not in areas(own, test_faces)


def test_clips_and_a_missing_threshold_are_refused(test_faces: Faces) -> None:
    with pytest.raises(InputError, match="no threshold"):
        interventions(
            Reader(
                Interface({"name": "r"}, ("rgb",), 1, False),
                Preprocessing(32),
                Provenance("none", True, "", 0, 0, ""),
                read=lambda one: float(one.mean()),
            ),
            test_faces,
        )
    clips = reader(lambda one: float(one.mean()), 120)
    object.__setattr__(clips, "model", Interface({"name": "r"}, ("rgb",), 4, False))
    with pytest.raises(InputError, match="only single colour pictures"):
        interventions(clips, test_faces)


def point(values: NDArray[np.float64], label: NDArray[np.bool_], subject: list[str]) -> Point:
    items = [f"i{i}" for i in range(len(values))]
    scores = Scores(values, label, item=items, subject=subject)
    return Point("none", 0, scores, evaluate(scores, Threshold(0.5)))


def test_the_interval_of_an_area_takes_subjects_as_the_unit() -> None:
    rng = np.random.default_rng(1)
    subjects = np.repeat(np.arange(12), 30)
    label = np.tile([True, False], 180)
    own = rng.normal(0, 1, 12)[subjects]  # presentations of a subject resemble each other
    values = 0.4 * label + np.where(label, own, -own) + 0.05 * rng.normal(0, 1, 360)
    clustered = point(values, label, [f"s{i}" for i in subjects])
    wide, narrow = clustered.area_by_subject().interval, clustered.area.interval
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)
    assert clustered.area_by_subject().value == clustered.area.value
    unknown = point(values, label, [""] * 360)
    assert unknown.area_by_subject().interval == unknown.area.interval


def test_an_area_without_errors_has_an_interval_of_the_number_of_subjects() -> None:
    label = np.tile([True, False], 50)
    perfect = point(label.astype(float), label, [f"s{i // 10}" for i in range(100)])
    found = perfect.area_by_subject()
    assert found.value == auc(perfect.scores).value == 1
    assert found.interval.low == pytest.approx(0.025 ** (1 / 10))  # ten of ten subjects
    assert found.interval.high == 1


def test_some_rows_are_spread_over_all(test_faces: Faces) -> None:
    manifest = test_faces.manifest
    assert some_of(manifest, 100).column("item").tolist() == manifest.column("item").tolist()
    few = some_of(manifest, 4).column("item").tolist()
    assert few == ["i0", "i13", "i26", "i39"]
    assert len(some_of(manifest.select([]), 4)) == 0
