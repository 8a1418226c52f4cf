"""Evaluation of a detector on labelled crops, in the vocabulary of ISO/IEC 30107-3."""

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from sterling.errors import InputError, NothingMeasuredError
from sterling.face.data import ATTACK, BONA_FIDE, Faces, LoadedFaces, Manifest, NonResponse
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


@dataclass(frozen=True, eq=False)
class Evaluation:
    """A detector's test scores, with those of the trivial baseline.

    Attributes:
        systems: The detector first, then the baseline where it could be fitted.
        non_responses: Share of presentations without a score, per species and for bona fides.
        not_scored: Number of items without a score.
        reasons: Shares of items without a score by reason and class, see `rates_by_reason`.
    """

    systems: tuple[SystemScores, ...]
    non_responses: Mapping[str, Rate]
    not_scored: int
    reasons: Mapping[str, Mapping[str, Rate]]

    def table(self) -> pl.DataFrame:
        """Per-item scores of all systems, see `score_table`."""
        each = [
            score_table(one.scores, one.errors.threshold, system=one.name) for one in self.systems
        ]
        return pl.concat(each)


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


def evaluate_detector(
    detector: DetectorBase,
    test: Faces,
    *,
    non_responses: Sequence[NonResponse],
    manifest: Manifest,
    development: tuple[Faces, Faces] | None = None,
) -> Evaluation:
    """Evaluate a detector at its own threshold.

    Args:
        detector: Detector with a threshold, chosen on other items than those of `test`.
        test: Crops to evaluate on, of both classes.
        non_responses: Test presentations without a crop; they count into the non-response rates.
        manifest: All test presentations, those without a crop included.
        development: Training and development crops; when given, the trivial baseline is fitted on
            them.

    Raises:
        InputError: The detector has no threshold, or it was chosen on items of `test`.
    """
    if detector.threshold is None:
        raise InputError("this detector has no threshold; train it with development data first")
    scores = scores_of(scored(detector, test), test.manifest)
    systems = [SystemScores("detector", scores, evaluate(scores, detector.threshold))]
    if development is not None:
        systems.append(_baseline(*development, test))
    return Evaluation(
        tuple(systems),
        _non_response_rates(non_responses, manifest),
        len(non_responses),
        rates_by_reason(non_responses, test.manifest, manifest),
    )


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
    scores: Scores, threshold: Threshold, *, system: str, split: str = "test", seed: int = 0
) -> pl.DataFrame:
    """Per-item scores as rows of ``scores.parquet``, which reports and comparisons read.

    Args:
        scores: Scores of one system on one split.
        threshold: The one applied to them.
        system: Name of the system.
        split: "dev" or "test"; the column is called ``set``.
        seed: Seed of the repetition.
    """
    return pl.DataFrame(
        {
            "item": scores.item.tolist(),
            "subject": scores.subject.tolist(),
            "group": scores.group.tolist(),
            "label": scores.label,
            "value": scores.values,
        }
    ).with_columns(
        set=pl.lit(split),
        system=pl.lit(system),
        seed=pl.lit(seed),
        threshold=pl.lit(threshold.value),
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
