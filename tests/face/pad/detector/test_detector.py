import dataclasses
import hashlib
import json
import pickle
import resource
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sterling.errors import InputError, StorageError
from sterling.face.data import CropSpec
from sterling.face.pad import (
    CDCN,
    Decision,
    Detector,
    Outcome,
    Preprocessing,
    Provenance,
    decide,
    margin_for,
)
from sterling.face.pad.detector import weights as weights_module
from sterling.face.pad.detector.base import seal
from sterling.face.pad.detector.describe import describe, multiply_adds
from sterling.face.pad.networks.cdcn_multimodal import CDCNMultimodal
from sterling.measure import Threshold
from sterling.testing import check_detector

Task = Callable[[int, int], tuple[Tensor, Tensor]]


@pytest.fixture
def saved(detector: Detector, tmp_path: Path) -> Path:
    detector.save_pretrained(tmp_path / "detector")
    return tmp_path / "detector"


def edit(folder: Path, change: Callable[[dict[str, Any]], object]) -> None:
    config = json.loads((folder / "config.json").read_text())
    change(config)
    if "sha256" in config:
        config["sha256"] = seal(config, (folder / "model.safetensors").read_bytes())
    (folder / "config.json").write_text(json.dumps(config))


def test_the_card_says_on_how_many_threads_was_trained() -> None:
    made = Provenance("random pixels", True, "CC0-1.0", 0, 0, "")
    assert made.versions["threads"] == str(torch.get_num_threads())


def test_round_trip_scores_bit_for_bit(detector: Detector, saved: Path, texture_task: Task) -> None:
    images, _ = texture_task(10, 5)
    loaded = Detector.from_pretrained(saved)
    assert np.array_equal(loaded.score(images), detector.score(images))
    assert loaded.card() == detector.card()
    assert loaded.threshold == detector.threshold
    assert loaded.preprocessing == detector.preprocessing
    loaded.save_pretrained(saved)  # saving over itself
    assert np.array_equal(Detector.from_pretrained(saved).score(images), detector.score(images))
    assert sorted(path.name for path in saved.iterdir()) == ["config.json", "model.safetensors"]


def test_score_is_the_mean_of_the_map_whatever_the_batch(
    detector: Detector, texture_task: Task
) -> None:
    images, _ = texture_task(10, 5)
    maps, scores = detector.score_maps(images), detector.score(images)
    assert maps.shape == (10, 4, 4)
    assert scores.dtype == np.float64
    np.testing.assert_allclose(scores, maps.mean(axis=(1, 2)), rtol=1e-5)
    np.testing.assert_allclose(detector.score(images, batch_size=3), scores, atol=1e-6)
    assert detector.score(images[:0]).shape == (0,)


@pytest.mark.no_cover
def test_a_trained_detector_keeps_the_contract(detector: Detector, texture_task: Task) -> None:
    images, _ = texture_task(60, 5)
    check_detector(detector.score, images[::2], images[1::2], tolerance=1e-4)


@pytest.mark.parametrize(
    "images",
    [
        torch.zeros(1, 3, 40, 40, dtype=torch.uint8),
        torch.zeros(1, 1, 32, 32, dtype=torch.uint8),
        torch.zeros(1, 3, 32, 32),
        torch.zeros(3, 32, 32, dtype=torch.uint8),
    ],
)
def test_other_input_is_refused(detector: Detector, images: Tensor) -> None:
    with pytest.raises(InputError, match=r"takes uint8 \(N, 3, 32, 32\)"):
        detector.score(images)


def test_decides_with_named_reasons(detector: Detector, texture_task: Task) -> None:
    images, _ = texture_task(2, 5)
    answers = detector.decide([images[0], "no_face", images[1]])
    assert [(a.outcome, a.reason) for a in answers] == [
        ("bona fide", "score"),
        ("cannot tell", "no_face"),
        ("attack", "score"),
    ]
    assert [a.outcome for a in detector.decide(["unreadable"])] == ["cannot tell"]
    assert detector.decide([]) == ()
    with pytest.raises(InputError, match="no threshold"):
        dataclasses.replace(detector, threshold=None).decide([images[0]])
    with pytest.raises(InputError, match="takes uint8"):
        detector.decide([images[0, :, :16]])


