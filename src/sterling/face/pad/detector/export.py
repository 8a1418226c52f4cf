"""Export of a detector to ONNX, optionally in 8-bit integers, with a check of equal scores."""

import hashlib
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.face.pad.detector.base import DetectorBase
from sterling.face.pad.detector.detector import Detector
from sterling.face.pad.detector.onnx import CARD, SEAL, UNSEALED, OnnxDetector, sealed
from sterling.face.pad.layers.cdc import fold
from sterling.face.pad.networks.network import Network
from sterling.storage import write_atomically

_OPSET = 18


@dataclass(frozen=True)
class ExportReport:
    """Files of an export, and the distance of its scores from PyTorch's.

    Attributes:
        path: The file.
        size: Its bytes.
        sha256: Its digest.
        max_difference: Largest absolute difference of a score on the compared images.
        compared: Number of compared images.
    """

    path: Path
    size: int
    sha256: str
    max_difference: float
    compared: int


class _Graph(nn.Module):
    """Pixels in, and for flexible networks which modalities there are; score, map, features out."""

    def __init__(self, network: Network, *, features: bool) -> None:
        super().__init__()
        self.network = network
        self.features = features

    def forward(self, images: Tensor, present: Tensor | None = None) -> tuple[Tensor, ...]:
        output = self.network((images.float() - 127.5) / 128, present)
        score = self.network.liveness(output)
        maps = () if output.maps is None else (output.maps,)
        features = (output.embedding,) if self.features and output.embedding is not None else ()
        return (score, *maps, *features)


def export_onnx(
    detector: Detector,
    path: Path | str,
    *,
    int8: bool = False,
    exact: int = 0,
    calibration: Tensor | None = None,
    tolerance: float | None = None,
    features: bool = False,
) -> ExportReport:
    """Write `detector` as one ONNX file: ``images`` uint8 (N, [T,] C, S, S) to ``score``, ``map``.

    A flexible-modal network has a second input, ``present`` bool (N, M); a network without maps has
    no output ``map``; a detector with a reference has a further output, ``features`` (N, D). The
    convolutions are folded and batch norm is fused. Normalisation is part of the graph, so nothing
    is left to guess; threshold, preprocessing, provenance, limits and reference travel in the
    file's metadata under ``sterling.card``. Before the file appears its scores are compared with
    PyTorch's, on random pixels and on `calibration`, for a flexible network also with each modality
    alone.

    Args:
        detector: Detector to export.
        path: The file to write.
        int8: Quantise weights (per channel) and activations to 8 bits, statically.
        exact: Number of convolutions, from the input on, that `int8` leaves in floating point.
            They hold few of the weights, and in small networks most of what 8 bits cost.
        calibration: uint8 (N, [T,] C, S, S), typical crops: needed with `int8` for the ranges of
            the activations, and otherwise only compared.
        tolerance: Largest difference allowed between a score here and in PyTorch. By default 1e-4,
            and 0.05 with `int8`.
        features: Write the output ``features`` without a reference, too. Features in 8 bits differ:
            export with them, fit a `Reference` on those of the exported detector, and give it that
            reference by `rewrite_card`. Activations beyond those of `calibration` are cut off, so
            that what is unfamiliar may look less so.

    Raises:
        InputError: `exact` is negative, features of a network that has none, `int8` without
            calibration images, images that do not fit, or scores that differ by more than
            `tolerance`; no file is written then.
    """
    check_numbers(at_least=0, exact=exact)
    path = Path(path)
    shape = detector.model.shape(detector.preprocessing.size)
    if calibration is not None:
        detector.preprocessing.require(calibration, detector.model)
    if int8 and (calibration is None or len(calibration) == 0):
        raise InputError("int8 export needs calibration images: pass some typical crops")
    if tolerance is None:
        tolerance = 0.05 if int8 else 1e-4

    pixels = np.random.default_rng(0).integers(0, 256, (4, *shape), dtype=np.uint8)
    compared = torch.from_numpy(pixels)
    if calibration is not None:
        # Quantisation ranges come from real crops; noise lies outside them and says nothing.
        compared = calibration if int8 else torch.cat([compared, calibration.cpu()])
    features = features or detector.reference is not None
    if features:
        detector.features(compared[:1])  # refused here where there are none
    content = _graph_bytes(detector, compared[:2].cpu(), features=features)
    if int8 and calibration is not None:
        modalities = len(detector.model.modalities) if detector.model.flexible else 0
        content = _quantised(content, calibration, modalities, exact)
    content = _with_card(content, detector)

    exported = OnnxDetector.from_bytes(content, path)
    differences = [
        np.abs(
            detector.score(compared, present=there) - exported.score(compared, present=there)
        ).max()
        for there in _presences(detector.model, len(compared))
    ]
    difference = float(max(differences))
    if not difference <= tolerance:
        raise InputError(
            f"{path}: not written, ONNX scores differ from PyTorch's by up to {difference:.2g}, "
            f"more than the tolerance {tolerance:g}"
        )
    write_atomically(path, content)
    digest = hashlib.sha256(content).hexdigest()
    return ExportReport(path, len(content), digest, difference, len(compared))


