from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.face.pad import Detector, OnnxDetector, export_onnx
from sterling.face.pad.detector.onnx import SEAL

onnx = pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")
Task = Callable[[int, int], tuple[Tensor, Tensor]]


@pytest.fixture(scope="module")
def exported(detector: Detector, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return export_onnx(detector, tmp_path_factory.mktemp("onnx") / "detector.onnx").path


def test_scores_equal_pytorch_for_any_batch(
    detector: Detector, exported: Path, texture_task: Task
) -> None:
    images, _ = texture_task(11, 3)
    loaded = OnnxDetector.load(exported)
    for count in (1, 2, 11):
        np.testing.assert_allclose(
            loaded.score(images[:count]), detector.score(images[:count]), atol=1e-4
        )
    assert loaded.preprocessing == detector.preprocessing
    assert loaded.threshold == detector.threshold
    with pytest.raises(InputError, match="takes uint8"):
        loaded.score(torch.zeros(1, 3, 40, 40, dtype=torch.uint8))


def test_graph_is_plain_convolutions(exported: Path) -> None:
    kinds = [node.op_type for node in onnx.load(exported).graph.node]
    assert kinds.count("Conv") == 13
    assert "BatchNormalization" not in kinds


@pytest.mark.no_cover
def test_int8_is_smaller_and_keeps_every_decision(
    detector: Detector, exported: Path, texture_task: Task, tmp_path: Path
) -> None:
    calibration, _ = texture_task(32, 7)
    report = export_onnx(detector, tmp_path / "int8.onnx", int8=True, calibration=calibration)
    assert report.size == report.path.stat().st_size < exported.stat().st_size
    assert 0 < report.max_difference < 0.05
    images, maps = texture_task(40, 8)
    scores = OnnxDetector.load(report.path).score(images)
    assert np.array_equal(scores > 0.5, maps[:, 0, 0].numpy() == 1)
    assert np.abs(scores - detector.score(images)).max() < 0.1


@pytest.mark.no_cover
def test_exact_convolutions_stay_in_floats(
    detector: Detector, tmp_path: Path, texture_task: Task
) -> None:
    calibration, _ = texture_task(32, 7)
    quantised = {}
    for exact in (0, 5, 99):
        path = tmp_path / f"{exact}.onnx"
        report = export_onnx(detector, path, int8=True, exact=exact, calibration=calibration)
        graph = onnx.load(path).graph
        made = {name: node.op_type for node in graph.node for name in node.output}
        weights = [node.input[1] for node in graph.node if node.op_type == "Conv"]
        quantised[exact] = [made.get(name) == "DequantizeLinear" for name in weights]
        if exact == 99:  # the head is still in 8 bits
            assert report.max_difference < 0.002
    assert quantised[0] == [True] * 13
    assert quantised[5] == [False] * 5 + [True] * 8
    assert quantised[99] == [False] * 13


@pytest.mark.no_cover
def test_a_difference_above_the_tolerance_writes_nothing(
    detector: Detector, tmp_path: Path, texture_task: Task
) -> None:
    with pytest.raises(InputError, match="not written"):
        export_onnx(
            detector,
            tmp_path / "a.onnx",
            int8=True,
            calibration=texture_task(8, 7)[0],
            tolerance=1e-9,
        )
    assert list(tmp_path.iterdir()) == []


def test_int8_needs_calibration(detector: Detector, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="calibration"):
        export_onnx(detector, tmp_path / "a.onnx", int8=True)


def test_other_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such file"):
        OnnxDetector.load(tmp_path / "a.onnx")
    (tmp_path / "a.onnx").write_bytes(b"not a graph")
    with pytest.raises(InputError, match="not an exported detector"):
        OnnxDetector.load(tmp_path / "a.onnx")


def test_an_exported_file_that_was_changed_is_refused(exported: Path, tmp_path: Path) -> None:
    content = exported.read_bytes()
    assert SEAL in content
    for place in (100, len(content) // 2, content.index(b"crop_scale")):
        damaged = bytearray(content)
        damaged[place] ^= 1
        (tmp_path / "damaged.onnx").write_bytes(damaged)
        with pytest.raises(InputError, match="damaged, its SHA-256"):
            OnnxDetector.load(tmp_path / "damaged.onnx")


def test_a_card_of_another_size_than_the_graph_is_refused(exported: Path) -> None:
    whole = OnnxDetector.load(exported)
    card = whole.card()
    card["preprocessing"]["size"] *= 2
    with pytest.raises(InputError, match="the graph takes"):
        OnnxDetector.from_bytes(exported.read_bytes(), exported, card)
