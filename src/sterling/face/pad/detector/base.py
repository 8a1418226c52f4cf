"""The base of detectors: network, preprocessing, threshold, provenance, and the three answers."""

from __future__ import annotations

import hashlib
import json
import sys
from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from importlib.metadata import version
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.data.pixels import as_array
from sterling.face.data.quality import Limits
from sterling.face.pad.detector.decision import Decision, decide
from sterling.face.pad.detector.preprocessing import Preprocessing
from sterling.face.pad.detector.reference import Reference
from sterling.files import open_regular
from sterling.measure import Threshold
from sterling.storage import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

    from sterling.face.pad.networks.interface import Interface
    from sterling.face.pad.networks.network import Network

CONFIG = "config.json"
LARGEST = 1 << 31
"""Bytes of a file of weights, at most; our networks take a thousandth."""

_Kinds = Mapping[str, type | tuple[type, ...]]
_PROVENANCE: _Kinds = {
    "data": str,
    "simulated": bool,
    "licence": str,
    "seed": int,
    "items": int,
    "digest": str,
    "versions": dict,
}
_THRESHOLD: _Kinds = {
    "value": (int, float),
    "direction": str,
    "rule": str,
    "source": str,
    "n": int,
    "items": list,
    "resolved": bool,
}


def _versions() -> dict[str, str]:
    found = {name: version(name) for name in ("sterling", "torch")}
    if "torch" in sys.modules:  # who trains has imported it
        found["threads"] = str(sys.modules["torch"].get_num_threads())
    return found


@dataclass(frozen=True)
class Provenance:
    """Training data and licence of a detector.

    Attributes:
        data: Name of the training data.
        simulated: Whether that data is simulated.
        licence: Licence under which the weights may be used.
        seed: Seed of the training run.
        items: Number of training items.
        digest: SHA-256 of the training images and maps (`TrainHistory.digest`).
        versions: Package name to version at training time, and the number of threads: with another
            one sums are taken in another order, and weights differ in their last digits.
    """

    data: str
    simulated: bool
    licence: str
    seed: int
    items: int
    digest: str
    versions: Mapping[str, str] = field(default_factory=_versions)


class Answers(NamedTuple):
    """A detector's answers for N presentations.

    Attributes:
        scores: (N,), higher means bona fide.
        features: (N, D), inputs of the last layer, which turns them into the score; None from a
            network or a file that does not give them.
    """

    scores: NDArray[np.float64]
    features: NDArray[np.float64] | None