def test_missing_files(saved: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a saved detector"):
        Detector.from_pretrained(tmp_path / "nowhere")
    (saved / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"model\.safetensors: no such file"):
        Detector.from_pretrained(saved)


def damage_weights(saved: Path, content: bytes) -> None:
    (saved / "model.safetensors").write_bytes(content)
    edit(saved, lambda _config: None)


def test_pickle_and_torn_files_are_refused(saved: Path) -> None:
    whole = (saved / "model.safetensors").read_bytes()
    for content in (pickle.dumps({"a": 1}), b"", whole[: len(whole) // 2], whole[:-1]):
        damage_weights(saved, content)
        with pytest.raises(InputError, match="not a whole safetensors file") as caught:
            Detector.from_pretrained(saved)
        assert "\n" not in str(caught.value)


def test_changed_weights_are_refused(saved: Path) -> None:
    content = bytearray((saved / "model.safetensors").read_bytes())
    content[-1] ^= 1
    (saved / "model.safetensors").write_bytes(content)
    with pytest.raises(InputError, match="SHA-256"):
        Detector.from_pretrained(saved)


def test_weights_of_another_network_are_refused(saved: Path) -> None:
    damage_weights(saved, weights_module.encode(CDCN(5).state_dict()))
    with pytest.raises(InputError, match=r"stem\.0\.weight.*needs"):
        Detector.from_pretrained(saved)
    damage_weights(saved, weights_module.encode({"other": torch.zeros(1)}))
    with pytest.raises(InputError, match="tensor"):
        Detector.from_pretrained(saved)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c.update(format="other"), "format"),
        (lambda c: c.pop("model"), "model"),
        (lambda c: c["model"].update(width=-1), "width"),
        (lambda c: c["model"].update(depth=3), "depth"),
        (lambda c: c["preprocessing"].update(colour="BGR"), "colour"),
        (lambda c: c["preprocessing"].update(normalisation="x / 255"), "normalisation"),
        (lambda c: c["preprocessing"].pop("size"), "size"),
        (lambda c: c["preprocessing"].update(size=33), "size"),
        (lambda c: c["provenance"].pop("licence"), "licence"),
        (lambda c: c.pop("sha256"), "sha256"),
        (lambda c: c.update(margin="wide"), "margin|wide"),
    ],
)
def test_malformed_configuration_is_refused(
    saved: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit(saved, change)
    with pytest.raises(InputError, match=message) as caught:
        Detector.from_pretrained(saved)
    assert "config.json" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["{", "[]", "\xff"])
def test_configuration_that_is_not_an_object_is_refused(saved: Path, content: str) -> None:
    (saved / "config.json").write_text(content, encoding="latin-1")
    with pytest.raises(InputError, match=r"config\.json"):
        Detector.from_pretrained(saved)


