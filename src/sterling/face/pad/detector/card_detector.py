"""Detectors that others trained, run under ONNX Runtime as their card says."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, softmax

from sterling.errors import InputError
from sterling.face.data.align import CropSpec
from sterling.face.data.pixels import as_array
from sterling.face.pad.detector.base import DetectorBase, Provenance
from sterling.face.pad.detector.card import (
    Card,
    Kind,
    NetworkCard,
    read_card_file,
    write_card_file,
)
from sterling.face.pad.detector.preprocessing import Preprocessing
from sterling.face.pad.detector.pretrained import CARD_FILE
from sterling.face.pad.networks.interface import Interface
from sterling.files import open_regular, within
from sterling.storage import write_atomically

if TYPE_CHECKING:
    from torch import Tensor

NOWHERE = "/nonexistent/sterling"
"""Folder of weights outside an ONNX file, so that there are none."""

_BEYOND = 1e-3  # by which a probability may leave [0, 1], as rounding in float16 makes it
_OFF_1 = 0.01  # by which the sum of probabilities may miss 1


@dataclass(frozen=True)
class CardPreprocessing(Preprocessing):
    """Crops of a card's networks; their colour and range are in the card.

    Attributes:
        further: `crop_scale` of further crops of the same face, which lie behind the first.
    """

    further: tuple[float, ...] = ()

    @classmethod
    def of_card(cls, card: Card) -> CardPreprocessing:
        """Return the crops of a card: every scale once."""
        first, scales = card.networks[0], scales_of(card)
        found = "none" if first.crop_scale is None else "CenterFace"
        return cls(first.size, scales[0], found, "none", first.border, scales[1:])

    def crop_specs(self) -> tuple[CropSpec, ...]:
        """Return the settings of every crop."""
        further = (replace(self.crop_spec(), scale=scale) for scale in self.further)
        return (self.crop_spec(), *further)

    def scaled(self, factor: float) -> Self:
        """Return the same with crops that show `factor` times as much around the face."""
        further = tuple(factor * scale for scale in self.further)
        return replace(super().scaled(factor), further=further)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {each.name: getattr(self, each.name) for each in fields(self)}


def scales_of(card: Card) -> tuple[Any, ...]:
    """Crop scales of a card, every one once, in the order of its networks."""
    return tuple(dict.fromkeys(network.crop_scale for network in card.networks))


@dataclass(frozen=True, eq=False)
class Graph:
    """An ONNX file under ONNX Runtime, on the CPU, without weights in other files.

    Attributes:
        path: Named in errors.
        content: The file.
        session: The ``onnxruntime.InferenceSession``.
        shape: Shape of the only input; None for an axis that may have any length.
    """

    path: Path
    content: bytes
    session: Any
    shape: tuple[int | None, ...]

    @classmethod
    def load(cls, path: Path) -> Graph:
        """Read an ONNX file.

        Raises:
            InputError: It is missing, damaged, refers to other files, or takes other input than
                one batch of pictures in float32.
        """
        import onnxruntime

        with open_regular(path, "ONNX file") as file:
            content = file.read()
        options = onnxruntime.SessionOptions()
        options.log_severity_level = 4  # its errors are raised as well
        options.add_session_config_entry(
            "session.model_external_initializers_file_folder_path", NOWHERE
        )
        try:
            session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except Exception as error:  # onnxruntime's errors have no common public base
            raise InputError(f"{path}: not a network that can be run ({_line(error)})") from error
        inputs = session.get_inputs()
        if len(inputs) != 1 or inputs[0].type != "tensor(float)" or len(inputs[0].shape) != 4:
            said = ", ".join(f"{one.name} {one.type} {one.shape}" for one in inputs)
            raise InputError(f"{path}: takes {said}; only one batch of pictures in float32 is fed")
        shape = tuple(side if isinstance(side, int) else None for side in inputs[0].shape)
        if shape[0] not in (None, 1):
            raise InputError(f"{path}: takes {shape[0]} pictures at once; export it for one or any")
        return cls(path, content, session, shape)

    @property
    def sha256(self) -> str:
        """SHA-256 of the file."""
        return hashlib.sha256(self.content).hexdigest()

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs."""
        return tuple(one.name for one in self.session.get_outputs())

    def run(
        self, pixels: NDArray[np.float32], output: str, batch_size: int, *, mean: bool = False
    ) -> NDArray[np.float64]:
        """Return the named output for N pictures, (N, K); with `mean` its mean, (N, 1).

        Raises:
            InputError: The network cannot take them, or answers with a map.
        """
        step = 1 if self.shape[0] == 1 else batch_size
        name = self.session.get_inputs()[0].name
        parts = []
        for start in range(0, len(pixels), step):
            given = pixels[start : start + step]
            try:
                answer = np.asarray(self.session.run([output], {name: given})[0], np.float64)
            except Exception as error:
                raise InputError(
                    f"{self.path}: cannot take {given.shape} ({_line(error)})"
                ) from error
            if answer.shape[:1] != (len(given),):
                raise InputError(
                    f"{self.path}: output {output} is {answer.shape} for {len(given)} pictures; "
                    "choose one with a row per picture"
                )
            if mean:
                answer = answer.reshape(len(given), -1).mean(axis=1)
            if sum(side > 1 for side in answer.shape[1:]) > 1:
                raise InputError(
                    f"{self.path}: output {output} is {answer.shape}, a map; choose one of "
                    "numbers, or state the kind map for its mean"
                )
            parts.append(answer.reshape(len(given), -1))
        return np.concatenate(parts)


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