@dataclass(frozen=True, eq=False)
class DetectorBase(ABC):
    """A presentation attack detector for face crops: pictures or clips, of one modality or more.

    `Detector` runs it under PyTorch, `OnnxDetector` under ONNX Runtime, and `CardDetector` runs
    networks of others as their card says; all are dataclasses.

    Attributes:
        model: The network, or its description where another runtime holds it.
        preprocessing: Preprocessing of the crops; other input is refused.
        provenance: Training data and licence.
        threshold: Decision threshold with its origin; None while there is none.
        margin: Scores nearer to the threshold than this are answered "cannot tell".
        limits: Limits beyond which a crop is answered "cannot tell"; None: only faces below
            `SMALLEST_FACE` are.
        reference: Test of whether a presentation is like those that the detector was made for;
            None: not tested.
        promise: Guarantee of the threshold on recordings of the user's own camera, a sentence;
            ``""`` while nobody calibrated the detector: its error rates there are unknown.
    """

    model: Network | Interface
    preprocessing: Preprocessing
    provenance: Provenance
    threshold: Threshold | None = None
    margin: float = 0.0
    limits: Limits | None = None
    reference: Reference | None = None
    promise: str = ""

    @abstractmethod
    def score(
        self,
        images: Tensor | NDArray[np.uint8],
        *,
        present: Tensor | NDArray[np.bool_] | None = None,
        batch_size: int = 16,
    ) -> NDArray[np.float64]:
        """Score presentations, higher means bona fide.

        Args:
            images: uint8 (N, [T,] C, S, S) as `preprocessing` and the network say.
            present: bool (N, M), which modalities there are; None: all.
            batch_size: Presentations per forward pass.

        Returns:
            (N,), finite.

        Raises:
            InputError: Images of another type, size or number of channels, or an absent modality
                that is needed.
        """

    def answer(
        self,
        images: Tensor | NDArray[np.uint8],
        *,
        present: Tensor | NDArray[np.bool_] | None = None,
        batch_size: int = 16,
    ) -> Answers:
        """Score presentations and give their features at once; see `score`.

        A detector without its own implementation gives no features.
        """
        return Answers(self.score(images, present=present, batch_size=batch_size), None)

    def features(
        self,
        images: Tensor | NDArray[np.uint8],
        *,
        present: Tensor | NDArray[np.bool_] | None = None,
        batch_size: int = 16,
    ) -> NDArray[np.float64]:
        """Features (N, D) of presentations, to fit a `Reference` on; arguments as for `score`.

        Raises:
            InputError: As `score`, or the detector gives no features.
        """
        return self._features(self.answer(images, present=present, batch_size=batch_size))

    def unfamiliar(
        self,
        images: Tensor | NDArray[np.uint8],
        *,
        present: Tensor | NDArray[np.bool_] | None = None,
    ) -> NDArray[np.bool_]:
        """Whether each presentation is unlike those that the detector was made for, bool (N,).

        Without a reference none is.

        Raises:
            InputError: As `score`, or there is a reference and the detector gives no features.
        """
        if self.reference is None or not len(images):
            return np.zeros(len(images), dtype=np.bool_)
        return self.reference.unfamiliar(self.features(images, present=present))

    def _features(self, answers: Answers) -> NDArray[np.float64]:
        if answers.features is None:
            raise InputError(
                f"{self.model.name}: gives no features to tell what is unfamiliar; take a network "
                "with an embedding, such as compact, and export it with features"
            )
        return answers.features

    @abstractmethod
    def save_pretrained(self, folder: Path | str) -> None:
        """Write the detector into `folder`, made if missing, for `load_detector`.

        Raises:
            InputError: The folder cannot be written to.
        """

    @property
    def caution(self) -> str:
        """One line that every report of the detector repeats; ``""`` for none."""
        return ""

    @property
    def consent(self) -> str:
        """Option without which a saved copy is not loaded, after a blank; ``""`` for none."""
        return ""

    def with_threshold(self, threshold: Threshold) -> Self:
        """Return the same detector with another threshold, of which nothing is promised."""
        return replace(self, threshold=threshold, promise="")

    def decide(
        self,
        crops: Sequence[Tensor | NDArray[np.uint8] | str],
        *,
        there: Collection[str] | None = None,
    ) -> tuple[Decision, ...]:
        """Answer each presentation with bona fide, attack, or cannot tell.

        Args:
            crops: Per presentation a crop uint8 ([T,] C, S, S), or the reason there is none
                ("unreadable", "no_face", "too_small", ...), which is answered "cannot tell". With a
                `reference`, so is a crop that is "unfamiliar".
            there: Modalities that the crops hold; None: all.

        Raises:
            InputError: There is no threshold, a crop does not fit `preprocessing`, or a modality is
                absent that the network needs.
        """
        if self.threshold is None:
            raise InputError("this detector has no threshold: choose one on development data first")
        crops_only = [as_array(crop) for crop in crops if not isinstance(crop, str)]
        for crop in crops_only:
            self.preprocessing.require(crop[None], self.model)
        present = None
        if there is not None:
            row = [name in there for name in self.model.modalities]
            present = np.tile(row, (len(crops_only), 1))
        judged = iter(self._judged(np.stack(crops_only), present) if crops_only else [])
        answers = [crop if isinstance(crop, str) else next(judged) for crop in crops]
        return decide(answers, self.threshold, margin=self.margin)

    def _judged(
        self, crops: NDArray[np.uint8], present: NDArray[np.bool_] | None
    ) -> list[float | str]:
        """The score of each crop, or why it has none."""
        answers = self.answer(crops, present=present)
        scores: list[float | str] = answers.scores.tolist()
        if self.reference is None:
            return scores
        strange = self.reference.unfamiliar(self._features(answers)).tolist()
        return ["unfamiliar" if odd else score for odd, score in zip(strange, scores, strict=True)]

    def card(self) -> dict[str, Any]:
        """Return everything but the weights as one JSON object."""
        return {
            "model": self.model.to_dict(),
            "preprocessing": self.preprocessing.to_dict(),
            "provenance": asdict(self.provenance),
            "threshold": None if self.threshold is None else json.loads(self.threshold.to_json()),
            "margin": self.margin,
            "limits": None if self.limits is None else self.limits.to_dict(),
            "reference": None if self.reference is None else self.reference.to_dict(),
            "promise": self.promise,
        }


