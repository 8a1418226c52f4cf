"""The detector in the package: what its record says, and that it judges right after install."""

import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from sterling.cli import main
from sterling.errors import InputError
from sterling.face.capture.recaptured import Material, capture, portrait_of
from sterling.face.data import Face, FaceDetector, crop_face, read_image
from sterling.face.data.quality import SIZE_ONLY, Cut, check_cut
from sterling.face.pad import OnnxDetector, Preprocessing, load_detector, shipped_detector
from sterling.face.pad.detector.pretrained import RECORD, WEIGHTS
from sterling.measure import Threshold

ASTRONAUT = Path(__file__).resolve().parents[4] / "examples" / "photographs" / "astronaut.jpg"
LARGEST = 5_000_000  # bytes
SCALE = 2.7  # of the crops, over the face box


@pytest.fixture(scope="module")
def record() -> dict[str, Any]:
    read: dict[str, Any] = json.loads(RECORD.read_text("utf-8"))
    return read


@pytest.fixture(scope="module")
def shipped() -> OnnxDetector:
    return shipped_detector()


def test_the_weights_are_those_of_the_record_and_small(record: dict[str, Any]) -> None:
    content = WEIGHTS.read_bytes()
    assert hashlib.sha256(content).hexdigest() == record["sha256"]
    assert len(content) == record["bytes"] <= LARGEST


def test_the_record_says_where_the_weights_come_from(
    record: dict[str, Any], shipped: OnnxDetector
) -> None:
    assert record["licence"] == shipped.provenance.licence
    assert sum(record["trained on"]["people"].values()) > 100
    assert "gather_photographs" in record["trained on"]["captures"]
    notice = WEIGHTS.with_name("compact.NOTICE").read_text("utf-8")
    assert "EfficientNet-Lite0" in notice
    assert "Apache License, Version 2.0" in notice
    assert Preprocessing.from_dict(record["card"]["preprocessing"]) == shipped.preprocessing
    assert FaceDetector().name == shipped.preprocessing.face_detector
    assert shipped.preprocessing.border == "shift"
    assert record["card"]["provenance"]["simulated"] is True
    assert shipped.preprocessing.crop_scale == SCALE
    assert shipped.threshold is not None
    assert record["card"]["threshold"]["value"] == shipped.threshold.value
    assert "SIMULATED" in shipped.threshold.source
    assert {"torch", "onnxruntime"} <= record["versions"].keys()
    assert "tools.build_compact" in record["recipe"]
    for area in record["measured on captures of other people"]["AUC"].values():
        assert len(area) == 3
        assert area[1] <= area[0] <= area[2]
    assert record["float ONNX against PyTorch"]["largest score difference"] <= 1e-3
    changed = record["int8 against float"]
    assert abs(changed["AUC difference, low, high"][0]) <= 0.01
    assert changed["mean score difference"] <= 0.5  # log odds
    sizes = record["sizes"]
    assert len(sizes) == 3
    assert all(one["milliseconds"] > 0 and one["bytes"] <= LARGEST for one in sizes)


def test_scores_do_not_depend_on_the_batch(shipped: OnnxDetector) -> None:
    size = shipped.preprocessing.size
    images = torch.randint(0, 256, (5, 3, size, size), dtype=torch.uint8)
    together = shipped.score(images)
    alone = [float(shipped.score(one[None])[0]) for one in images]
    np.testing.assert_allclose(together, alone, atol=1e-5)


