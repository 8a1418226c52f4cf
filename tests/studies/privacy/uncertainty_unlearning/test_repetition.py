from pathlib import Path

import numpy as np
import pytest
import torch

from sterling.errors import InputError
from sterling.privacy.targets.convex import fit_convex
from sterling.studies.privacy.uncertainty_unlearning._repetition import (
    TARGETS,
    Repetition,
    digit_features,
    folder_features,
    mixture_features,
    records_needed,
)


def test_the_parts_of_a_repetition_share_no_record() -> None:
    rng = np.random.default_rng(0)
    features, labels = mixture_features(records_needed(100), rng)
    drawn = Repetition.of(features, labels, records=100, owned=0.2, ridge=1.0, rng=rng)
    watched = drawn.watched
    parts = [drawn.model.features, watched.calibration[0], watched.test[0], drawn.proxy[0]]
    together = torch.cat(parts)
    assert len(together) == len(features)
    assert len(torch.unique(together, dim=0)) == len(features)
    assert len(drawn.owned) == 20
    assert len(watched.targets) == TARGETS
    torch.testing.assert_close(
        watched.labels, drawn.model.logits(watched.targets).argmax(1), rtol=0, atol=0
    )
    models, rows = drawn.surrogates(seed=1)
    for surrogate, own in zip(models, rows, strict=True):
        assert len(surrogate.features) == 100
        torch.testing.assert_close(surrogate.features[own], drawn.model.features[drawn.owned])
    assert not torch.equal(models[0].weights, models[1].weights)
    confidence = drawn.model.posteriors(watched.targets).amax(1)
    assert float((confidence - 0.65).abs().max()) < 0.1


def write_table(folder: Path, rows: int) -> None:
    rng = np.random.default_rng(1)
    labels = rng.integers(3, size=rows)
    x = rng.normal(size=(rows, 30)) + 3.0 * np.eye(3, 30)[labels]
    np.savetxt(folder / "table.csv", np.column_stack([labels, x]), delimiter=",", fmt="%.4f")


def test_features_of_a_folder_tell_its_classes_apart(tmp_path: Path) -> None:
    write_table(tmp_path, 1200)
    features, labels = folder_features(tmp_path, 400, seed=0)
    assert features.shape == (400, 21)
    assert (features[:, -1] == 1).all()
    model = fit_convex(features[:300], labels[:300], 3, 1.0)
    right = (model.logits(features[300:]).argmax(1) == labels[300:]).double().mean()
    assert float(right) > 0.6
    again, _ = folder_features(tmp_path, 400, seed=0)
    torch.testing.assert_close(again, features, rtol=0, atol=0)


def test_too_few_records_are_refused(tmp_path: Path) -> None:
    write_table(tmp_path, 700)
    with pytest.raises(InputError, match="holds 700 records, 800 are needed"):
        folder_features(tmp_path, 400, seed=0)
    with pytest.raises(InputError, match="digits has 1797, 1800 are needed"):
        digit_features(1800, np.random.default_rng(0))


def test_features_of_real_images(shared_data: Path) -> None:
    features, labels = folder_features(shared_data / "images" / "mnist", 500, seed=0)
    model = fit_convex(features[:300], labels[:300], 10, 1.0)
    right = (model.logits(features[300:]).argmax(1) == labels[300:]).double().mean()
    assert float(right) > 0.7
