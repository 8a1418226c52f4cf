"""A detector scores the captures that it was made for, and refuses those unlike them."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats

from sterling.face.data import Faces, Limits, Manifest
from sterling.face.evaluation.familiarity import ALPHA, described
from sterling.face.pad import CDCN, Compact, Detector, Preprocessing, Provenance, load_detector
from sterling.measure import Threshold

PEOPLE = 40


def captures(rng: np.random.Generator, people: int = PEOPLE, *, grey: bool = False) -> Faces:
    """Ten captures of each of some people: noise about a person's colour, darker for attacks."""
    rows = [(person, shot) for person in range(people) for shot in range(10)]
    live = np.array([shot % 2 == 0 for _person, shot in rows])
    tint = rng.uniform(90, 160, (people, 3, 1, 1))[[person for person, _ in rows]]
    pixels = tint - 30 * ~live[:, None, None, None] + rng.normal(0, 20, (len(rows), 3, 32, 32))
    if grey:
        pixels = np.repeat(pixels.mean(axis=1, keepdims=True), 3, axis=1)
    columns: dict[str, Any] = {
        "item": [f"{person} {shot}" for person, shot in rows],
        "path": [f"{person}-{shot}.png" for person, shot in rows],
        "label": np.where(live, "bona_fide", "attack").tolist(),
        "species": np.where(live, "bona_fide", "print").tolist(),
        "subject": [f"p{person}" for person, _shot in rows],
    }
    images = torch.from_numpy(pixels.clip(0, 255).astype(np.uint8))
    return Faces(Manifest.from_columns(columns, "noise"), images)


def detector(network: Any = None) -> Detector:
    model = Compact(stages=2) if network is None else network
    return Detector(
        model,
        Preprocessing(32),
        Provenance("noise", True, "none", 0, 0, ""),
        Threshold(0.0),
    )


def test_captures_like_the_development_ones_are_refused_at_most_at_alpha(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    made, said = described(detector(), captures(rng))
    assert said == "cannot tell where a capture is: grey, blurred, unfamiliar"
    assert made.reference is not None
    assert len(made.reference.distances) == 10 * PEOPLE // 2
    made.save_pretrained(tmp_path)
    again = load_detector(tmp_path)
    fresh = captures(rng, 100)
    refused = int(again.unfamiliar(fresh.images).sum())
    # On average over both draws; one draw of the distances may refuse 3 % and more.
    assert stats.binom.sf(refused - 1, len(fresh), 4 * ALPHA) > 1e-4
    # The control: another texture is refused far more often.
    stripes = fresh.images.clone()
    stripes[..., ::2] = 255
    assert again.unfamiliar(stripes).mean() > 0.9
    strange = again.decide([one.numpy() for one in stripes[:1]])[0]
    assert (strange.outcome, strange.reason) == ("cannot tell", "unfamiliar")


def test_the_halves_share_no_subject() -> None:
    """Distances are of people that the description does not know: those of half of them."""
    rng = np.random.default_rng(1)
    faces = captures(rng)
    made, _ = described(detector(), faces, seed=3)
    again, _ = described(detector(), faces, seed=3)
    other, _ = described(detector(), faces, seed=4)
    assert made.reference is not None
    assert again.reference is not None
    assert other.reference is not None
    np.testing.assert_array_equal(made.reference.distances, again.reference.distances)
    assert not np.array_equal(made.reference.distances, other.reference.distances)
    subjects = faces.manifest.column("subject")
    found = {
        name
        for name in np.unique(subjects)
        if np.isclose(
            np.sort(_distances(made, faces, subjects == name))[:, None],
            made.reference.distances[None],
            rtol=1e-4,
        )
        .any(axis=1)
        .all()
    }
    assert len(found) == PEOPLE // 2


def _distances(made: Detector, faces: Faces, rows: Any) -> Any:
    from sterling.face.pad.detector.reference import _distances as distances

    reference = made.reference
    assert reference is not None
    return distances(
        made.features(faces.images[torch.from_numpy(rows)]),
        reference.centre,
        reference.basis,
        reference.means,
        reference.precision,
    )


def test_a_detector_of_grey_captures_judges_grey_ones() -> None:
    made, said = described(detector(), captures(np.random.default_rng(0), grey=True))
    assert made.limits == Limits(None, None, None, None, None, None, Limits().least_detail)
    assert "grey" not in said


@pytest.mark.parametrize("network", [None, CDCN(4)])
def test_what_cannot_be_described_is_said(network: Any) -> None:
    few = captures(np.random.default_rng(0), people=4)
    made, said = described(replace(detector(network), limits=None), few)
    assert made.reference is None
    assert "no features" in said if network else "20 presentations" in said