def rewrite_card(detector: OnnxDetector, path: Path | str) -> None:
    """Write an exported detector as one ONNX file again, with its present threshold and reference.

    Args:
        detector: Exported detector, of which `dataclasses.replace` may have changed threshold,
            margin, limits, reference or promise.
        path: The file to write.

    Raises:
        InputError: The file cannot be written.

    Examples:
        >>> exported = OnnxDetector.load("small.onnx")
        >>> rewrite_card(replace(exported, margin=0.5), "small.onnx")
    """
    write_atomically(Path(path), _with_card(detector.content, detector))


def _presences(network: Network, count: int) -> list[Tensor | None]:
    """List sets of present modalities: all, and for a flexible network each alone."""
    if not network.flexible:
        return [None]
    alone = torch.eye(len(network.modalities), dtype=torch.bool)
    return [None, *(row.expand(count, -1) for row in alone)]


def _graph_bytes(detector: Detector, example: Tensor, *, features: bool) -> bytes:
    folded = fold(detector.model).cpu()
    graph = _Graph(folded, features=features).eval()
    batch = torch.export.Dim("N")
    given: tuple[Tensor, ...] = (example,)
    if folded.flexible:
        given = (example, torch.ones(len(example), len(folded.modalities), dtype=torch.bool))
    names = ["images", "present"][: len(given)]
    with _quiet("torch.onnx", "onnxscript", "onnx_ir"):
        program = torch.onnx.export(
            graph,
            given,
            input_names=names,
            output_names=["score", *(["map"] * folded.has_map), *(["features"] * features)],
            dynamic_shapes={name: {0: batch} for name in names},
            opset_version=_OPSET,
            dynamo=True,
            verbose=False,
        )
    if program is None:
        raise AssertionError
    content: bytes = program.model_proto.SerializeToString()
    return content


@contextmanager
def _quiet(*names: str | None) -> Iterator[None]:
    """Keep advice that is not for the user, of loggers by name, off the screen; None is the root.

    The exporter's notes are to its own developers; what the quantiser advises is done already.
    """
    loggers = [logging.getLogger(name) for name in names]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)
            warnings.filterwarnings("ignore", ".*shares the same shape constraints", UserWarning)
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def _quantised(content: bytes, calibration: Tensor, modalities: int, exact: int) -> bytes:
    """The graph in 8 bits; `modalities` is M where it has the input ``present``, else 0."""
    import onnx
    from onnxruntime.quantization import (
        CalibrationDataReader,
        QuantFormat,
        QuantType,
        quantize_static,
    )
    from onnxruntime.quantization.shape_inference import quant_pre_process

    class Crops(CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.parts = iter(torch.split(calibration.cpu(), 8))

        def get_next(self) -> dict[str, NDArray[Any]] | None:
            part = next(self.parts, None)
            if part is None:
                return None
            whole = np.ones((len(part), modalities), dtype=np.bool_)
            return {"images": part.numpy(), **({"present": whole} if modalities else {})}

    with tempfile.TemporaryDirectory() as folder, _quiet(None):
        plain, ready, small = (Path(folder) / f"{name}.onnx" for name in ("plain", "ready", "int8"))
        plain.write_bytes(content)
        quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
        nodes = onnx.load(ready).graph.node
        convolutions = [node.name for node in nodes if node.op_type == "Conv"]
        quantize_static(
            str(ready),
            str(small),
            Crops(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            # Seven bits of weight: processors without VNNI add pairs of 8-bit products in 16 bits,
            # which overflow silently, so that one file would score differently on two machines.
            reduce_range=True,
            nodes_to_exclude=convolutions[:exact],
            op_types_to_quantize=["Conv", "Gemm", "MatMul", "MaxPool", "Concat", "Resize"],
        )
        return small.read_bytes()


def _with_card(content: bytes, detector: DetectorBase) -> bytes:
    import onnx

    model = onnx.load_from_string(content)
    seal = (SEAL + UNSEALED).decode()
    onnx.helper.set_model_props(model, {CARD: json.dumps(detector.card()), "sterling.seal": seal})
    onnx.checker.check_model(model)
    return sealed(model.SerializeToString())
