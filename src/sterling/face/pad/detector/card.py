"""Cards: how to use a liveness network that was trained elsewhere, as YAML beside its ONNX file.

`read_card_file` reads one, `write_card_file` writes one, and `CardDetector` runs the networks as
the card says. Nothing is filled in: with another crop, colour order or range of values a network
answers all the same, and wrongly. A `ScorerCard` names a function or an address instead of files
(`ScorerDetector`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Annotated, Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sterling.errors import InputError, unknown_name
from sterling.face.data.align import Border
from sterling.face.data.quality import Limits
from sterling.face.pad.detector.base import DetectorBase, read_threshold
from sterling.measure import Threshold
from sterling.storage import write_atomically
from sterling.yaml_files import read_yaml

FORMAT = "sterling-card-1"
SCORER_FORMAT = "sterling-scorer-1"
"""Bytes of a card, at most."""

MAKERS = "as its card states"
"""`Threshold.rule` of a threshold that a card states without saying how it was chosen."""

Colour = Literal["RGB", "BGR"]
Values = Literal[1, 255]
Layout = Literal["NCHW", "NHWC"]
Kind = Literal["probabilities", "logits", "log odds", "score", "map"]
Side = Literal["high", "low"]

Finite = Annotated[float, Field(allow_inf_nan=False)]
Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")


class NetworkCard(_Strict):
    """Input and output of one network.

    Its input is ((pixels · `range` / 255) − `mean`) / `deviation`, in channels of the order
    `colour`.

    Attributes:
        file: The ONNX file, relative to the card's folder.
        sha256: SHA-256 of the file.
        size: Side of the square input in pixels.
        crop_scale: Side of the crop over the longer side of the face box; None: the pictures are
            crops already.
        border: Handling of crops that leave the picture, see `CropSpec`.
        colour: Order of the channels.
        range: Largest value of a pixel before `mean` and `deviation` are applied.
        mean: Mean of each channel.
        deviation: Deviation of each channel.
        layout: Axes of the input.
        output: Name of the output that answers.
        kind: Meaning of the output: probabilities that add up to 1 (or one probability), logits of
            two classes or more, one log odds, one number on a scale of its own, or a map of
            probabilities, whose mean is taken.
        bona_fide: Index of the class bona fide, from 0; of an output of one number whether
            ``"high"`` or ``"low"`` means bona fide.
    """

    file: str
    sha256: Digest
    size: Annotated[int, Field(ge=1, le=4096)]
    crop_scale: Annotated[float, Field(gt=0, le=10)] | None
    border: Border
    colour: Colour
    range: Values
    mean: Annotated[tuple[Finite, Finite, Finite], Field(strict=False)]
    deviation: Annotated[tuple[Above0, Above0, Above0], Field(strict=False)]
    layout: Layout
    output: str
    kind: Kind
    bona_fide: Annotated[int, Field(ge=0, le=999)] | Side

    @field_validator("file")
    @classmethod
    def _stays_in_the_folder(cls, file: str) -> str:
        path = PurePosixPath(file)
        outside = path.is_absolute() or ".." in path.parts or not path.name
        if outside or "\\" in file or "\0" in file or PureWindowsPath(file).drive:
            raise ValueError("a card names files of its own folder: no absolute path, no '..'")
        return file

    def line(self) -> str:
        """Return one line for people."""
        crop = "no face box" if self.crop_scale is None else f"{self.crop_scale:g} × face box"
        answer = f"class {self.bona_fide}" if isinstance(self.bona_fide, int) else self.bona_fide
        return (
            f"{self.file}: {self.size} px, {crop}, border {self.border}, {self.colour}, values to "
            f"{self.range}, mean {_spelt(self.mean)}, deviation {_spelt(self.deviation)}, "
            f"{self.layout}, output {self.output} ({self.kind}), bona fide is {answer}"
        )


def _spelt(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in (values if len(set(values)) > 1 else values[:1]))


class Checked(_Strict):
    """Record of a check on a photograph that is known to be bona fide.

    Attributes:
        photo: SHA-256 of the photograph.
        score: Its score.
        attacks: Number of photographs of attacks that were called so.
        others: Number of other settings under which all of them get the same answers.
        settings: `Card.settings` that were checked.
    """

    photo: Digest
    score: Finite
    attacks: Annotated[int, Field(ge=0)]
    others: Annotated[int, Field(ge=0)]
    settings: Digest


class _Described(_Strict):
    """Fields of every card, see `Card` and `ScorerCard`.

    Attributes:
        name: Name of the detector.
        note: Anything that people should know, such as which face detector the networks' own code
            takes its box from.
        data: Name of the training data.
        licence: Licence of the weights.
        threshold: ``{value, source}`` as the maker states it, a threshold as `Threshold.to_json`
            writes it, or None.
        margin: Scores nearer to the threshold than this are answered "cannot tell".
        limits: Limits beyond which crops are not judged, as `Limits.to_dict` writes them; None, and
            absent in older cards: only small faces are not.
        promise: See `DetectorBase.promise`; absent in older cards.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    note: str
    data: str
    licence: str
    threshold: dict[str, Any] | None
    margin: Annotated[float, Field(ge=0, allow_inf_nan=False)]
    limits: dict[str, Any] | None = None
    promise: str = ""

    def parsed_threshold(self) -> Threshold | None:
        """Return the threshold.

        Raises:
            InputError: It is malformed.
        """
        if self.threshold is None:
            return None
        if self.threshold.keys() == {"value", "source"}:
            value, source = self.threshold["value"], self.threshold["source"]
            if isinstance(value, bool) or not isinstance(value, (int, float)):
                raise InputError(f"threshold: value is {value!r}, which is no number")
            return Threshold(float(value), rule=MAKERS, source=str(source))
        return read_threshold(self.threshold)

    def parsed_limits(self) -> Limits | None:
        """Return the limits.

        Raises:
            InputError: They are malformed.
        """
        return None if self.limits is None else Limits.from_dict(self.limits)

    def of(self, detector: DetectorBase) -> Self:
        """Return the card with a detector's threshold, margin, limits and promise."""
        threshold, stored = detector.threshold, self.threshold
        if threshold is not None and threshold != self.parsed_threshold():
            stored = json.loads(threshold.to_json())
        changed = {
            "threshold": stored,
            "margin": detector.margin,
            "limits": None if detector.limits is None else detector.limits.to_dict(),
            "promise": detector.promise,
        }
        return self.model_copy(update=changed)


