"""Export of a detector to ONNX, optionally in 8-bit integers, with a check of equal scores."""

import hashlib
import json
import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.face.pad.detector.base import DetectorBase, read_card
from sterling.face.pad.detector.detector import Detector
from sterling.face.pad.detector.weights import write_whole
from sterling.face.pad.layers.cdc import fold
from sterling.face.pad.networks.network import Network

_OPSET = 18
_CARD = "sterling.card"


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
    """Pixels in, and for flexible networks which modalities there are; score out, and the map."""

    def __init__(self, network: Network) -> None:
        super().__init__()
        self.network = network

    def forward(self, images: Tensor, present: Tensor | None = None) -> tuple[Tensor, ...]:
        output = self.network((images.float() - 127.5) / 128, present)
        score = self.network.liveness(output)
        return (score,) if output.maps is None else (score, output.maps)


@dataclass(frozen=True, eq=False)
class OnnxDetector(DetectorBase):
    """An exported detector under ONNX Runtime, with the input checks of `Detector`.

    Attributes:
        session: The ``onnxruntime.InferenceSession``.
        content: The ONNX file's bytes.
        model: The architecture; its weights are not those of the graph.
    """

    format = "sterling-pad-onnx-1"
    file = "model.onnx"

    session: Any = None
    content: bytes = field(default=b"", repr=False)

    @classmethod
    def load(cls, path: Path | str) -> "OnnxDetector":
        """Read a file that `export_onnx` wrote, on the CPU.

        Raises:
            InputError: The file is missing, damaged, or was not written by `export_onnx`.
        """
        path = Path(path)
        if not path.is_file():
            raise InputError(f"{path}: no such file")
        return cls.from_bytes(path.read_bytes(), path)

    @classmethod
    def from_bytes(
        cls, content: bytes, path: Path, card: Mapping[str, Any] | None = None
    ) -> "OnnxDetector":
        """Build from the bytes of an ONNX file.

        Args:
            content: The bytes.
            path: Named in errors.
            card: Takes the place of the card within (see `DetectorBase.card`), if given.

        Raises:
            InputError: As `load`.
        """
        import onnxruntime

        try:
            session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
            within = json.loads(session.get_modelmeta().custom_metadata_map[_CARD])
            attributes = read_card(within if card is None else card)
        except Exception as error:  # onnxruntime's errors have no common public base
            detail = (str(error).splitlines() or [""])[0]
            raise InputError(f"{path}: not an exported detector ({detail})") from error
        return cls(session=session, content=content, **attributes)

    @classmethod
    def from_file(cls, path: Path, card: Mapping[str, Any]) -> "OnnxDetector":
        """Build from an ONNX file; see `DetectorBase`."""
        return cls.from_bytes(path.read_bytes(), path, card)

    def weights(self) -> bytes:
        """The ONNX file."""
        return self.content

    def score(
        self, images: Tensor, *, present: Tensor | None = None, batch_size: int = 16
    ) -> NDArray[np.float64]:
        """Score presentations; see `DetectorBase`."""
        self.preprocessing.require(images, self.model)
        count, modalities = len(images), self.model.modalities
        if present is None:
            present = torch.ones(count, len(modalities), dtype=torch.bool)
        elif not self.model.flexible and not bool(present.all()):
            raise InputError(f"present: this detector needs {', '.join(modalities)}")
        scores = []
        for rows in torch.split(torch.arange(count), batch_size):
            given = {"images": images[rows].numpy(force=True)}
            if self.model.flexible:
                given["present"] = present[rows].numpy(force=True)
            scores.append(self.session.run(["score"], given)[0])
        return np.concatenate(scores).astype(np.float64)


def export_onnx(
    detector: Detector,
    path: Path | str,
    *,
    int8: bool = False,
    calibration: Tensor | None = None,
    tolerance: float | None = None,
) -> ExportReport:
    """Write `detector` as one ONNX file: ``images`` uint8 (N, [T,] C, S, S) to ``score``, ``map``.

    A flexible-modal network has a second input, ``present`` bool (N, M); a network without maps has
    no output ``map``. The convolutions are folded and batch norm is fused. Normalisation is part of
    the graph, so nothing is left to guess; threshold, preprocessing and provenance travel in the
    file's metadata under ``sterling.card``. Before the file appears its scores are compared with
    PyTorch's, on random pixels and on `calibration`, for a flexible network also with each modality
    alone.

    Args:
        detector: Detector to export.
        path: The file to write.
        int8: Quantise weights (per channel) and activations to 8 bits, statically.
        calibration: uint8 (N, [T,] C, S, S), typical crops: needed with `int8` for the ranges of
            the activations, and otherwise only compared.
        tolerance: Largest difference allowed between a score here and in PyTorch. By default 1e-4,
            and 0.05 with `int8`.

    Raises:
        InputError: `int8` without calibration images, images that do not fit, or scores that differ
            by more than `tolerance`; no file is written then.
    """
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
    content = _graph_bytes(detector, compared[:2].cpu())
    if int8 and calibration is not None:
        modalities = len(detector.model.modalities) if detector.model.flexible else 0
        content = _quantised(content, calibration, modalities)
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
    write_whole(path, content)
    digest = hashlib.sha256(content).hexdigest()
    return ExportReport(path, len(content), digest, difference, len(compared))


def _presences(network: Network, count: int) -> list[Tensor | None]:
    """List sets of present modalities: all, and for a flexible network each alone."""
    if not network.flexible:
        return [None]
    alone = torch.eye(len(network.modalities), dtype=torch.bool)
    return [None, *(row.expand(count, -1) for row in alone)]


def _graph_bytes(detector: Detector, example: Tensor) -> bytes:
    folded = fold(detector.model).cpu()
    graph = _Graph(folded).eval()
    batch = torch.export.Dim("N")
    given: tuple[Tensor, ...] = (example,)
    if folded.flexible:
        given = (example, torch.ones(len(example), len(folded.modalities), dtype=torch.bool))
    names = ["images", "present"][: len(given)]
    with _quiet():
        program = torch.onnx.export(
            graph,
            given,
            input_names=names,
            output_names=["score", "map"][: 1 + folded.has_map],
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
def _quiet() -> Iterator[None]:
    """Keep the exporter's notes to its own developers off the user's screen."""
    loggers = [logging.getLogger(name) for name in ("torch.onnx", "onnxscript", "onnx_ir")]
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


def _quantised(content: bytes, calibration: Tensor, modalities: int) -> bytes:
    """The graph in 8 bits; `modalities` is M where it has the input ``present``, else 0."""
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

    with tempfile.TemporaryDirectory() as folder, _quiet_root():
        plain, ready, small = (Path(folder) / f"{name}.onnx" for name in ("plain", "ready", "int8"))
        plain.write_bytes(content)
        quant_pre_process(str(plain), str(ready), skip_symbolic_shape=True)
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
            op_types_to_quantize=["Conv", "Gemm", "MatMul", "MaxPool", "Concat", "Resize"],
        )
        return small.read_bytes()


@contextmanager
def _quiet_root() -> Iterator[None]:
    """The quantiser advises through the root logger; we already do what it says."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.ERROR)
    try:
        yield
    finally:
        root.setLevel(level)


def _with_card(content: bytes, detector: Detector) -> bytes:
    import onnx

    model = onnx.load_from_string(content)
    onnx.helper.set_model_props(model, {_CARD: json.dumps(detector.card())})
    onnx.checker.check_model(model)
    stored: bytes = model.SerializeToString()
    return stored
