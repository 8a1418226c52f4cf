"""A challenge of presentation attack detectors: submissions of scores, judged by one rule.

After the 3D High-Fidelity Mask Face Presentation Attack Detection Challenge (ICCV 2021), protocol 3
of HiFiMask: a threshold at the equal error rate of dev, and on test APCER, BPCER and ACER, the
frames of a video averaged first. Dev scores are part of a submission there, so that whoever submits
can put the threshold where he likes: the first place clamped its dev scores to 0.7 ± 0.005.
`clamped` and `probed` say what that wins, `Rule` how organisers prevent it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from sterling.errors import InputError, quoted
from sterling.face.data import Manifest
from sterling.face.evaluation.bounded_threshold import Promise, bounded_threshold
from sterling.face.evaluation.evaluate import scores_of
from sterling.measure import (
    Estimate,
    Interval,
    PadErrors,
    Rate,
    Scores,
    Threshold,
    auc,
    eer,
    evaluate,
    threshold_at_eer,
)
from sterling.storage import write_atomically
from sterling.tables import read_lines

CLAMP = 0.005  # half of the range that the first place left its dev scores


class Rule(BaseModel):
    """Source of a submission's threshold, and the captures that are scored with it.

    Attributes:
        threshold: ``"dev"``: equal error on dev, as in the challenge; it can be steered.
            ``"held_back"``: equal error on captures of test whose labels decide the threshold and
            nothing else. ``"bounded"``: the BPCER of those is bounded with confidence 95 %.
        share: Share of the test subjects that are held out, in [0, 1). They are never scored,
            whatever the threshold, so that rules of one share score the same captures.
        seed: Chooses them; for the organisers alone to know while a challenge is open.
        bpcer: The bound of ``"bounded"``.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    threshold: Literal["dev", "held_back", "bounded"] = "dev"
    share: float = Field(default=0.0, ge=0, lt=1)
    seed: int = Field(default=0, ge=0)
    bpcer: float = Field(default=0.1, gt=0, lt=1)


class Measurement(BaseModel):
    """One figure of a judgement, as leaderboards store it.

    Attributes:
        name: Name of the figure.
        value: The figure.
        low: Lower end of its 95 % interval.
        high: Upper end.
        n: Number of presentations behind it.
        unit: "rate" or "area".
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    name: str
    value: float
    low: float
    high: float
    n: int
    unit: str

    @classmethod
    def of(
        cls, name: str, value: float, interval: Interval, n: int, unit: str = "rate"
    ) -> "Measurement":
        """A figure with its interval."""
        return cls(name=name, value=value, low=interval.low, high=interval.high, n=n, unit=unit)

    @classmethod
    def of_rate(cls, name: str, rate: Rate) -> "Measurement":
        """A rate with its exact interval."""
        return cls.of(name, rate.value, rate.interval(), rate.trials)


@dataclass(frozen=True)
class Judgement:
    """A submission's figures.

    Attributes:
        errors: Error rates at the threshold, on the scored presentations of test.
        area: AUC on the same; no threshold enters it.
        dev_eer: Equal error rate on dev.
        scored: Number of presentations of test that were scored.
        developed: Number of presentations of dev.
    """

    errors: PadErrors
    area: Estimate
    dev_eer: Estimate
    scored: int
    developed: int

    @property
    def threshold(self) -> Threshold:
        """The threshold that decided."""
        return self.errors.threshold

    def metrics(self) -> list[Measurement]:
        """The figures, ACER first, each with its 95 % interval."""
        errors, area, dev = self.errors, self.area, self.dev_eer
        worst, attacks = errors.apcer_max_interval(), errors.apcer_pooled.trials
        return [
            Measurement.of("ACER", errors.acer, errors.acer_interval(), self.scored),
            Measurement.of("APCER of the worst species", errors.apcer_max.value, worst, attacks),
            Measurement.of_rate("BPCER", errors.bpcer),
            *(
                Measurement.of_rate(f"APCER of {species}", rate)
                for species, rate in errors.apcer.items()
            ),
            Measurement.of("AUC", area.value, area.interval, self.scored, "area"),
            Measurement.of("EER on dev", dev.value, dev.interval, self.developed),
        ]


def require_lists(lists: Manifest) -> Manifest:
    """The rows of dev and test, which a submission has to score, in their order.

    Raises:
        InputError: Bona fides or attacks are missing in one of the two.
    """
    wanted = lists.where(split=("dev", "test"))
    for split in ("dev", "test"):
        live = wanted.where(split=split).bona_fide
        if live.all() or not live.any():
            raise InputError(
                f"{lists.source}: split {split!r} needs bona fides and attacks to judge by"
            )
    return wanted


def read_submission(path: Path, lists: Manifest) -> NDArray[np.float64]:
    """Scores of a file with one line ``item score`` per picture, in the order of the lists.

    Higher means bona fide, from 0 to 1. Empty lines are skipped.

    Args:
        path: The file.
        lists: Rows of dev and test, as `require_lists` gives them.

    Returns:
        float64 (N,), one per row of the lists.

    Raises:
        InputError: A line is not an item and a score in [0, 1], an item is not of the lists, is
            there twice or is missing. The message names the line.
    """
    lines = read_lines(path)
    items = lists.column("item").tolist()
    wanted = {item: row for row, item in enumerate(items)}
    values = np.full(len(items), np.nan)
    first: dict[str, int] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        item, _, text = line.strip().rpartition(" ")
        where = f"{path}, line {number}"
        try:
            score = float(text)
        except ValueError:
            score = math.nan
        item = item.strip()
        if not item or not 0 <= score <= 1:  # NaN is neither
            raise InputError(
                f"{where}: {quoted(line.strip())}; write an item and a score from 0 to 1"
            )
        if item not in wanted:
            raise InputError(
                f"{where}: item {quoted(item)} is not in dev or test of {lists.source}"
            )
        if item in first:
            raise InputError(f"{where}: item {item!r} was scored in line {first[item]} already")
        first[item] = number
        values[wanted[item]] = score
    missing = [item for item in items if item not in first]
    if missing:
        raise InputError(
            f"{path}: ends at line {len(lines)} without a score of item {missing[0]!r} "
            f"({len(missing)} of {len(items)} are missing)"
        )
    return values


def write_submission(path: Path, lists: Manifest, values: NDArray[np.float64]) -> None:
    """Write what `read_submission` reads; the same numbers come back.

    Raises:
        InputError: A score is not from 0 to 1, or an item has a line break in it.
    """
    rows = list(zip(lists.column("item").tolist(), values.tolist(), strict=True))
    for item, value in rows:
        if not 0 <= value <= 1 or "\n" in item:
            raise InputError(f"item {item!r} has score {value}; scores lie from 0 to 1")
    write_atomically(path, "".join(f"{item} {value!r}\n" for item, value in rows))


def judged_rows(lists: Manifest, rule: Rule) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Mark the rows that are scored and those held out to choose the threshold, bool (N,) each.

    Raises:
        InputError: The threshold needs held-out captures and there are none.
    """
    test = lists.matches(split="test")
    subjects = np.unique(lists.column("subject")[test])
    count = round(rule.share * len(subjects))
    chosen = np.random.default_rng(rule.seed).permutation(subjects)[:count]
    held = test & np.isin(lists.column("subject"), chosen)
    if rule.threshold != "dev" and not held.any():
        raise InputError(
            f"rule: threshold {rule.threshold!r} needs held-out captures, and share "
            f"{rule.share:g} of {len(subjects)} subjects of test is none; raise share"
        )
    return test & ~held, held


