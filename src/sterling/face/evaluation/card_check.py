"""Draft the card of a network that others trained, and check it on a photograph.

A network with the wrong colour order, range of values or class answers all the same. One photograph
that is known to be bona fide shows most such mistakes.

Examples:
    >>> changes = {"crop_scale": 2.7, "colour": "BGR"}
    >>> card = draft_card([Path("new.onnx")], Path("new.yaml"), changes)  # doctest: +SKIP
    >>> check = check_card(card, Path("new.yaml"), Path("me.jpg"))  # doctest: +SKIP
    >>> write_card_file(check.card, Path("new.yaml"))  # doctest: +SKIP
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.data import SMALLEST_FACE, FaceDetector, crop_pixels, read_pixels, resize_pixels
from sterling.face.pad.detector.card import FORMAT, Card, Checked, Colour, Values, parse_card
from sterling.face.pad.detector.card_detector import CardDetector, Graph, with_settings
from sterling.files import open_regular, within

ASSUMED: Mapping[str, Any] = {
    "crop_scale": 1.3,
    "border": "repeat",
    "colour": "RGB",
    "range": 255,
    "mean": (0.0, 0.0, 0.0),
    "deviation": (1.0, 1.0, 1.0),
}
"""Settings that no graph tells, where nothing is stated. Our choice."""

MIDDLE = 0.5
"""Score from which a card without threshold calls a face bona fide: an even probability."""


@dataclass(frozen=True)
class Draft:
    """A card that nobody has checked.

    Attributes:
        card: The card.
        assumed: Settings that neither its author nor the graph states.
    """

    card: Card
    assumed: Mapping[str, Any]


def draft_card(
    files: Sequence[Path],
    out: Path,
    stated: Mapping[str, Any],
    *,
    like: Mapping[str, Any] | None = None,
    details: Mapping[str, Any] | None = None,
) -> Draft:
    """Draft a card from what is stated, then from a template, the graph, and `ASSUMED`.

    Args:
        files: The ONNX files, in the folder of `out` or below it.
        out: Place of the card.
        stated: Settings of `NetworkCard` by name; a sequence of crop scales has one per file.
        like: One of `templates`.
        details: Fields of `Card` but for its networks.

    Raises:
        InputError: A file is no network, lies elsewhere, or its graph does not tell the size.
    """
    known = [] if like is None else list(like["networks"])
    if like is not None and len(known) != len(files):
        raise InputError(f"{len(files)} networks are given: {like['name']} has {len(known)}")
    assumed: dict[str, Any] = {}
    networks = []
    for number, file in enumerate(files):
        own = {**(known[number] if known else {}), **_of(stated, number, len(files))}
        graph = Graph.load(file)
        if "output" not in stated and own.get("output") not in graph.outputs:
            own["output"] = graph.outputs[0]
        network = {**ASSUMED, **_told(graph, own), **own}
        assumed |= {name: network[name] for name in ASSUMED.keys() - own.keys()}
        networks.append({"file": _below(file, out), "sha256": graph.sha256, **network})
    fields = {
        **{"format": FORMAT, "name": files[0].stem, "note": "", "data": "unknown"},
        **{"licence": "unknown", "threshold": None, "margin": 0.0, "checked": None},
        **{name: value for name, value in (like or {}).items() if name != "networks"},
        **(details or {}),
        "networks": networks,
    }
    return Draft(parse_card(fields, str(out)), assumed)


def _of(stated: Mapping[str, Any], number: int, count: int) -> dict[str, Any]:
    """Settings of one network."""
    own = dict(stated)
    scales = own.get("crop_scale")
    if isinstance(scales, (list, tuple)):
        if len(scales) not in (1, count):
            raise InputError(f"crop_scale: {len(scales)} are given for {count} networks")
        own["crop_scale"] = scales[number % len(scales)]
    return own


def _below(file: Path, out: Path) -> str:
    folder = out.resolve().parent
    if not file.resolve().is_relative_to(folder):
        raise InputError(f"{file}: a card names files of its own folder; copy it to {folder}")
    return file.resolve().relative_to(folder).as_posix()


def _told(graph: Graph, own: Mapping[str, Any]) -> dict[str, Any]:
    """Size, layout, kind and class as the graph and its answers to noise tell them."""
    _, *axes = graph.shape
    layout = own.get("layout", "NHWC" if axes[2] == 3 and axes[0] != 3 else "NCHW")
    height, width = axes[1:] if layout == "NCHW" else axes[:2]
    size = own.get("size", height or width)
    if size is None:
        raise InputError(f"{graph.path}: the graph takes pictures of any size; state it (--size)")
    if {height, width} - {None, size}:
        raise InputError(
            f"{graph.path}: takes {height}×{width} pixels, but crops are {size}×{size}"
        )
    shape = (2, 3, size, size) if layout == "NCHW" else (2, size, size, 3)
    noise = np.random.default_rng(0).random(shape, np.float32)
    mean = own.get("kind") == "map"
    answers = np.concatenate(
        [graph.run(factor * noise, own["output"], 2, mean=mean) for factor in (1, 255)]
    )
    classes = answers.shape[1]
    bounded = bool((answers >= 0).all() and (answers <= 1).all())
    told = {"size": size, "layout": layout}
    if classes == 1:
        return {**told, "kind": "probabilities" if bounded else "log odds", "bona_fide": "high"}
    adds_up = bounded and bool(np.allclose(answers.sum(axis=1), 1, atol=1e-3))
    return {**told, "kind": "probabilities" if adds_up else "logits", "bona_fide": 1}


@dataclass(frozen=True)
class Combination:
    """Scores under settings that may be the right ones.

    Attributes:
        changes: Settings that differ from the card's; empty for the card itself.
        live: Score of the photograph that is known to be bona fide; NaN where the network's
            answers do not go with the settings.
        attacks: Scores of the photographs that are known to be attacks.
        threshold: Score from which a face is called bona fide.
    """

    changes: Mapping[str, Any]
    live: float
    attacks: tuple[float, ...]
    threshold: float

    @property
    def accepts(self) -> bool:
        """Whether every photograph is called what it is known to be."""
        return self.live >= self.threshold and all(one < self.threshold for one in self.attacks)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON object."""
        return {
            "changes": dict(self.changes),
            "live": self.live if np.isfinite(self.live) else None,
            "attacks": [one if np.isfinite(one) else None for one in self.attacks],
            "passes": self.accepts,
        }


