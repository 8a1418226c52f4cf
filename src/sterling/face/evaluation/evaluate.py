"""Evaluation of a detector, or of scores that it gave, in the vocabulary of ISO/IEC 30107-3.

Both ways meet in `Scored`: `score_detector` makes it from labelled crops, a file of scores brings
it along, and `evaluate_scored` goes on from there.
"""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sterling.errors import InputError, NothingMeasuredError
from sterling.face.data import ATTACK, BONA_FIDE, Faces, LoadedFaces, Manifest, NonResponse
from sterling.face.evaluation.chosen_threshold import ChosenThreshold
from sterling.face.evaluation.intervals import (
    Figure,
    acer_figure,
    area_figure,
    bpcer_figure,
    error_figures,
    rate_figure,
    species_figures,
)
from sterling.face.evaluation.presentations import Presentations
from sterling.face.evaluation.requirement import RequiredMetric
from sterling.face.pad import DetectorBase, score_thumbnails
from sterling.face.pad.detector.decision import ScoringError
from sterling.measure import (
    Estimate,
    PadErrors,
    Rate,
    Scores,
    Threshold,
    aggregate,
    auc,
    evaluate,
    non_response_rates,
    threshold_at_eer,
)
from sterling.storage import write_atomically

SCORES_FILE = "scores.parquet"


def scores_of(values: NDArray[np.float64], manifest: Manifest) -> Scores:
    """One score per presentation, higher meaning bona fide, from those of a manifest's N rows.

    The frames of a video are averaged, as the papers do: the video is what is presented.
    """
    scores = Scores(
        values,
        manifest.bona_fide,
        item=manifest.column("item"),
        subject=manifest.column("subject"),
        group=manifest.column("species"),
    )
    return aggregate(scores, manifest.presentation) if manifest.column("video").any() else scores


def scored(detector: DetectorBase, faces: Faces) -> NDArray[np.float64]:
    """Scores (N,) of crops.

    Raises:
        InputError: As `DetectorBase.score`; where a detector of others fails, the message names the
            file.
    """
    try:
        return detector.score(faces.images, present=faces.present)
    except ScoringError as error:
        row = {name: faces.manifest.column(name)[error.crop] for name in ("path", "item")}
        raise InputError(f"{row['path'] or row['item']}: {error}") from error


@dataclass(frozen=True, eq=False)
class SystemScores:
    """Test scores of one system, and its error rates.

    Attributes:
        name: Name of the system.
        scores: Scores of the test presentations.
        errors: Error rates at a threshold chosen on other presentations.
    """

    name: str
    scores: Scores
    errors: PadErrors

    @property
    def area(self) -> Estimate:
        """AUC."""
        return auc(self.scores)

    @cached_property
    def figures(self) -> Mapping[str, Figure]:
        """Figures with both intervals: APCER of the worst species, BPCER, ACER and AUC."""
        species = species_figures(self.errors)
        return {
            "apcer": species[self.errors.worst],
            "bpcer": bpcer_figure(self.errors),
            "acer": acer_figure(self.errors, len(self.scores)),
            "auc": area_figure(self.scores),
        }