@dataclass(frozen=True, eq=False)
class SealedDetector(DetectorBase):
    """A detector that is saved as one file of weights and a ``config.json`` with their SHA-256.

    Class attributes:
        format: Name and version of the saved format, whose SHA-256 covers card and weights.
        former: The format before it, which is still read; its SHA-256 covers the weights alone.
        file: Name of the file of weights.
    """

    format: ClassVar[str]
    former: ClassVar[str]
    file: ClassVar[str]

    @abstractmethod
    def weights(self) -> bytes:
        """Content of the file of weights."""

    @classmethod
    @abstractmethod
    def from_file(cls, path: Path, card: Mapping[str, Any]) -> Self:
        """Build from a file of weights and `card`'s object.

        Raises:
            InputError: One is damaged or malformed.
        """

    def save_pretrained(self, folder: Path | str) -> None:
        """Write the weights and ``config.json`` into `folder`, made if missing.

        Each file is replaced at once, the weights first. The configuration holds a SHA-256 of
        itself and the weights, so that a save that was cut short between the two, or a field that
        was changed by hand, is refused when it is read.

        Raises:
            InputError: The folder cannot be written to.
        """
        weights = self.weights()
        config = {"format": self.format, "sha256": "", **self.card()}
        config["sha256"] = seal(config, weights)
        write_atomically(Path(folder) / self.file, weights)
        write_atomically(Path(folder) / CONFIG, (json.dumps(config, indent=2) + "\n").encode())

    @classmethod
    def from_pretrained(cls, folder: Path | str) -> Self:
        """Read what `save_pretrained` wrote.

        Raises:
            InputError: A file is missing, damaged, of another format, or the two do not belong
                together.
        """
        path, weights = Path(folder) / CONFIG, Path(folder) / cls.file
        config = read_config(path)
        if config["format"] not in (cls.format, cls.former):
            raise InputError(f"{path}: 'format' is not {cls.format!r}; not a detector of this kind")
        with open_regular(weights, "file", largest=LARGEST) as file:
            content = file.read()
        former = config["format"] == cls.former
        found = hashlib.sha256(content).hexdigest() if former else seal(config, content)
        if found != config["sha256"]:
            raise InputError(
                f"{weights}: the SHA-256 of it and of {CONFIG} is not the one stated there; save "
                "or copy both again"
            )
        return cls.from_file(weights, config)


def seal(config: Mapping[str, Any], weights: bytes) -> str:
    """Compute the SHA-256 of a configuration and of the weights that it belongs to.

    Args:
        config: The configuration; its own field ``sha256`` is left out.
        weights: Content of the file of weights.
    """
    card = {name: value for name, value in config.items() if name != "sha256"}
    digest = hashlib.sha256(json.dumps(card, sort_keys=True).encode())
    digest.update(b"\0" + weights)
    return digest.hexdigest()


def read_card(card: Mapping[str, Any]) -> dict[str, Any]:
    """Turn `DetectorBase.card`'s object back into the attributes, all but the network.

    Nothing is filled in: a field that is left out, such as the scale of the crop, would change the
    answers. Only limits, reference and promise are absent in older cards, which means there are
    none. What else the object holds is left alone.

    Raises:
        InputError: A field is missing, unknown, of another type or out of range.
    """
    for name in ("preprocessing", "provenance", "threshold", "margin"):
        if name not in card:
            raise InputError(f"field {name!r} is missing; save the detector again")
    threshold, margin = card["threshold"], card["margin"]
    limits, reference = card.get("limits"), card.get("reference")
    promise = card.get("promise", "")
    if not isinstance(promise, str):
        raise InputError(f"promise is {promise!r}: it is a sentence, or empty")
    if isinstance(margin, bool) or not isinstance(margin, (int, float)) or not 0 <= margin < inf:
        raise InputError(f"margin is {margin!r}: it is a number of 0 or more")
    return {
        "preprocessing": Preprocessing.from_dict(card["preprocessing"]),
        "provenance": Provenance(**_fields(card["provenance"], _PROVENANCE, "provenance")),
        "threshold": None if threshold is None else read_threshold(threshold),
        "margin": float(margin),
        "limits": None if limits is None else Limits.from_dict(limits),
        "reference": None if reference is None else Reference.from_dict(reference),
        "promise": promise,
    }


def read_threshold(stored: Any) -> Threshold:
    """Read a card's threshold, `Threshold.to_json`'s object.

    Raises:
        InputError: A field is missing, unknown or of another type.
    """
    fields = _fields(stored, _THRESHOLD, "threshold")
    if fields["direction"] != "up":
        raise InputError(f"threshold: direction is {fields['direction']!r}, a liveness score's up")
    if fields["n"] < 0 or not all(isinstance(item, str) for item in fields["items"]):
        raise InputError("threshold: n is a count, and items are digests; save the detector again")
    return Threshold.from_json(json.dumps(fields))


def _fields(stored: Any, kinds: _Kinds, of: str) -> dict[str, Any]:
    """Return an object of exactly these fields and types."""
    if not isinstance(stored, Mapping):
        raise InputError(f"{of}: is {stored!r} and no object; save the detector again")
    if odd := sorted(stored.keys() ^ kinds.keys()):
        raise InputError(
            f"{of}: fields are missing or unknown ({', '.join(odd)}); save the detector again"
        )
    for name, kind in kinds.items():
        value = stored[name]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise InputError(f"{of}: {name} is {value!r}, of another type; save the detector again")
    return dict(stored)


def read_config(path: Path) -> dict[str, Any]:
    """Read the JSON object that lies beside a detector's weights and names their SHA-256.

    Raises:
        InputError: It is missing or damaged.
    """
    if not path.exists():
        raise InputError(f"{path}: no such file; {path.parent} is not a saved detector")
    with open_regular(path, "configuration") as file:
        content = file.read()
    try:
        config = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: not readable as JSON ({error})") from error
    if not isinstance(config, dict) or "format" not in config:
        raise InputError(f"{path}: 'format' is missing; not the configuration of a detector")
    if not isinstance(config.get("sha256"), str):
        raise InputError(f"{path}: 'sha256' of the weights is missing")
    return config