@dataclass(frozen=True)
class Check:
    """Scores of photographs under a card, and under other settings that may be the right ones.

    Attributes:
        card: The card, with the record of the check if it passed.
        combinations: The card's own settings first, then the plausible others.
    """

    card: Card
    combinations: tuple[Combination, ...]

    @property
    def passed(self) -> bool:
        """Whether the card calls every photograph what it is known to be."""
        return self.combinations[0].accepts

    @property
    def others(self) -> tuple[Combination, ...]:
        """Other settings that pass, the fewest changes first, then the highest score."""
        passing = [one for one in self.combinations[1:] if one.accepts]
        return tuple(sorted(passing, key=lambda one: (len(one.changes), -one.live)))

    def line(self, photo: Path) -> str:
        """Return one line for people."""
        own = self.combinations[0]
        if not self.passed:
            wrong = f"{photo} scores {own.live:.4f}, an attack"
            if own.live >= own.threshold:
                wrong = f"an attack scores {max(own.attacks):.4f}, bona fide"
            advice = "no other colour, range or class does better: look at crop_scale and mean"
            if self.others:
                fewest = len(self.others[0].changes)
                near = [one for one in self.others if len(one.changes) == fewest]
                advice = f"try {' or '.join(map(_spelt, near))}"
            return f"NOT checked: {wrong}; {advice}"
        said = f"checked: {photo} scores {own.live:.4f}, bona fide"
        if self.others:
            said += (
                f"; {len(self.others)} of {len(self.combinations) - 1} other settings pass, too, "
                "and more photographs tell them apart (--attack PHOTO)"
            )
        return said