def test_damaged_weights_are_refused_in_one_line(tmp_path: Path) -> None:
    content = bytearray(WEIGHTS.read_bytes())
    content[len(content) // 2] ^= 1
    damaged = tmp_path / "compact.onnx"
    damaged.write_bytes(content)
    with pytest.raises(InputError, match="damaged, its SHA-256") as caught:
        shipped_detector(damaged)
    assert "\n" not in str(caught.value)
    with pytest.raises(InputError, match="install sterling again"):
        shipped_detector(tmp_path / "nothing.onnx")


def test_a_calibrated_copy_keeps_its_threshold_and_is_checked(
    shipped: OnnxDetector, tmp_path: Path
) -> None:
    threshold = Threshold(0.25, "up", "fixed", "here", 10, frozenset())
    shipped.with_threshold(threshold).save_pretrained(tmp_path)
    again = load_detector(tmp_path)
    assert isinstance(again, OnnxDetector)
    assert again.threshold == threshold
    assert again.provenance == shipped.provenance
    images = torch.full(
        (2, *shipped.model.shape(shipped.preprocessing.size)), 90, dtype=torch.uint8
    )
    np.testing.assert_array_equal(again.score(images), shipped.score(images))
    (tmp_path / "model.onnx").write_bytes(b"other")
    with pytest.raises(InputError, match="SHA-256"):
        load_detector(tmp_path)
    (tmp_path / "model.onnx").unlink()
    with pytest.raises(InputError, match="no such file"):
        load_detector(tmp_path)


def test_detectors_by_name_file_and_folder(tmp_path: Path) -> None:
    assert isinstance(load_detector("compact"), OnnxDetector)
    assert isinstance(load_detector(WEIGHTS), OnnxDetector)
    with pytest.raises(InputError, match="not a saved detector"):
        load_detector(tmp_path)
    (tmp_path / "config.json").write_text('{"format": "unheard of", "sha256": ""}')
    with pytest.raises(InputError, match="format"):
        load_detector(tmp_path)


def test_a_folder_of_the_former_exported_format_is_read(
    shipped: OnnxDetector, tmp_path: Path
) -> None:
    shipped.save_pretrained(tmp_path)
    path = tmp_path / "config.json"
    digest = hashlib.sha256((tmp_path / "model.onnx").read_bytes()).hexdigest()
    stored = {**json.loads(path.read_text()), "format": "sterling-pad-onnx-1", "sha256": digest}
    path.write_text(json.dumps(stored))
    read = load_detector(tmp_path)
    assert isinstance(read, OnnxDetector)
    assert read.threshold == shipped.threshold


@pytest.mark.smoke
def test_predict_right_after_install(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["face", "predict", str(ASTRONAUT), "--json"])
    assert stopped.value.code == 0
    said = json.loads(capsys.readouterr().out)
    assert said["detector"]["name"] == "compact"
    assert "SIMULATED" in said["threshold"]["source"]
    assert "sterling face calibrate compact" in said["threshold"]["advice"]
    (answer,) = said["answers"]
    assert {"outcome", "reason", "score", "threshold"} <= answer.keys()
    with pytest.raises(SystemExit):
        main(["face", "predict", str(ASTRONAUT)])
    assert "(SIMULATED)" in capsys.readouterr().out


def test_a_photograph_scores_above_what_is_made_of_it(shipped: OnnxDetector) -> None:
    # The astronaut took no part in training. The instruments are simulated.
    photograph = read_image(ASTRONAUT)
    face = FaceDetector().largest(photograph)
    assert face is not None
    own = shipped.preprocessing
    live = shipped.score(crop_face(photograph, face, own.crop_spec())[None])
    person = portrait_of(photograph.permute(1, 2, 0).numpy(), face.box)
    material = Material((person,))
    for species in ("print", "tablet", "television"):
        shown = [
            capture(material, person, species, own.size, np.random.default_rng(seed), (2.2, 2.7))
            for seed in range(12)
        ]
        seen = np.ascontiguousarray(np.stack(shown).transpose(0, 3, 1, 2))
        assert (shipped.score(seen) < live[0]).sum() >= 10, species


def test_a_face_that_fills_the_picture_is_not_judged(shipped: OnnxDetector) -> None:
    photograph = read_image(ASTRONAUT)
    face = FaceDetector().detect(photograph)[0]
    left, top, right, bottom = face.box
    own, answers = shipped.preprocessing.crop_spec(), {}
    for scale in (1.3, 1.8):
        half = scale * face.side / 2
        x, y = (left + right) / 2, (top + bottom) / 2
        place = tuple(round(v) for v in (y - half, y + half, x - half, x + half))
        portrait = photograph[:, place[0] : place[1], place[2] : place[3]].numpy()
        cut = Cut(np.ascontiguousarray(portrait), moved(face, place), own)
        refusal = check_cut(cut, shipped.limits or SIZE_ONLY)
        answers[scale] = refusal and refusal.reason
    assert answers == {1.3: "cut_off", 1.8: None}


def moved(face: Face, place: tuple[int, ...]) -> Face:
    """The same face in a part of the picture."""
    left, top, right, bottom = face.box
    x, y = place[2], place[0]
    return Face((left - x, top - y, right - x, bottom - y), face.landmarks, face.confidence)
