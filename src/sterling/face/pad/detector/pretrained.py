"""The detector that is shipped with the package: `Compact` in 8-bit integers, ready to use.

``compact.json``, next to the weights, holds their training data, licences, the commands that
reproduce them, and measurements.
"""

import hashlib
import json
import re
from pathlib import Path

from sterling.errors import InputError
from sterling.face.pad.detector.base import CONFIG, DetectorBase, read_config
from sterling.face.pad.detector.onnx import OnnxDetector
from sterling.remote import is_address

CARD_FILE = "card.yaml"
"""Name of the card in a folder that `CardDetector.save_pretrained` wrote."""

SHIPPED = "compact"
"""The name by which commands know the shipped detector."""

WEIGHTS = Path(__file__).with_name("compact.onnx")
RECORD = Path(__file__).with_name("compact.json")


def shipped_detector(weights: Path = WEIGHTS, record: Path = RECORD) -> OnnxDetector:
    """Read the shipped detector.

    Args:
        weights: The ONNX file.
        record: Its provenance, which names the file's SHA-256.

    Raises:
        InputError: A file is missing, or the weights are not those that the record names.
    """
    again = "install sterling again"
    try:
        content, expected = weights.read_bytes(), json.loads(record.read_text("utf-8"))["sha256"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(f"shipped detector: cannot be read ({error}); {again}") from error
    if hashlib.sha256(content).hexdigest() != expected:
        raise InputError(f"{weights}: damaged, its SHA-256 is not that of {record.name}; {again}")
    return OnnxDetector.from_bytes(content, weights)


def load_detector(source: Path | str) -> DetectorBase:
    """Read a detector: the shipped one, a saved one, an exported one, or one of others.

    Args:
        source: ``"compact"``, a folder that `save_pretrained` wrote, an ``.onnx`` file that
            `export_onnx` wrote, a ``.yaml`` card of networks that others trained, a function as
            ``package.module:callable``, or an address, ``http://…`` (see
            `sterling.face.pad.detector.scorer` for both). Write ``./compact`` for a folder of that
            name.

    Raises:
        InputError: There is no such detector, or it is damaged.
    """
    if str(source) == SHIPPED:
        return shipped_detector()
    path = Path(source)
    if is_scorer(str(source)):
        from sterling.face.pad.detector.scorer import ScorerDetector  # needs PyYAML and pydantic

        return ScorerDetector.named(str(source))
    if path.suffix == ".onnx":
        return OnnxDetector.load(path)
    if path.suffix in (".yaml", ".yml") or (path / CARD_FILE).exists():
        return _of_card(path)
    if read_config(path / CONFIG)["format"] in (OnnxDetector.format, OnnxDetector.former):
        return OnnxDetector.from_pretrained(path)
    from sterling.face.pad.detector.detector import Detector  # needs PyTorch

    return Detector.from_pretrained(path)


def is_scorer(source: str) -> bool:
    """Whether a detector is named as ``package.module:callable``, or as an address."""
    named = re.fullmatch(r"[^\W\d]\w*(\.\w+)*:\w+", source) and not Path(source).exists()
    return bool(named) or is_address(source)


def _of_card(path: Path) -> DetectorBase:
    from sterling.face.pad.detector.card import ScorerCard, read_card_file  # needs PyYAML
    from sterling.face.pad.detector.card_detector import CardDetector  # needs SciPy
    from sterling.face.pad.detector.scorer import ScorerDetector

    if path.suffix not in (".yaml", ".yml"):
        if (path / CONFIG).exists():
            raise InputError(f"{path}: holds {CONFIG} and {CARD_FILE}, two detectors; remove one")
        path /= CARD_FILE
    card = read_card_file(path)
    if isinstance(card, ScorerCard):
        return ScorerDetector.of(card, str(path))
    return CardDetector.load(path)