def _spelt(one: Combination) -> str:
    change = ", ".join(f"{name}: {value}" for name, value in one.changes.items())
    return f"{change} (score {one.live:.4f})"


def check_card(card: Card, place: Path, live: Path, attacks: Sequence[Path] = ()) -> Check:
    """Score photographs under a card and under other colour orders, ranges and classes.

    Args:
        card: The card.
        place: File of the card, written already or not; networks lie in its folder.
        live: Photograph that is known to be bona fide.
        attacks: Photographs that are known to be attacks.

    Raises:
        InputError: A photograph cannot be read or shows no face, a network does not answer as the
            card says, or its score has a scale of its own and the card no threshold.
    """
    graphs = [Graph.load(within(place.parent, network.file)) for network in card.networks]
    detector = CardDetector.of(card, graphs, str(place))
    threshold = MIDDLE if detector.threshold is None else detector.threshold.value
    if detector.threshold is None and card.networks[0].kind == "score":
        raise InputError(
            f"{place}: a score has a scale of its own; state its threshold to check it"
        )
    finder = FaceDetector()
    crops = np.stack([_crops(detector, path, finder) for path in (live, *attacks)])
    combinations = []
    for changes in ({}, *_alternatives(detector)):
        values = _scores(with_settings(detector, **changes) if changes else detector, crops)
        combinations.append(Combination(changes, values[0], tuple(values[1:]), threshold))
    check = Check(card.model_copy(update={"checked": None}), tuple(combinations))
    if not check.passed:
        return check
    with open_regular(live, "photograph") as file:
        photo = hashlib.sha256(file.read()).hexdigest()
    checked = Checked(
        photo=photo,
        score=combinations[0].live,
        attacks=len(attacks),
        others=len(check.others),
        settings=card.settings(),
    )
    return replace(check, card=card.model_copy(update={"checked": checked}))


def _scores(detector: CardDetector, crops: NDArray[np.uint8]) -> list[float]:
    try:
        return [float(score) for score in detector.score(crops)]
    except InputError:  # such as class 2 of a second network that has two
        return [float("nan")] * len(crops)


def _alternatives(detector: CardDetector) -> list[dict[str, Any]]:
    """Changes of colour, range and class, the fewest first."""
    first, graph = detector.described.networks[0], detector.graphs[0]
    mean = first.kind == "map"
    count = graph.run(_black(detector), first.output, 1, mean=mean).shape[1]
    choices = {
        "colour": get_args(Colour),
        "range": get_args(Values),
        "bona_fide": tuple(range(count)) if count > 1 else ("high", "low"),
    }
    found = []
    for values in product(*choices.values()):
        chosen = dict(zip(choices, values, strict=True))
        found.append({name: one for name, one in chosen.items() if one != getattr(first, name)})
    return sorted((one for one in found if one), key=len)


def _black(detector: CardDetector) -> NDArray[np.float32]:
    first = detector.described.networks[0]
    shape = (3, first.size, first.size) if first.layout == "NCHW" else (first.size, first.size, 3)
    return np.zeros((1, *shape), np.float32)


def _crops(detector: CardDetector, path: Path, finder: FaceDetector) -> NDArray[np.uint8]:
    """The crops of the largest face, (3 · crops, S, S)."""
    picture, own = read_pixels(path), detector.preprocessing
    if own.crop_scale is None:
        return resize_pixels(picture, own.size)
    face = finder.largest(picture)
    if face is None or face.side < SMALLEST_FACE:
        raise InputError(
            f"{path}: no face of {SMALLEST_FACE} pixels or more; give a photograph of one"
        )
    return np.concatenate([crop_pixels(picture, face, spec) for spec in own.crop_specs()])