def judge(values: NDArray[np.float64], lists: Manifest, rule: Rule) -> Judgement:
    """Judge a submission.

    Args:
        values: float64 (N,), higher means bona fide, one per row of the lists.
        lists: Rows of dev and test, as `require_lists` gives them.
        rule: Rule that chooses the threshold.

    Raises:
        InputError: Too few captures are held out for the rule.
        NothingMeasuredError: Bona fides or attacks are missing among what is scored.
    """
    scored, held = judged_rows(lists, rule)

    def part(rows: NDArray[np.bool_]) -> Scores:
        return scores_of(values[rows], lists.select(rows))

    dev, test = part(lists.matches(split="dev")), part(scored)
    if rule.threshold == "dev":
        threshold = threshold_at_eer(dev, source="dev of the lists")
    elif rule.threshold == "held_back":
        threshold = threshold_at_eer(part(held), source="captures of test held back")
    else:
        threshold, _ = bounded_threshold(
            part(held), Promise(rule.bpcer), source="captures of test held back"
        )
    return Judgement(evaluate(test, threshold), auc(test), eer(dev), len(test), len(dev))


def clamped(values: NDArray[np.float64], lists: Manifest, centre: float) -> NDArray[np.float64]:
    """The same submission with its dev scores forced into ``centre`` ± 0.005.

    The threshold of equal error on dev then lies there, whatever the detector is worth; test scores
    stay as they are.

    Args:
        values: (N,), from 0 to 1.
        lists: As `judge`.
        centre: Wanted threshold; moved so that the range lies within [0, 1].
    """
    middle = min(max(centre, CLAMP), 1 - CLAMP)
    dev = lists.matches(split="dev")
    return np.where(dev, np.clip(values, middle - CLAMP, middle + CLAMP), values)


def accepting(values: NDArray[np.float64], lists: Manifest, share: float) -> float:
    """The score that a share of the pictures of test reach; no label is looked at."""
    return float(np.quantile(values[lists.matches(split="test")], 1 - share))


def probed(
    values: NDArray[np.float64], lists: Manifest, rule: Rule, shares: Sequence[float]
) -> Judgement:
    """The best of several submissions of one detector, each clamped to accept another share.

    It measures the gain of somebody who sees the ACER of every submission: the threshold is chosen
    on test.

    Args:
        values: As `judge`.
        lists: As `judge`.
        rule: As `judge`.
        shares: One submission each; see `accepting`.
    """
    found = [
        judge(clamped(values, lists, accepting(values, lists, share)), lists, rule)
        for share in shares
    ]
    return min(found, key=lambda one: one.errors.acer)