def test_a_save_that_fails_leaves_the_old_detector(
    detector: Detector, saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(StorageError, match="No space left"):
        detector.save_pretrained(saved)
    monkeypatch.undo()
    Detector.from_pretrained(saved)
    assert sorted(path.name for path in saved.iterdir()) == ["config.json", "model.safetensors"]


@pytest.fixture
def threshold(detector: Detector) -> Threshold:
    assert detector.threshold is not None  # at 0.5
    return detector.threshold


def test_a_score_on_the_threshold_is_bona_fide(threshold: Threshold) -> None:
    below = float(np.nextafter(0.5, 0))
    outcomes = [answer.outcome for answer in decide([0.5, below], threshold)]
    assert outcomes == [Outcome.BONA_FIDE, Outcome.ATTACK]


def test_reasons(threshold: Threshold) -> None:
    answers = decide([0.9, 0.45, 0.4375, float("nan"), "too_small"], threshold, margin=0.0625)
    tell = Outcome.CANNOT_TELL
    assert answers == (
        Decision(Outcome.BONA_FIDE, "score", 0.9, 0.5),
        Decision(tell, "near_threshold", 0.45, 0.5),
        Decision(Outcome.ATTACK, "score", 0.4375, 0.5),  # the margin's edge is decided
        Decision(tell, "not_finite", None, 0.5),
        Decision(tell, "too_small", None, 0.5),
    )


def test_margin_leaves_the_stated_share_undecided(threshold: Threshold) -> None:
    scores = np.random.default_rng(0).uniform(0, 1, 1000)
    margin = margin_for(scores, threshold, share=0.1)
    answers = decide(scores.tolist(), threshold, margin=margin)
    undecided = sum(answer.outcome is Outcome.CANNOT_TELL for answer in answers)
    assert abs(undecided - 100) <= 1
    assert margin_for(scores, threshold, share=0.0) == 0.0


def test_wrong_input_is_refused(threshold: Threshold) -> None:
    with pytest.raises(InputError, match="margin"):
        decide([0.1], threshold, margin=-1.0)
    with pytest.raises(InputError, match="direction"):
        decide([0.1], dataclasses.replace(threshold, direction="down"))
    with pytest.raises(InputError, match="share"):
        margin_for([0.1], threshold, share=1.0)
    with pytest.raises(InputError, match="finite"):
        margin_for([np.nan], threshold, share=0.1)
    with pytest.raises(InputError, match="one score"):
        margin_for([], threshold, share=0.1)


def test_cdcn_costs_what_its_card_says() -> None:
    assert multiply_adds(CDCN(), 256) == pytest.approx(47.3e9, rel=0.005)


def test_folding_makes_theta_free_and_cost_grows_with_the_area() -> None:
    small = multiply_adds(CDCN(4), 32)
    assert multiply_adds(CDCN(4, theta=0.0), 32) == small
    assert multiply_adds(CDCN(4), 64) == 4 * small


def test_all_figures_are_of_one_presentation() -> None:
    network = CDCNMultimodal(4)
    found = describe(network, 32, repetitions=2)
    assert found["parameters"] == sum(p.numel() for p in network.parameters())
    assert found["multiply_adds"] == multiply_adds(network, 32)
    assert found["milliseconds"] > 0
    assert found["modalities"] == ["rgb", "depth", "ir"]
    assert found["any_subset"]
    assert (found["frames"], found["answer"]) == (1, "map")


@pytest.mark.parametrize("place", [("margin",), ("provenance", "data"), ("model", "theta")])
def test_one_digest_covers_card_and_weights(saved: Path, place: tuple[str, ...]) -> None:
    path = saved / "config.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(config, indent=7))  # the same card, written otherwise
    Detector.from_pretrained(saved)
    inner = config[place[0]] if len(place) > 1 else config
    inner[place[-1]] = 0.25
    path.write_text(json.dumps(config))
    with pytest.raises(InputError, match="SHA-256"):
        Detector.from_pretrained(saved)


def test_every_field_of_the_card_is_required_and_typed(saved: Path) -> None:
    whole = json.loads((saved / "config.json").read_text())
    parts = ("model", "preprocessing", "provenance", "threshold")
    places = [("", name) for name in (*parts, "margin")]
    places += [(part, name) for part in parts for name in whole[part] or ()]
    assert len(places) > 15
    for part, name in places:
        for other in ({}, {name: [[1]]}):
            if name == "border" and not other:
                continue  # cards from before borders are read
            config = json.loads(json.dumps(whole))
            inner = config[part] if part else config
            inner.pop(name)
            inner.update(other)
            edit(saved, dict.clear)
            edit(saved, config_of(config))
            with pytest.raises(InputError, match=r"config\.json"):
                Detector.from_pretrained(saved)


def config_of(config: dict[str, Any]) -> Callable[[dict[str, Any]], object]:
    return lambda stored: stored.update(config)


def test_a_card_without_the_scale_of_the_crop_is_no_card_for_whole_pictures(saved: Path) -> None:
    edit(saved, lambda c: c["preprocessing"].update(face_detector="CenterFace", crop_scale=1.3))
    Detector.from_pretrained(saved)
    edit(saved, lambda c: c["preprocessing"].pop("crop_scale"))
    with pytest.raises(InputError, match=r"missing or unknown \(crop_scale"):
        Detector.from_pretrained(saved)
    edit(saved, lambda c: c["preprocessing"].update(crop_scale=None))
    with pytest.raises(InputError, match="crop_scale is missing, but CenterFace"):
        Detector.from_pretrained(saved)


def test_a_card_from_before_borders_repeats_the_edge(detector: Detector, saved: Path) -> None:
    assert detector.card()["preprocessing"]["border"] == "repeat"  # new files say it
    edit(saved, lambda c: c["preprocessing"].pop("border"))
    assert Detector.from_pretrained(saved).preprocessing.border == "repeat"
    edit(saved, lambda c: c["preprocessing"].update(border="shift"))
    assert Detector.from_pretrained(saved).preprocessing.border == "shift"
    edit(saved, lambda c: c["preprocessing"].update(border=None))
    with pytest.raises(InputError, match="border"):
        Detector.from_pretrained(saved)


def test_preprocessing_says_how_crops_are_cut() -> None:
    own = Preprocessing(80, 2.7, "CenterFace", border="shift")
    assert own.crop_spec() == CropSpec(80, 2.7, border="shift")
    assert Preprocessing(80).crop_spec() == CropSpec(80)  # crops already: only their size changes


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c["model"].update(width=4000), "needs"),
        (lambda c: c["model"].update(width=10**9), "width is out of range"),
        (lambda c: c["preprocessing"].update(size=2**20), "size"),
        (lambda c: c["preprocessing"].update(crop_scale=1e9), "crop_scale"),
        (lambda c: c.update(margin=-1), "margin"),
        (lambda c: c.update(margin=True), "margin"),
    ],
)
def test_numbers_out_of_range_are_refused_before_memory_is_taken(
    saved: Path, change: Callable[[dict[str, Any]], object], message: str
) -> None:
    edit(saved, change)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(InputError, match=message):
        Detector.from_pretrained(saved)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_detectors_of_the_former_format_are_read(
    detector: Detector, saved: Path, texture_task: Task
) -> None:
    images, _ = texture_task(4, 1)
    config = json.loads((saved / "config.json").read_text())
    weights = (saved / "model.safetensors").read_bytes()
    config.update(format="sterling-pad-2", sha256=hashlib.sha256(weights).hexdigest())
    (saved / "config.json").write_text(json.dumps(config))
    assert np.array_equal(Detector.from_pretrained(saved).score(images), detector.score(images))
