"""A threshold with what is known of it: the promise it carries, and the rates on its own data.

`ChosenThreshold.to_dict` is what `sterling face calibrate` and `evaluate` save as JSON, and
`ChosenThreshold.read` takes it up again.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from sterling.errors import InputError
from sterling.face.evaluation.bounded_threshold import Promise, bounded_threshold
from sterling.face.evaluation.intervals import Figure, error_figures
from sterling.guarantee import Assumption, Guarantee
from sterling.measure import (
    BONA_FIDE,
    Interval,
    PadErrors,
    Scores,
    Threshold,
    evaluate,
    threshold_at_eer,
)
from sterling.tables import decode, read_bytes


@dataclass(frozen=True)
class ChosenThreshold:
    """A threshold, and what to expect of it.

    Attributes:
        threshold: The threshold, with rule and origin.
        guarantee: Guarantee on the BPCER; None without one.
        rates: APCER of every species and the BPCER (``"bona_fide"``) on the presentations that
            chose it; empty where they are not known.
    """

    threshold: Threshold
    guarantee: Guarantee | None = None
    rates: Mapping[str, Figure] = field(default_factory=dict)

    @classmethod
    def promised(
        cls,
        scores: Scores,
        promise: Promise,
        *,
        source: str,
        held_out: str | None = None,
        seed: int = 0,
    ) -> "ChosenThreshold":
        """Choose the threshold with a bounded BPCER; arguments as of `bounded_threshold`."""
        threshold, guarantee = bounded_threshold(
            scores, promise, source=source, held_out=held_out, seed=seed
        )
        return cls(threshold, guarantee, rates_of(errors_there(scores, threshold)))

    @classmethod
    def at_equal_errors(cls, scores: Scores, *, source: str) -> "ChosenThreshold":
        """Choose the threshold at which APCER and BPCER are equal."""
        threshold = threshold_at_eer(scores, source=source)
        return cls(threshold, rates=rates_of(errors_there(scores, threshold)))

    @classmethod
    def known_on(cls, threshold: Threshold, scores: Scores | None) -> "ChosenThreshold":
        """Return a threshold with its rates on `scores`, if it was chosen on some of them."""
        if scores is None or not threshold.overlap(scores):
            return cls(threshold)
        return cls(threshold, rates=rates_of(errors_there(scores, threshold)))

    def to_dict(self) -> dict[str, Any]:
        """Return one JSON object, which `read` takes."""
        species = {name: one for name, one in self.rates.items() if name != BONA_FIDE}
        return {
            "threshold": json.loads(self.threshold.to_json()),
            "guarantee": None if self.guarantee is None else asdict(self.guarantee),
            "at this threshold": {
                "apcer": {name: _rate(one) for name, one in species.items()},
                "bpcer": _rate(self.rates[BONA_FIDE]),
            }
            if self.rates
            else None,
        }

    @classmethod
    def read(cls, path: Path) -> "ChosenThreshold":
        """Read the JSON file that `sterling face calibrate` or `evaluate` left.

        Raises:
            InputError: The file is missing or holds something else; the message names it.
        """
        text = decode(path, read_bytes(path))
        try:
            document = json.loads(text)
            threshold = Threshold.from_json(json.dumps(document["threshold"]))
            given, rates = document["guarantee"], document["at this threshold"]
            guarantee = None
            if given is not None:
                assumptions = tuple(Assumption(**one) for one in given["assumptions"])
                guarantee = Guarantee(**{**given, "assumptions": assumptions})
            known = {}
            if rates is not None:
                each = {**rates["apcer"], BONA_FIDE: rates["bpcer"]}
                known = {name: _figure(one) for name, one in each.items()}
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise InputError(
                f"{path}: no saved threshold ({type(error).__name__}: {str(error)[:80]}); give the "
                "file that sterling face calibrate wrote, or a number"
            ) from error
        return cls(threshold, guarantee, known)


def errors_there(scores: Scores, threshold: Threshold) -> PadErrors | None:
    """Return the error rates on the presentations that chose a threshold; None of one class."""
    if scores.label.all() or not scores.label.any():
        return None
    return evaluate(scores, threshold, in_sample=True)


def rates_of(errors: PadErrors | None) -> Mapping[str, Figure]:
    """Return `error_figures`, and none of no errors."""
    return {} if errors is None else error_figures(errors)


def _rate(figure: Figure) -> dict[str, Any]:
    by_subject = None
    if figure.subject is not None:
        by_subject = {
            "subjects": figure.subjects,
            "low": figure.subject.low,
            "high": figure.subject.high,
            "method": figure.method,
        }
    ends = {"low": figure.presentation.low, "high": figure.presentation.high}
    return {"value": figure.value, **ends, "n": figure.n, "by subject": by_subject}


def _figure(rate: Mapping[str, Any]) -> Figure:
    plain = Interval(float(rate["low"]), float(rate["high"]))
    figure = Figure(float(rate["value"]), int(rate["n"]), plain)
    by_subject = rate["by subject"]
    if by_subject is None:
        return figure
    return Figure(
        figure.value,
        figure.n,
        plain,
        int(by_subject["subjects"]),
        Interval(float(by_subject["low"]), float(by_subject["high"])),
        str(by_subject["method"]),
    )
