"""The distance up to which two faces are taken for one person, chosen on faces of yours.

`choose_threshold` bounds the share of pairs of two people that match (FMR), `measure_rates` says
which error rates a threshold has on a gallery, with intervals that know that pairs share people.
Both refuse to promise what the gallery cannot carry.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError, NothingMeasuredError
from sterling.face.recognition.gallery import DLIB_THRESHOLD, Gallery
from sterling.files import open_regular
from sterling.measure import (
    Comparisons,
    Estimate,
    Interval,
    clustered_rate,
    pair_interval,
    tar_at_far,
)
from sterling.measure.threshold import Threshold, digest_items
from sterling.measure.verification import SEEN
from sterling.storage import write_atomically

FILE = "threshold.json"
"""Name of the file in a folder that `sterling face threshold` wrote."""


@dataclass(frozen=True)
class MatchRates:
    """Error rates of a threshold on a gallery.

    Attributes:
        people: Number of people.
        pictures: Number of pictures.
        fmr: Share of pairs of two people that match, with an interval of the jackknife over people.
        fmr_limit: Exact interval of the FMR averaged over pairs of people, whatever resemblance
            people share: that of half as many independent pairs as there are people.
        fnmr: Share of pairs of one person that do not match, clustered by person; None where fewer
            than two people have two pictures.
        fpir: Share of pictures that match somebody else of the gallery, clustered by person: the
            false positive identification rate of a gallery of this size.
        tpir: Share of pictures whose nearest other picture shows the same person and matches, among
            people with two pictures and more; None as for `fnmr`. Higher is better.
    """

    people: int
    pictures: int
    fmr: Estimate
    fmr_limit: Interval
    fnmr: Estimate | None
    fpir: Estimate
    tpir: Estimate | None

    @classmethod
    def from_dict(cls, stored: Mapping[str, Any]) -> MatchRates:
        """Build from ``dataclasses.asdict`` of one.

        Raises:
            KeyError, TypeError, ValueError, InputError: It is no such object.
        """

        def interval(one: Any) -> Interval:
            return Interval(float(one["low"]), float(one["high"]))

        def estimate(one: Any) -> Estimate:
            level, method = float(one["level"]), str(one["method"])
            return Estimate(float(one["value"]), interval(one["interval"]), level, method)

        return cls(
            int(stored["people"]),
            int(stored["pictures"]),
            estimate(stored["fmr"]),
            interval(stored["fmr_limit"]),
            None if stored["fnmr"] is None else estimate(stored["fnmr"]),
            estimate(stored["fpir"]),
            None if stored["tpir"] is None else estimate(stored["tpir"]),
        )


@dataclass(frozen=True)
class MatchThreshold:
    """A threshold, and the error rates that were measured at it.

    Attributes:
        threshold: Largest distance of two faces that match.
        rates: Error rates on the gallery that it was chosen on; None where nothing was measured.
    """

    threshold: Threshold
    rates: MatchRates | None = None

    def line(self) -> str:
        """Say in one line where the threshold comes from and which error rates it has."""
        chosen = self.threshold
        said = f"threshold {chosen.value:.3f}: {chosen.rule}, {chosen.source}"
        if self.rates is None:
            return f"{said}; error rates on your faces unknown"
        rates = self.rates
        said += f", {rates.people} people: FMR {percent(rates.fmr)}"
        said += f", exact limit {100 * rates.fmr_limit.high:.2f} %"
        return said if rates.fnmr is None else f"{said}; FNMR {percent(rates.fnmr)}"


DLIB = MatchThreshold(DLIB_THRESHOLD)
"""dlib's recommendation, without error rates."""


def percent(estimate: Estimate) -> str:
    """Return a rate with its interval, in percent.

    Examples:
        >>> percent(Estimate(0.012, Interval(0.0099, 0.0234), 0.95, "exact"))
        '1.2 % (0.99 … 2.34)'
    """
    numbers = (estimate.value, estimate.interval.low, estimate.interval.high)
    value, low, high = (_hundredth(one) for one in numbers)
    return f"{value} % ({low} … {high})"


def _hundredth(rate: float) -> str:
    """A rate in percent, to two decimals, or to two digits where these come later."""
    return f"{100 * rate:.2g}" if rate < 0.001 else f"{round(100 * rate, 2):g}"