@dataclass(frozen=True, eq=False)
class CardDetector(DetectorBase):
    """Networks of others as a detector (see `DetectorBase`).

    The score is the mean of the networks' probabilities of bona fide, in [0, 1]; with the kind
    ``"score"`` it is the network's number, negated where low means bona fide. It is not finite
    where a network's answer is not.

    Attributes:
        described: The card.
        graphs: The networks, in the card's order.
    """

    described: Card = field(kw_only=True)
    graphs: tuple[Graph, ...] = field(kw_only=True)

    @classmethod
    def load(cls, path: Path | str) -> CardDetector:
        """Read a card and its networks, and run each once.

        Raises:
            InputError: A file is missing, damaged or outside the card's folder, a network is not
                the one that the card was written for, or does not answer as the card says.

        Examples:
            >>> detector = CardDetector.load("minifasnet.yaml")  # doctest: +SKIP
        """
        path = Path(path)
        card = read_card_file(path)
        if not isinstance(card, Card):
            raise InputError(f"{path}: is the card of a scorer, without networks; load_detector")
        graphs = []
        for number, network in enumerate(card.networks):
            graph = Graph.load(within(path.parent, network.file))
            if graph.sha256 != network.sha256:
                raise InputError(
                    f"{path}: networks.{number}.sha256 is not that of {network.file}; get the file "
                    "that the card was written for, or write a card for this one"
                )
            graphs.append(graph)
        return cls.of(card, graphs, str(path))

    @classmethod
    def of(cls, card: Card, graphs: Sequence[Graph], source: str = "card") -> CardDetector:
        """Build from a card and its networks; `source` is named in errors.

        Raises:
            InputError: A network does not answer as the card says.
        """
        detector = cls(
            model=_interface(card),
            preprocessing=CardPreprocessing.of_card(card),
            provenance=Provenance(card.data, False, card.licence, 0, 0, "", {}),
            threshold=card.parsed_threshold(),
            margin=card.margin,
            limits=card.parsed_limits(),
            promise=card.promise,
            described=card,
            graphs=tuple(graphs),
        )
        size = card.networks[0].size
        black = np.zeros((1, 3, size, size), np.uint8)
        for number, (network, graph) in enumerate(zip(card.networks, graphs, strict=True)):
            try:
                _require_fit(network, graph)
                _bona_fide(network, graph, black, 1)
            except InputError as error:
                raise InputError(f"{source}: networks.{number}: {error}") from error
        return detector

    def score(
        self,
        images: Tensor | NDArray[np.uint8],
        *,
        present: Tensor | NDArray[np.bool_] | None = None,
        batch_size: int = 16,
    ) -> NDArray[np.float64]:
        """Score presentations; see `DetectorBase`."""
        self.preprocessing.require(images, self.model)
        if present is not None and not as_array(present).all():
            raise InputError("present: this detector needs rgb")
        pixels, scales = as_array(images), scales_of(self.described)
        if not len(pixels):
            return np.zeros(0)
        answers = []
        for network, graph in zip(self.described.networks, self.graphs, strict=True):
            place = 3 * scales.index(network.crop_scale)
            answers.append(_bona_fide(network, graph, pixels[:, place : place + 3], batch_size))
        mean: NDArray[np.float64] = np.mean(answers, axis=0)
        return mean

    @property
    def caution(self) -> str:
        """Say what the check on photographs lacks; ``""`` for nothing."""
        checked = self.described.checked
        if checked is None:
            return (
                "this card is UNCHECKED: a wrong colour order or range of values gives wrong "
                "answers silently; check it with sterling face card --live PHOTO"
            )
        if checked.settings != self.described.settings():
            return (
                "this card was CHANGED since it was checked; check it again with sterling face "
                "card --live PHOTO"
            )
        if checked.others:
            return (
                f"this card was checked on {1 + checked.attacks} photographs, of which "
                f"{checked.others} other settings say the same; check it on more (--attack PHOTO)"
            )
        return ""

    def save_pretrained(self, folder: Path | str) -> None:
        """Write ``card.yaml`` and the networks into `folder`; see `DetectorBase`."""
        folder = Path(folder)
        for network, graph in zip(self.described.networks, self.graphs, strict=True):
            write_atomically(within(folder, network.file), graph.content)
        write_card_file(self.described.of(self), folder / CARD_FILE)

    def card(self) -> dict[str, Any]:
        """Return everything but the weights as one JSON object."""
        checked = self.described.checked
        return {
            **super().card(),
            "provenance": {"data": self.described.data, "licence": self.described.licence},
            "checked": None if checked is None else checked.model_dump(),
        }


