"""Exported detectors under ONNX Runtime, without PyTorch."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.data.pixels import as_array
from sterling.face.pad.detector.base import LARGEST, Answers, SealedDetector, read_card
from sterling.face.pad.detector.preprocessing import Preprocessing
from sterling.face.pad.networks.interface import Interface
from sterling.files import open_regular

if TYPE_CHECKING:
    from torch import Tensor

CARD = "sterling.card"
"""Key of `DetectorBase.card`'s object in the metadata of an ONNX file."""

SEAL = b"sterling.sha256:"
"""Comes before the SHA-256 of an ONNX file, which is computed with `UNSEALED` in its place."""

UNSEALED = b"0" * 64


def sealed(content: bytes) -> bytes:
    """Write the SHA-256 of an ONNX file into it, in place of `UNSEALED`."""
    place = content.index(SEAL) + len(SEAL)
    digest = hashlib.sha256(content).hexdigest().encode()
    return content[:place] + digest + content[place + len(UNSEALED) :]


def _require_seal(content: bytes, path: Path) -> None:
    """Refuse an ONNX file that was changed; older ones have no seal.

    Raises:
        InputError: Its SHA-256 is not the one within.
    """
    place = content.find(SEAL)
    if place < 0:
        return
    start = place + len(SEAL)
    blank = content[:start] + UNSEALED + content[start + len(UNSEALED) :]
    if hashlib.sha256(blank).hexdigest().encode() != content[start : start + len(UNSEALED)]:
        raise InputError(f"{path}: damaged, its SHA-256 is not the one within; export it again")


def _require_input(model: Interface, preprocessing: Preprocessing, shape: list[Any]) -> None:
    expected = model.shape(preprocessing.size)
    if tuple(shape[1:]) != expected:
        raise ValueError(f"the graph takes {tuple(shape[1:])} and the card says {expected}")


@dataclass(frozen=True, eq=False)
class OnnxDetector(SealedDetector):
    """An exported detector under ONNX Runtime, with the input checks of `Detector`.

    Attributes:
        session: The ``onnxruntime.InferenceSession``.
        content: The ONNX file's bytes.
        model: Name, arguments and input of the network.
    """

    format = "sterling-pad-onnx-2"
    former = "sterling-pad-onnx-1"
    file = "model.onnx"

    model: Interface
    session: Any = None
    content: bytes = field(default=b"", repr=False)

    @classmethod
    def load(cls, path: Path | str) -> OnnxDetector:
        """Read a file that `export_onnx` wrote, on the CPU.

        Raises:
            InputError: The file is missing, damaged, or was not written by `export_onnx`.
        """
        path = Path(path)
        with open_regular(path, "file", largest=LARGEST) as file:
            return cls.from_bytes(file.read(), path)

    @classmethod
    def from_bytes(
        cls, content: bytes, path: Path, card: Mapping[str, Any] | None = None
    ) -> OnnxDetector:
        """Build from the bytes of an ONNX file.

        Args:
            content: The bytes.
            path: Named in errors.
            card: Takes the place of the card within (see `DetectorBase.card`), if given.

        Raises:
            InputError: As `load`.
        """
        import onnxruntime

        _require_seal(content, path)
        try:
            session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
            within = json.loads(session.get_modelmeta().custom_metadata_map[CARD])
            card = within if card is None else card
            shapes = {given.name: given.shape for given in session.get_inputs()}
            model = Interface.of_graph(card["model"], shapes)
            attributes = read_card(card)
            _require_input(model, attributes["preprocessing"], shapes["images"])
        except Exception as error:  # onnxruntime's errors have no common public base
            detail = (str(error).splitlines() or [""])[0]
            raise InputError(f"{path}: not an exported detector ({detail})") from error
        return cls(model=model, session=session, content=content, **attributes)

    @classmethod
    def from_file(cls, path: Path, card: Mapping[str, Any]) -> OnnxDetector:
        """Build from an ONNX file; see `SealedDetector`."""
        return cls.from_bytes(path.read_bytes(), path, card)

    def weights(self) -> bytes:
        """The ONNX file."""
        return self.content

    def score(
        self,
        images: Tensor | NDArray[np.uint8],
        *,
        present: Tensor | NDArray[np.bool_] | None = None,
        batch_size: int = 16,
    ) -> NDArray[np.float64]:
        """Score presentations; see `DetectorBase`."""
        return self.answer(images, present=present, batch_size=batch_size).scores

    def answer(
        self,
        images: Tensor | NDArray[np.uint8],
        *,
        present: Tensor | NDArray[np.bool_] | None = None,
        batch_size: int = 16,
    ) -> Answers:
        """Score presentations and give their features; see `DetectorBase`."""
        self.preprocessing.require(images, self.model)
        count, modalities = len(images), self.model.modalities
        there = (
            np.ones((count, len(modalities)), np.bool_) if present is None else as_array(present)
        )
        if not self.model.flexible and not there.all():
            raise InputError(f"present: this detector needs {', '.join(modalities)}")
        given_out = {one.name for one in self.session.get_outputs()}
        names = ["score", *({"features"} & given_out)]
        parts = []
        for start in range(0, count, batch_size):
            rows = slice(start, start + batch_size)
            given = {"images": as_array(images[rows])}
            if self.model.flexible:
                given["present"] = there[rows]
            parts.append(self.session.run(names, given))
        columns = zip(*parts, strict=True)
        scores, *features = (np.concatenate(part).astype(np.float64) for part in columns)
        return Answers(scores, features[0] if features else None)