@dataclass(frozen=True, eq=False)
class Scored:
    """Presentations that a system scored, whatever it is: a detector, or a file of its scores.

    Attributes:
        name: Name of the system.
        test: Test presentations with a score, of both classes.
        development: Scores of presentations that may choose a threshold; None where there are none.
        baseline: The trivial baseline on the same presentations, where it could be fitted.
        non_responses: Share of presentations without a score, per species and for bona fides; empty
            where it is not known.
        not_scored: Number of items without a score.
        reasons: Shares of items without a score by reason and class, see `rates_by_reason`.
    """

    name: str
    test: Presentations
    development: Scores | None = None
    baseline: SystemScores | None = None
    non_responses: Mapping[str, Rate] = field(default_factory=dict)
    not_scored: int = 0
    reasons: Mapping[str, Mapping[str, Rate]] = field(default_factory=dict)


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Error rates of a system at a threshold, with those of the trivial baseline.

    Attributes:
        scored: Presentations and scores.
        chosen: The threshold, with what was promised and known of it.
        systems: The system first, then the baseline where it could be fitted.
    """

    scored: Scored
    chosen: ChosenThreshold
    systems: tuple[SystemScores, ...]

    def table(self) -> pl.DataFrame:
        """Per-item scores of all systems, see `score_table`."""
        paths = self.scored.test.path
        each = [
            score_table(one.scores, one.errors.threshold, system=one.name, path=paths)
            for one in self.systems
        ]
        return pl.concat(each)

    def measured(self, metric: RequiredMetric) -> dict[str, Estimate]:
        """Return the estimates that a requirement on a metric is tested on, by name.

        The shares of presentations without a score are known of detectors alone.
        """
        main = self.systems[0]
        if metric == "apcer":
            return {name: one.estimate() for name, one in species_figures(main.errors).items()}
        if metric in ("apnrr", "bpnrr"):
            rates = self.scored.non_responses
            wanted = [name for name in rates if (name == BONA_FIDE) == (metric == "bpnrr")]
            return {name: rate_figure(rates[name], None).estimate() for name in wanted}
        return {metric: main.figures[metric].estimate()}

    def moved(self) -> dict[str, tuple[Figure, Figure]]:
        """Return the rates that are known both here and where the threshold was chosen.

        Returns:
            Rates here and there by species, or ``"bona_fide"``.
        """
        here, there = error_figures(self.systems[0].errors), self.chosen.rates
        return {name: (here[name], there[name]) for name in here if name in there}


def familiar(detector: DetectorBase, loaded: LoadedFaces) -> LoadedFaces:
    """Move the crops that a detector's reference refuses to the non-responses, as "unfamiliar".

    They follow the other non-responses.

    Raises:
        NothingMeasuredError: It refuses all.
    """
    faces = loaded.faces
    strange = detector.unfamiliar(faces.images, present=faces.present)
    if not strange.any():
        return loaded
    if strange.all():
        raise NothingMeasuredError(
            f"{faces.manifest.source}: all {len(faces)} crops are unlike the presentations that "
            "the detector was made for"
        )
    refused = faces.manifest.select(strange)
    items, paths = refused.column("item").tolist(), refused.column("path").tolist()
    missing = [
        NonResponse(item, path, "unfamiliar", f"{path}: unlike what the detector was made for")
        for item, path in zip(items, paths, strict=True)
    ]
    return LoadedFaces(faces.select(~strange), (*loaded.non_responses, *missing))


def score_detector(
    detector: DetectorBase,
    test: Faces,
    *,
    non_responses: Sequence[NonResponse],
    manifest: Manifest,
    training: Faces | None = None,
    development: Faces | None = None,
) -> Scored:
    """Score presentations with a detector.

    Args:
        detector: The detector.
        test: Crops to evaluate on, of both classes.
        non_responses: Test presentations without a crop; they count into the non-response rates.
        manifest: All test presentations, those without a crop included.
        training: Training crops; with them and development crops the trivial baseline is fitted.
        development: Development crops.
    """
    known = None if development is None else _scored_by(detector, development)
    baseline = None
    if training is not None and development is not None:
        baseline = _baseline(training, development, test)
    return Scored(
        "detector",
        Presentations.of(_scored_by(detector, test), test.manifest),
        known,
        baseline,
        _non_response_rates(non_responses, manifest),
        len(non_responses),
        rates_by_reason(non_responses, test.manifest, manifest),
    )


def evaluate_scored(scored: Scored, chosen: ChosenThreshold) -> Evaluation:
    """Evaluate scored presentations at a threshold.

    Raises:
        InputError: The threshold was chosen on items of the test presentations, or for scores of
            the other direction.
    """
    scores = scored.test.scores
    main = SystemScores(scored.name, scores, evaluate(scores, chosen.threshold))
    others = () if scored.baseline is None else (scored.baseline,)
    return Evaluation(scored, chosen, (main, *others))


def _scored_by(detector: DetectorBase, faces: Faces) -> Scores:
    return scores_of(scored(detector, faces), faces.manifest)


def _baseline(training: Faces, development: Faces, test: Faces) -> SystemScores:
    labels = training.manifest.bona_fide
    dev, values = (
        scores_of(score_thumbnails(training.images, labels, faces.images), faces.manifest)
        for faces in (development, test)
    )
    threshold = threshold_at_eer(dev, source="development crops")
    return SystemScores("thumbnails", values, evaluate(values, threshold))


def _non_response_rates(missing: Sequence[NonResponse], manifest: Manifest) -> dict[str, Rate]:
    scored = ~manifest.matches(item={entry.item for entry in missing})
    # A video responds when one of its frames does.
    presented, first = np.unique(manifest.presentation, return_index=True)
    responded = np.isin(presented, manifest.presentation[scored])
    return non_response_rates(manifest.column("species")[first], responded)


def rates_by_reason(
    missing: Sequence[NonResponse], scored: Manifest, manifest: Manifest
) -> dict[str, dict[str, Rate]]:
    """Shares of items without a score, by reason (the most frequent first) and by class.

    Counted are pictures, frames of videos, or the clips of a network of clips. A class without
    items is left out.

    Args:
        missing: The items without a score.
        scored: The items with one.
        manifest: All items.
    """
    refused = manifest.where(item={entry.item for entry in missing})
    labels = dict(
        zip(refused.column("item").tolist(), refused.column("label").tolist(), strict=True)
    )
    counts = Counter((entry.reason, labels[entry.item]) for entry in missing)
    trials = Counter([*scored.column("label").tolist(), *labels.values()])
    return {
        reason: {
            label: Rate(counts[reason, label], trials[label])
            for label in (BONA_FIDE, ATTACK)
            if trials[label]
        }
        for reason, _ in Counter(entry.reason for entry in missing).most_common()
    }


def score_table(
    scores: Scores,
    threshold: Threshold,
    *,
    system: str,
    split: str = "test",
    seed: int = 0,
    path: NDArray[np.str_] | None = None,
) -> pl.DataFrame:
    """Per-item scores as rows of ``scores.parquet``, which reports and comparisons read.

    Higher values mean bona fide: scores of the other direction are negated, with their threshold.

    Args:
        scores: Scores of one system on one split.
        threshold: The one applied to them.
        system: Name of the system.
        split: "dev" or "test"; the column is called ``set``.
        seed: Seed of the repetition.
        path: Picture or video of each item, text (N,), ``""`` where unknown; None for none.
    """
    table = pl.DataFrame(
        {
            "item": scores.item.tolist(),
            "subject": scores.subject.tolist(),
            "group": scores.group.tolist(),
            "label": scores.label,
            "value": scores.upward,
        }
    )
    if path is not None:
        table = table.with_columns(path=pl.Series(path.tolist(), dtype=pl.String))
    cut = threshold.value if threshold.direction == "up" else -threshold.value
    return table.with_columns(
        set=pl.lit(split),
        system=pl.lit(system),
        seed=pl.lit(seed),
        threshold=pl.lit(cut),
    )


def write_scores(tables: Sequence[pl.DataFrame], folder: Path) -> None:
    """Write ``scores.parquet`` into a run folder, whole or not at all."""
    buffer = io.BytesIO()
    pl.concat(tables).write_parquet(buffer)
    write_atomically(folder / SCORES_FILE, buffer.getvalue())


def count_reasons(missing: Sequence[NonResponse]) -> str:
    """For people, as: 3 no_face, 1 unreadable; or: none."""
    counts = Counter(entry.reason for entry in missing)
    return ", ".join(f"{count} {reason}" for reason, count in counts.most_common()) or "none"