def choose_threshold(
    gallery: Gallery, *, fmr: float | None = None, fpir: float | None = None, source: str = ""
) -> Threshold:
    """Return the largest distance with a bounded rate of false matches on a gallery.

    Args:
        gallery: Faces like those that will be compared: the same cameras, light and people.
        fmr: False match rate in (0, 1), for comparing two pictures. It takes 10 / fmr pairs of two
            people, as fewer show no such rate.
        fpir: False positive identification rate in (0, 1), for searching a gallery of this size. It
            takes 10 / fpir pictures.
        source: Name of the gallery, for the record.

    Raises:
        InputError: Not one rate is given, or the gallery is too small for it; the message says how
            many people would do.

    Examples:
        >>> draw = np.random.default_rng(0)
        >>> vectors = draw.normal(size=(60, 128)).astype(np.float32)
        >>> names = [f"p{number}" for number in range(60)]
        >>> chosen = choose_threshold(Gallery.of(vectors, names, names), fmr=0.01)
        >>> chosen.rule
        'FMR at most 0.01'
    """
    rate = fpir if fmr is None else fmr
    if rate is None or (fmr is not None and fpir is not None) or not 0 < rate < 1:
        raise InputError(f"fmr {fmr}, fpir {fpir}: give one of them, between 0 and 1, as 0.001")
    items = digest_items(gallery.source.tolist())
    if fmr is None:
        _, strangers = gallery.strangers()
        if len(strangers) * rate < SEEN:
            raise InputError(
                f"fpir {rate:g}: takes {math.ceil(SEEN / rate):,} pictures, and there are "
                f"{len(strangers):,}, which show rates from {_least(len(strangers)):g}"
            )
        value = _at(np.array([]), -strangers, rate)
        return Threshold(value, "down", f"FPIR at most {rate:g}", source, len(strangers), items)
    pairs = gallery.comparisons()
    count = len(pairs.impostor)
    if count * rate < SEEN:
        raise InputError(_too_few(gallery, rate, count))
    value = _at(pairs.genuine, pairs.impostor, rate)
    return Threshold(value, "down", f"FMR at most {rate:g}", source, count, items)


def _at(genuine: NDArray[np.floating], impostor: NDArray[np.floating], rate: float) -> float:
    """Distance halfway between the last match that is allowed and the first that is not.

    There the rounding of distances decides nothing.
    """
    some = genuine if len(genuine) else impostor.min(keepdims=True)
    least = tar_at_far(some, impostor, rate).threshold
    blocked = impostor[impostor < least]
    return -(least + float(blocked.max())) / 2 if len(blocked) else -least


def _too_few(gallery: Gallery, fmr: float, pairs: int) -> str:
    people, pictures = len(gallery.starts), len(gallery.person)
    wanted = SEEN / fmr
    enough = math.ceil((1 + math.sqrt(1 + 8 * wanted * (people / pictures) ** 2)) / 2)
    said = (
        f"fmr {fmr:g}: takes {wanted:,.0f} pairs of two people, and {pictures} pictures of "
        f"{people} people make {pairs:,}; about {enough:,} people with as many each would do"
    )
    return said if pairs <= SEEN else f"{said}, and these show rates from {_least(pairs):g}"


def _least(trials: int) -> float:
    """The least rate that so many trials show, rounded up to two digits."""
    scale = 10.0 ** (1 - math.floor(math.log10(SEEN / trials)))
    return math.ceil(SEEN / trials * scale) / scale


def measure_rates(gallery: Gallery, threshold: Threshold) -> MatchRates:
    """Measure the error rates of a threshold on a gallery.

    Args:
        gallery: Faces whose pairs are compared.
        threshold: Largest distance that matches.

    Raises:
        NothingMeasuredError: There are fewer than three people.
        InputError: There are more than `MOST_COMPARED` pictures.

    Examples:
        >>> vectors = np.repeat(np.eye(5, 128, dtype=np.float32), 2, axis=0)
        >>> names = [name for name in "abcde" for _ in range(2)]
        >>> rates = measure_rates(Gallery.of(vectors, names, names), DLIB_THRESHOLD)
        >>> rates.fmr.value, round(rates.fmr_limit.high, 2)  # of two independent pairs
        (0.0, 0.84)
    """
    pairs = gallery.comparisons()
    least = -threshold.value
    _, strangers = gallery.strangers()
    mates, repeated = _mates(pairs)
    several = len(np.unique(gallery.person[repeated])) > 1
    found = (mates <= threshold.value) & (mates < strangers)
    return MatchRates(
        len(gallery.starts),
        len(gallery.person),
        pairs.false_match(least),
        pairs.false_match_limit(least),
        pairs.false_non_match(least) if several else None,
        clustered_rate(strangers <= threshold.value, gallery.person),
        clustered_rate(found[repeated], gallery.person[repeated]) if several else None,
    )


@dataclass(frozen=True)
class GroupRates:
    """Error rates within one group of pictures: both of a pair are in it.

    Attributes:
        group: Name of the group.
        people: Number of people.
        pictures: Number of pictures.
        fmr: As of `MatchRates`; None for fewer than three people.
        fnmr: As of `MatchRates`; None where fewer than two people have two pictures.
    """

    group: str
    people: int
    pictures: int
    fmr: Estimate | None
    fnmr: Estimate | None


