"""Captures that a detector refuses are counted by reason and class, and none is scored."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sterling.errors import NothingMeasuredError
from sterling.face.data import Faces, LoadedFaces, Manifest, NonResponse
from sterling.face.evaluation.evaluate import familiar, rates_by_reason, score_detector
from sterling.face.pad import Compact, Detector, Preprocessing, Provenance, Reference
from sterling.measure import Threshold


def manifest(count: int) -> Manifest:
    """Bona fides and prints in turn."""
    return Manifest.from_columns(
        {
            "item": [f"i{k}" for k in range(count)],
            "path": [f"i{k}.jpg" for k in range(count)],
            "label": ["attack" if k % 2 else "bona_fide" for k in range(count)],
            "species": ["print" if k % 2 else "bona_fide" for k in range(count)],
        },
        source="desk",
    )


def pictures(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(80, 160, (count, 3, 32, 32), dtype=torch.uint8, generator=generator)


@pytest.fixture(scope="module")
def detector() -> Detector:
    plain = Detector(
        Compact(stages=1, seed=1).eval(),
        Preprocessing(32),
        Provenance("noise", True, "Apache-2.0", 0, 1, ""),
        Threshold(0.5, "up", "none", "noise", 1),
    )
    known, held_out = plain.features(pictures(80, 0)), plain.features(pictures(399, 1))
    return replace(
        plain, reference=Reference.fit(known, np.arange(80) % 2 == 0, held_out, alpha=0.0025)
    )


def test_unfamiliar_crops_become_non_responses(detector: Detector) -> None:
    images = pictures(10, 2)
    images[3, ..., ::2], images[3, ..., 1::2] = 255, 0  # stripes, of an attack
    missing = NonResponse("i9", "i9.jpg", "blurred", "i9.jpg: hold still")
    every = manifest(10)
    loaded = LoadedFaces(Faces(every.select(np.arange(9)), images[:9]), (missing,))
    kept = familiar(detector, loaded)
    assert kept.faces.manifest.column("item").tolist() == [f"i{k}" for k in range(9) if k != 3]
    assert torch.equal(kept.faces.images, images[[0, 1, 2, 4, 5, 6, 7, 8]])
    assert [(one.item, one.reason) for one in kept.non_responses] == [
        ("i9", "blurred"),
        ("i3", "unfamiliar"),
    ]
    found = score_detector(detector, kept.faces, non_responses=kept.non_responses, manifest=every)
    assert found.not_scored == 2
    assert found.non_responses["print"].errors == 2  # APNRR, of 5 prints
    assert {
        reason: {label: (rate.errors, rate.trials) for label, rate in rates.items()}
        for reason, rates in found.reasons.items()
    } == {
        "blurred": {"bona_fide": (0, 5), "attack": (1, 5)},
        "unfamiliar": {"bona_fide": (0, 5), "attack": (1, 5)},
    }
    assert familiar(replace(detector, reference=None), loaded) is loaded
    stripes = Faces(every.select(np.array([0, 1])), images[[3, 3]])
    with pytest.raises(NothingMeasuredError, match="all 2 crops are unlike"):
        familiar(detector, LoadedFaces(stripes, ()))


def test_reasons_are_shares_of_each_class() -> None:
    every = manifest(8)
    reasons = {"i0": "grey", "i2": "grey", "i4": "dark"}
    missing = [NonResponse(item, "", reason, "") for item, reason in reasons.items()]  # type: ignore[arg-type]
    scored = every.where(item=set(every.column("item").tolist()) - reasons.keys())
    found = rates_by_reason(missing, scored, every)
    assert list(found) == ["grey", "dark"]
    assert (found["grey"]["bona_fide"].errors, found["grey"]["bona_fide"].trials) == (2, 4)
    assert found["grey"]["attack"].errors == 0
    assert rates_by_reason([], every, every) == {}
    live = every.where(label="bona_fide")
    alone = rates_by_reason(missing[:1], live.select(np.array([1, 2, 3])), live)
    assert list(alone["grey"]) == ["bona_fide"]
