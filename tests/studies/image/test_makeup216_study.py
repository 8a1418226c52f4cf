"""The study: its crops, its overlap, and the real photographs that it reads."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sterling.errors import InputError
from sterling.studies.image.makeup216._cells import (
    SYSTEMS,
    Makeup216Config,
    _Drawn,
    iou,
)
from sterling.studies.image.makeup216._real import _plain, read_real
from sterling.studies.image.makeup216.study import STUDY, measure
from sterling.study import load_evidence


def test_no_brand_is_in_two_parts() -> None:
    drawn = _Drawn(STUDY.presets["smoke"], 60 + 127, seed=0)
    parts = [drawn.training, drawn.gallery, *drawn.strangers.values()]
    trained, enrolled, *strangers = (set(one.brands.tolist()) for one in parts)
    assert not trained & enrolled
    assert not (trained | enrolled) & (strangers[0] | strangers[1])
    for probes in drawn.probes.values():
        assert set(probes.brands.tolist()) == enrolled
    assert drawn.gallery.own_border.all()
    assert not drawn.probes[0.0].own_border.any()


def test_overlap_of_masks() -> None:
    left = torch.zeros(2, 4, 4, dtype=torch.bool)
    left[0, :, :2] = True
    upper = torch.zeros_like(left)
    upper[0, :2] = True
    assert iou(left, upper) == pytest.approx((4 / 12 + 1) / 2)
    assert iou(left, left) == 1


def test_the_smoke_run_measures_every_system(checked_run: Callable[[str], Path]) -> None:
    evidence = load_evidence(checked_run("makeup216"))
    names = {metric.name for metric in evidence.metrics if metric.value is not None}
    for system in SYSTEMS:
        if "EfficientNet" not in system:
            assert f"Recall@1, own border 0: {system}" in names
    assert len(evidence.claims) >= 9


def test_rates_that_cannot_be_seen_are_refused_before_anything_is_trained() -> None:
    with pytest.raises(ValueError, match=r"50 strangers show no rate below 0\.2"):
        Makeup216Config(strangers=50, fpir=(0.1,))
    many = Makeup216Config(trained=4000)
    with pytest.raises(InputError, match=r"there are \d+ brands"):
        measure(many, None)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "plain"),
    [("test_golden_state", "goldenstate"), ("goldenstate", "goldenstate"), ("test_puma1", "puma")],
)
def test_templates_and_folders_meet_by_name(name: str, plain: str) -> None:
    assert _plain(name) == plain


def test_folders_of_brands_are_read(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for brand in ("a", "b"):
        (tmp_path / brand).mkdir()
        for index in range(3):
            noise = rng.integers(0, 255, (40, 60, 3)).astype(np.uint8)
            Image.fromarray(noise).save(tmp_path / brand / f"{index}.png")
    real = read_real(tmp_path, 24, 0.2)
    assert len(real.examples) == 2
    assert real.brands.tolist() == [0, 0, 1, 1]
    one_hot = np.eye(2)

    def embed(images: torch.Tensor) -> np.ndarray:  # every crop looks like the first example
        first = (images == real.examples[:1]).flatten(1).all(1).numpy()
        return one_hot[np.where(first, 0, 1) if len(images) == 2 else np.zeros(len(images), int)]

    assert real.recall(embed) == 0.5
    with pytest.raises(InputError, match="the layout is"):
        read_real(tmp_path / "a", 24, 0.2)


def test_logohunter_is_read(shared_data: Path) -> None:
    folder = shared_data / "logos" / "logohunter"
    if not folder.is_dir():
        pytest.skip("LogoHunter's photographs are not there")
    real = read_real(folder, 48, 0.2)
    assert len(real.examples) == 14
    assert len(real.photographs) == 51