def group_rates(
    gallery: Gallery, threshold: Threshold, groups: NDArray[np.str_]
) -> list[GroupRates]:
    """Measure the error rates of one threshold within each group of pictures.

    Args:
        gallery: The gallery.
        threshold: Largest distance that matches, the same for all groups.
        groups: Group of each picture, (N,), such as people's age or `turn_groups`; "" is left out.
    """

    def measured(rate: Callable[[float], Estimate]) -> Estimate | None:
        try:
            return rate(-threshold.value)
        except NothingMeasuredError:
            return None

    return [
        GroupRates(
            str(name),
            len(np.unique(own.number)),
            len(own.number),
            measured(own.false_match),
            measured(own.false_non_match),
        )
        for name, own in gallery.comparisons().by_group(groups).items()
        if name
    ]


def turn_groups(gallery: Gallery) -> NDArray[np.str_]:
    """Group of each picture by how far the head is turned; "" where it is unknown.

    The limits of `head_turn`, 0.15 and 0.35, are yaws of about 17° and 35°.
    """
    names = np.array(["from the front", "turned by 17° and more", "turned by 35° and more", ""])
    bins = np.digitize(np.abs(gallery.turn), [0.15, 0.35])  # NaN is behind all
    return np.asarray(names[np.where(np.isnan(gallery.turn), 3, bins)])


def _mates(pairs: Comparisons) -> tuple[NDArray[np.floating], NDArray[np.bool_]]:
    """Distance of each picture to the nearest other one of its person, and whether there is one."""
    distances = np.where(pairs.number[:, None] == pairs.number, -pairs.similarity, np.inf)
    np.fill_diagonal(distances, np.inf)
    nearest = distances.min(axis=1)
    return nearest, np.isfinite(nearest)


def held_out_fmr(gallery: Gallery, fmr: float, *, seed: int = 0) -> Estimate | None:
    """Return the FMR of thresholds that were chosen on one half of the people, on the other half.

    Both halves take both parts, so that no pair is decided by a threshold chosen on one of its
    people. None where a half has too few pairs for the rate.

    Args:
        gallery: The gallery.
        fmr: Rate that the thresholds are chosen for.
        seed: Divides the people.
    """
    people = gallery.people
    first = np.random.default_rng(seed).permutation(len(people))[: len(people) // 2]
    within = np.isin(gallery.person, people[first])
    pairs = gallery.comparisons()
    halves = [pairs.where(within), pairs.where(~within)]
    if any(len(half.impostor) * fmr < SEEN or len(np.unique(half.number)) < 3 for half in halves):
        return None
    counts = [
        own.matches(-_at(other.genuine, other.impostor, fmr))
        for own, other in zip(halves, halves[::-1], strict=True)
    ]
    wrong, total = (_diagonal([one[part] for one in counts]) for part in (0, 1))
    value = (wrong.sum() - np.trace(wrong)) / (total.sum() - np.trace(total))
    return Estimate(float(value), pair_interval(wrong, total), 0.95, "jackknife")


def _diagonal(parts: list[NDArray[np.int64]]) -> NDArray[np.int64]:
    """Square matrices along the diagonal of a larger one."""
    size = sum(map(len, parts))
    whole = np.zeros((size, size), np.int64)
    start = 0
    for part in parts:
        whole[start : start + len(part), start : start + len(part)] = part
        start += len(part)
    return whole


def write_threshold(path: Path, chosen: MatchThreshold) -> None:
    """Write a threshold with its error rates, as one JSON object."""
    document = {
        "threshold": json.loads(chosen.threshold.to_json()),
        "rates": None if chosen.rates is None else asdict(chosen.rates),
    }
    write_atomically(path, json.dumps(document, indent=1) + "\n")


def read_threshold(path: Path) -> MatchThreshold:
    """Read a file that `write_threshold` wrote, or the folder that holds it.

    Raises:
        InputError: The file is missing, or is no such file.
    """
    path = path / FILE if path.is_dir() else path
    with open_regular(path, "threshold", largest=1 << 26) as file:
        content = file.read()
    try:
        stored = json.loads(content)
        threshold = Threshold.from_json(json.dumps(stored["threshold"]))
        rates = None if stored["rates"] is None else MatchRates.from_dict(stored["rates"])
    except (ValueError, KeyError, TypeError, RecursionError, InputError) as error:
        raise InputError(
            f"{path}: no threshold; write one with sterling face threshold ({error})"
        ) from error
    if threshold.direction != "down":
        raise InputError(f"{path}: a threshold of direction 'up', and distances take 'down'")
    return MatchThreshold(threshold, rates)
