"""A detector under ONNX Runtime."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError
from sterling.face.pad.detector.base import DetectorBase, read_card

_CARD = "sterling.card"


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