def _interface(card: Card) -> Interface:
    facts: Mapping[str, Any] = {
        "name": card.name,
        **({"note": card.note} if card.note else {}),
        **{f"network {i}": network.line() for i, network in enumerate(card.networks)},
        **{f"SHA-256 of network {i}": network.sha256 for i, network in enumerate(card.networks)},
    }
    return Interface(facts, ("rgb",), 1, False, len(scales_of(card)))


def _require_fit(network: NetworkCard, graph: Graph) -> None:
    """Refuse a network whose graph takes other input, or has no such output."""
    size = network.size
    expected = (3, size, size) if network.layout == "NCHW" else (size, size, 3)
    if any(
        side not in (None, wanted) for side, wanted in zip(graph.shape[1:], expected, strict=True)
    ):
        taken = ", ".join("any" if side is None else str(side) for side in graph.shape[1:])
        raise InputError(f"the graph takes ({taken}), the card's size and layout make {expected}")
    if network.output not in graph.outputs:
        raise InputError(f"output is {network.output!r}; the graph has {', '.join(graph.outputs)}")


def network_input(network: NetworkCard, pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Turn crops uint8 (N, 3, S, S) in RGB into what a network takes."""
    ordered = pixels if network.colour == "RGB" else pixels[:, ::-1]
    mean, deviation = (
        np.array(values, np.float32)[:, None, None] for values in (network.mean, network.deviation)
    )
    values = (ordered.astype(np.float32) / np.float32(255 // network.range) - mean) / deviation
    return np.ascontiguousarray(
        values if network.layout == "NCHW" else values.transpose(0, 2, 3, 1), np.float32
    )


def _bona_fide(
    network: NetworkCard, graph: Graph, pixels: NDArray[np.uint8], batch_size: int
) -> NDArray[np.float64]:
    """Probability of bona fide for crops (N, 3, S, S), or the network's number; (N,)."""
    answer = graph.run(
        network_input(network, pixels), network.output, batch_size, mean=network.kind == "map"
    )
    return read_answer(network, answer)


def read_answer(network: NetworkCard, answer: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn a network's answers (N, K) into probabilities of bona fide (N,).

    With the kind ``"score"`` they are numbers, higher for bona fide.

    Raises:
        InputError: The answers are not of the kind that the card states.
    """
    classes, place = answer.shape[1], network.bona_fide
    single = classes == 1
    if single != (place in ("high", "low")):
        wanted = "high or low" if single else f"an index from 0 to {classes - 1}"
        raise InputError(f"bona_fide is {place}, but output {network.output} takes {wanted}")
    if isinstance(place, int) and place >= classes:
        raise InputError(f"bona_fide is {place}, but output {network.output} has {classes} classes")
    kinds = ("probabilities", "log odds", "score", "map") if single else ("probabilities", "logits")
    if network.kind not in kinds:
        raise InputError(
            f"kind is {network.kind}, but output {network.output} has {classes} numbers: state "
            f"{' or '.join(kinds)}"
        )
    if network.kind in ("probabilities", "map"):
        _require_probabilities(answer, network.kind)
        answer = answer if not single else np.concatenate([1 - answer, answer], axis=1)
        return answer[:, _class(place)]
    if network.kind == "logits":
        found: NDArray[np.float64] = softmax(answer, axis=1)[:, _class(place)]
        return found
    signed = answer[:, 0] if place == "high" else -answer[:, 0]
    return signed if network.kind == "score" else np.asarray(expit(signed))


def _class(place: int | str) -> int:
    return place if isinstance(place, int) else int(place == "high")


def _require_probabilities(answer: NDArray[np.float64], kind: Kind) -> None:
    known = answer[np.isfinite(answer).all(axis=1)]
    total = known.sum(axis=1) if answer.shape[1] > 1 else np.ones(len(known))
    outside = (known < -_BEYOND) | (known > 1 + _BEYOND)
    if outside.any() or (abs(total - 1) > _OFF_1).any():
        raise InputError(
            f"kind is {kind}, but the network answers numbers that are no probabilities; state "
            "logits, log odds or score"
        )


def with_settings(detector: CardDetector, **settings: Any) -> CardDetector:
    """Return the same networks with another colour, range or class, the same for all."""
    networks = [network.model_copy(update=settings) for network in detector.described.networks]
    return replace(detector, described=detector.described.model_copy(update={"networks": networks}))
