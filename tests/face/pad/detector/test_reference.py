"""A reference refuses no more than promised of what is like it, and nearly all of what is not."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy.stats import binom

from sterling.errors import InputError
from sterling.face.data import Limits
from sterling.face.pad import (
    CDCN,
    Compact,
    Detector,
    OnnxDetector,
    Preprocessing,
    Provenance,
    Reference,
    export_onnx,
    rewrite_card,
)
from sterling.face.pad.detector.base import read_card, seal
from sterling.measure import Threshold

Floats = NDArray[np.float64]


def drawn(rng: np.random.Generator, count: int, size: int = 4) -> tuple[Floats, NDArray[np.bool_]]:
    """Features of two classes three deviations apart."""
    label = np.arange(count) % 2 == 0
    features = rng.normal(size=(count, size))
    features[:, 0] += 3.0 * label
    return features, label


def test_a_tenth_is_refused_of_what_is_alike_and_nearly_all_of_what_is_not() -> None:
    rng = np.random.default_rng(0)
    repetitions, refused, shifted = 1200, 0, 0
    for _ in range(repetitions):
        features, label = drawn(rng, 40)
        order = rng.permutation(20)
        held_out = drawn(rng, 20)[0][order]  # 19 to calibrate on, and one to be judged
        reference = Reference.fit(features, label, held_out[:19], alpha=0.1)
        refused += int(reference.unfamiliar(held_out[19:])[0])
        shifted += int(reference.unfamiliar(held_out[19:] + 8)[0])
    # (n + 1) alpha is whole, so that exactly a tenth is refused on average. Two false alarms of
    # this test in a thousand.
    low, high = binom.ppf((0.001, 0.999), repetitions, 0.1)
    assert low <= refused <= high
    assert shifted > 0.95 * repetitions


def test_calibrating_on_the_features_that_were_fitted_breaks_the_promise() -> None:
    rng = np.random.default_rng(1)
    repetitions, refused = 300, 0
    for _ in range(repetitions):
        features, label = drawn(rng, 24, 16)
        reference = Reference.fit(features, label, features, alpha=0.1)
        refused += int(reference.unfamiliar(drawn(rng, 1, 16)[0])[0])
    assert refused > binom.ppf(0.999, repetitions, 0.1)


def test_distances_are_those_to_the_nearer_class() -> None:
    rng = np.random.default_rng(2)
    features, label = drawn(rng, 20000)
    reference = Reference.fit(features, label, drawn(rng, 999)[0])
    # Within classes the features are standard normal: the score is the plain distance.
    probes = np.array([[0.0, 0, 0, 0], [3, 0, 0, 0], [1.5, 2, 0, 0], [9, 0, 0, 0], [0, 0, 0, 5]])
    plain = np.minimum(
        np.linalg.norm(probes, axis=1), np.linalg.norm(probes - [3, 0, 0, 0], axis=1)
    )
    rank = (reference.distances[None] >= plain[:, None]).sum(axis=1)
    np.testing.assert_allclose(reference.p_values(probes), (rank + 1) / 1000, atol=0.01)
    assert reference.unfamiliar(probes).tolist() == [False, False, False, True, True]


def test_what_the_main_directions_do_not_show_counts() -> None:
    rng = np.random.default_rng(3)

    def spread(count: int) -> Floats:
        features = 0.01 * rng.normal(size=(count, 50))
        features[:, :5] += rng.normal(size=(count, 5))
        return features

    reference = Reference.fit(spread(300), np.arange(300) < 150, spread(199), dimensions=6)
    assert reference.basis.shape == (5, 50)
    assert len(reference.precision) == 6
    inside = spread(100)
    beside = inside.copy()
    beside[:, 30] += 0.3  # a tenth of a deviation of the features, and thirty of the rest
    assert reference.unfamiliar(inside).mean() < 0.1
    assert reference.unfamiliar(beside).all()
    again = Reference.from_dict(json.loads(json.dumps(reference.to_dict())))
    np.testing.assert_array_equal(again.p_values(inside), reference.p_values(inside))
    assert len(json.dumps(reference.to_dict())) < 4000


def test_bad_input_is_named() -> None:
    rng = np.random.default_rng(4)
    features, label = drawn(rng, 40)
    held_out = drawn(rng, 99)[0]
    reference = Reference.fit(features, label, held_out)
    cases: list[tuple[tuple[Any, Any, Any], str]] = [
        ((features, label, held_out[:98]), "98 presentations, and a share of 0.01 takes 99"),
        ((features, label[:5], held_out), r"bona_fide is bool \(5,\)"),
        ((features, label.astype(int), held_out), "bona_fide is int64"),
        ((features, label & False, held_out), "two presentations of each class"),
        ((features, label, held_out[:, :3]), "calibration has 3 features and features 4"),
        ((features * np.nan, label, held_out), "finite numbers"),
    ]
    for given, said in cases:
        with pytest.raises(InputError, match=said):
            Reference.fit(*given)
    with pytest.raises(InputError, match="alpha"):
        Reference.fit(features, label, held_out, alpha=0)
    with pytest.raises(InputError, match="belongs to another network"):
        reference.p_values(np.zeros((2, 5)))
    stored: dict[str, Any] = reference.to_dict()
    for change, said in (
        ({"means": "@"}, "damaged"),
        ({"means": stored["centre"]}, "damaged"),
        ({"alpha": 2}, "alpha"),
        ({"coordinates": 3}, "damaged"),
        ({"coordinates": float("inf")}, "damaged"),
        ({"more": 1}, "missing or unknown"),
    ):
        with pytest.raises(InputError, match=said):
            Reference.from_dict({**stored, **change})


def crops(count: int, seed: int) -> torch.Tensor:
    """Bright flat crops and dark ones, in turn, with a little noise."""
    rng = np.random.default_rng(seed)
    light = np.where(np.arange(count) % 2 == 0, 170, 80)[:, None, None, None]
    return torch.from_numpy((light + rng.integers(-40, 40, (count, 3, 32, 32))).astype(np.uint8))


@pytest.fixture(scope="module")
def detector() -> Detector:
    plain = Detector(
        Compact(stages=1, seed=1).eval(),
        Preprocessing(32),
        Provenance("noise", True, "Apache-2.0", 0, 1, ""),
        Threshold(0.5, "up", "none", "noise", 1),
    )
    known, held_out = plain.features(crops(100, 0)), plain.features(crops(199, 1))
    reference = Reference.fit(known, np.arange(100) % 2 == 0, held_out)
    return replace(plain, reference=reference, limits=Limits(), promise="The BPCER is at most 5 %.")


ODD = torch.zeros((1, 3, 32, 32), dtype=torch.uint8)
ODD[..., ::2] = 255  # stripes


def test_a_detector_cannot_tell_of_what_is_unfamiliar(detector: Detector) -> None:
    alike = crops(2, 2)
    answers = detector.decide([alike[0], ODD[0], "no_face", alike[1]])
    assert [one.reason for one in answers] == ["score", "unfamiliar", "no_face", "score"]
    assert answers[1].outcome == "cannot tell"
    assert answers[1].score is None
    assert detector.unfamiliar(torch.cat([alike, ODD])).tolist() == [False, False, True]
    untested = replace(detector, reference=None)
    assert untested.decide([ODD[0]])[0].reason == "score"
    assert not untested.unfamiliar(ODD).any()


def test_limits_reference_and_promise_travel(detector: Detector, tmp_path: Path) -> None:
    detector.save_pretrained(tmp_path)
    loaded = Detector.from_pretrained(tmp_path)
    assert loaded.card()["reference"] == detector.card()["reference"]
    assert loaded.limits == Limits()
    assert loaded.unfamiliar(ODD).all()
    threshold = detector.threshold
    assert threshold is not None
    assert loaded.promise
    assert loaded.with_threshold(threshold).promise == ""  # of another threshold nothing is known
    assert loaded.with_threshold(threshold).reference is not None


def test_a_card_from_before_has_none(detector: Detector, tmp_path: Path) -> None:
    detector.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    card = json.loads(path.read_text())
    for name in ("limits", "reference", "promise"):
        del card[name]
    card["sha256"] = seal(card, (tmp_path / "model.safetensors").read_bytes())
    path.write_text(json.dumps(card))
    loaded = Detector.from_pretrained(tmp_path)
    assert (loaded.limits, loaded.reference, loaded.promise) == (None, None, "")
    for name, wrong in (("promise", 3), ("limits", {}), ("reference", [])):
        with pytest.raises(InputError, match=name):
            read_card({**card, name: wrong})


def test_an_exported_file_gives_features_and_knows_the_reference(
    detector: Detector, tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    exported = OnnxDetector.load(export_onnx(detector, tmp_path / "a.onnx").path)
    pictures = torch.cat([crops(5, 3), ODD])
    np.testing.assert_allclose(
        exported.features(pictures), detector.features(pictures), rtol=1e-4, atol=1e-5
    )
    assert exported.card()["reference"] == detector.card()["reference"]
    assert exported.decide([ODD[0]])[0].reason == "unfamiliar"
    assert exported.unfamiliar(pictures).tolist() == [False] * 5 + [True]
    # Without a reference the file has no features, unless they are asked for.
    plain = replace(detector, reference=None)
    without = OnnxDetector.load(export_onnx(plain, tmp_path / "b.onnx").path)
    with pytest.raises(InputError, match="gives no features"):
        without.features(pictures)


def test_a_reference_is_fitted_on_the_features_of_the_8_bit_file(
    detector: Detector, tmp_path: Path
) -> None:
    pytest.importorskip("onnx")
    plain, path = replace(detector, reference=None), tmp_path / "int8.onnx"
    # Eight bits hold what the calibration images span: stripes beyond it would look familiar.
    typical = torch.cat([crops(16, 0), ODD])
    export_onnx(plain, path, int8=True, calibration=typical, features=True)
    small = OnnxDetector.load(path)
    known, held_out = small.features(crops(100, 0)), small.features(crops(199, 1))
    reference = Reference.fit(known, np.arange(100) % 2 == 0, held_out)
    rewrite_card(replace(small, reference=reference), path)
    again = OnnxDetector.load(path)
    pictures = torch.cat([crops(5, 3), ODD])
    np.testing.assert_array_equal(again.score(pictures), small.score(pictures))
    assert again.unfamiliar(pictures).tolist() == [False] * 5 + [True]


def test_a_network_without_features_is_refused(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    maps = Detector(
        CDCN(width=4, seed=1).eval(),
        Preprocessing(32),
        Provenance("noise", True, "Apache-2.0", 0, 1, ""),
    )
    with pytest.raises(InputError, match="cdcn: gives no features"):
        maps.features(crops(2, 0))
    with pytest.raises(InputError, match="cdcn: gives no features"):
        export_onnx(maps, tmp_path / "a.onnx", features=True)
    assert list(tmp_path.iterdir()) == []