class ScorerCard(_Described):
    """A detector that is a function of somebody's package, or a server: no weights lie here.

    Attributes:
        format: Name and version of the format.
        scorer: ``package.module:callable``, or an address, ``http://…``.
        size: Side of the square crops in pixels.
        crop_scale: Side of the crop over the longer side of the face box; None: the pictures are
            crops already.
        border: Handling of crops that leave the picture, see `CropSpec`.
    """

    format: Literal["sterling-scorer-1"]
    scorer: Annotated[str, Field(pattern=r"^\S+$", max_length=1000)]
    size: Annotated[int, Field(ge=1, le=4096)]
    crop_scale: Annotated[float, Field(gt=0, le=10)] | None
    border: Border


class Card(_Described):
    """A detector made of networks that were trained elsewhere.

    Attributes:
        format: Name and version of the format.
        networks: The networks; the score is the mean of their probabilities of bona fide.
        checked: Check on a photograph; None if there was none.
    """

    format: Literal["sterling-card-1"]
    networks: Annotated[list[NetworkCard], Field(min_length=1, max_length=16)]
    checked: Checked | None

    @field_validator("networks")
    @classmethod
    def _go_together(cls, networks: list[NetworkCard]) -> list[NetworkCard]:
        for name in ("size", "border"):
            values = list(dict.fromkeys(getattr(network, name) for network in networks))
            if len(values) > 1:
                raise ValueError(f"{name} is {values}: the networks of a card share one")
        if len({network.crop_scale is None for network in networks}) > 1:
            raise ValueError("crop_scale is null for all networks, or for none")
        if len(networks) > 1 and any(network.kind == "score" for network in networks):
            raise ValueError("kind is 'score', which has no probability to average: one network")
        return networks

    def settings(self) -> str:
        """SHA-256 of the networks' settings: a check holds for these and no others."""
        content = [network.model_dump(mode="json") for network in self.networks]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def read_card_file(path: Path) -> Card | ScorerCard:
    """Read a card of networks, or of a scorer.

    Raises:
        InputError: It is missing, too large, no YAML, or a field is missing, unknown or of another
            kind; the message names the field.
    """
    stored = read_yaml(path, "card")
    scorer = isinstance(stored, dict) and stored.get("format") == SCORER_FORMAT
    return parse_scorer_card(stored, str(path)) if scorer else parse_card(stored, str(path))


def parse_card(stored: Any, source: str) -> Card:
    """Build a card of networks from its object; `source` is named in errors.

    Raises:
        InputError: A field is missing, unknown or of another kind.
    """
    return _as(Card, FORMAT, stored, source)


def parse_scorer_card(stored: Any, source: str) -> ScorerCard:
    """Build a card of a scorer from its object; as `parse_card`."""
    return _as(ScorerCard, SCORER_FORMAT, stored, source)


_Any = TypeVar("_Any", Card, ScorerCard)


def _as(kind: type[_Any], form: str, stored: Any, source: str) -> _Any:
    if not isinstance(stored, dict) or stored.get("format") != form:
        raise InputError(f"{source}: 'format' is not {form!r}; not a card of a detector")
    try:
        card = kind.model_validate(stored)
    except (ValidationError, RecursionError) as error:
        raise InputError(f"{source}: {_first(error)}") from error
    try:
        card.parsed_threshold()
        card.parsed_limits()
    except InputError as error:
        raise InputError(f"{source}: {error}") from error
    return card


def _first(error: ValidationError | RecursionError) -> str:
    if isinstance(error, RecursionError):
        return "nested too deeply"
    first = error.errors(include_url=False, include_input=False)[0]
    field = ".".join(str(part) for part in first["loc"])
    return f"{field}: {first['msg'].removeprefix('Value error, ')}"


def write_card_file(card: Card | ScorerCard, path: Path) -> None:
    """Write a card, which `read_card_file` reads back.

    Raises:
        InputError: The place cannot be written to.
    """
    stored = card.model_dump(mode="json")
    text = yaml.safe_dump(stored, sort_keys=False, allow_unicode=True, width=100)
    write_atomically(path, text)


TEMPLATES_FILE = Path(__file__).with_name("card_templates.yaml")


def templates() -> Mapping[str, Mapping[str, Any]]:
    """Return cards of published networks by name, without files and digests.

    The package holds none of their weights.
    """
    found: Mapping[str, Mapping[str, Any]] = yaml.safe_load(TEMPLATES_FILE.read_text("utf-8"))
    return found


def template(name: str) -> Mapping[str, Any]:
    """Return one of `templates`.

    Raises:
        InputError: There is none of this name.
    """
    known = templates()
    if name not in known:
        raise unknown_name("card template", name, known)
    return known[name]
