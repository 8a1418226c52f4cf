"""A detector with its calibration, to train, save and ask about texts."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.torch import load_file, save

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure import Scores, Threshold, auc
from sterling.storage import write_atomically
from sterling.text.corpus.records import TextRecord, beginning_id
from sterling.text.detectors.scored import Detector
from sterling.text.detectors.stepwise import Report, score_in_steps
from sterling.text.evaluation.calibration import Platt, ThresholdMode, choose_threshold, fit_platt


@dataclass(frozen=True, eq=False)
class Judged:
    """Scores and decisions of a calibrated detector.

    Attributes:
        records: Records in the order asked.
        score: Score of the detector, float64 (N,); NaN where it could not be scored.
        logit: Calibrated logit, larger is more like a machine, (N,); NaN likewise.
        probability: Calibrated p(machine), (N,); NaN likewise.
        machine: Whether it is called a machine's, bool (N,); false where it could not be scored.
        reasons: Reason why it was not scored, "" where it was.
    """

    records: tuple[TextRecord, ...]
    score: NDArray[np.float64]
    logit: NDArray[np.float64]
    probability: NDArray[np.float64]
    machine: NDArray[np.bool_]
    reasons: tuple[str, ...]

    @property
    def label(self) -> NDArray[np.bool_]:
        """Whether texts are a machine's, (N,)."""
        return np.array([record.label == 1 for record in self.records], dtype=np.bool_)

    @property
    def scored(self) -> NDArray[np.bool_]:
        """Whether texts could be scored, (N,)."""
        return np.isfinite(self.score)

    def select(self, mask: NDArray[np.bool_]) -> "Judged":
        """Return the records where a mask (N,) is true."""
        rows = np.flatnonzero(mask).tolist()
        return Judged(
            tuple(self.records[row] for row in rows),
            self.score[rows],
            self.logit[rows],
            self.probability[rows],
            self.machine[rows],
            tuple(self.reasons[row] for row in rows),
        )


@dataclass(frozen=True, eq=False)
class CalibratedDetector:
    """A detector, the map from its score to a probability, and a threshold.

    Attributes:
        detector: Detector that gives the raw scores.
        platt: Map to probabilities, fitted on the development texts.
        threshold: Threshold on the logit, chosen on the same texts.
        development: Counts, accuracy and AUROC on the development texts, in sample; and beginnings
            of all human texts it was made with, which may not calibrate a list.
    """

    detector: Detector
    platt: Platt
    threshold: Threshold
    development: dict[str, Any]

    def judge(self, records: Sequence[TextRecord], report: Report | None = None) -> Judged:
        """Score records and decide. No text raises; an unscored one has a reason.

        Args:
            records: Any texts.
            report: Function of the number of scored texts and of all; with it texts are scored
                step by step, which moves a language model's scores in the last digits.
        """
        texts = [record.text for record in records]
        scored = (
            self.detector.score(texts)
            if report is None
            else score_in_steps(self.detector, texts, report=report)
        )
        logit = self.platt.logit(scored.values)
        return Judged(
            tuple(records),
            scored.values,
            logit,
            self.platt.probability(scored.values),
            logit >= self.threshold.value,
            scored.reasons,
        )

    def describe(self) -> dict[str, Any]:
        """Return everything that a number of this detector depends on, as JSON."""
        return {
            "detector": self.detector.name,
            "settings": self.detector.settings(),
            "platt": asdict(self.platt),
            "threshold": json.loads(self.threshold.to_json()),
            "development": self.development,
        }

    def save(self, folder: Path) -> None:
        """Write ``detector.json`` and, if anything was learned, ``detector.safetensors``."""
        state = {name: value.contiguous() for name, value in self.detector.state().items()}
        if state:
            write_atomically(folder / "detector.safetensors", save(state))
        write_atomically(folder / "detector.json", json.dumps(self.describe(), indent=1))


def train_detector(
    detector: Detector,
    train: Sequence[TextRecord],
    dev: Sequence[TextRecord],
    mode: ThresholdMode = "accuracy",
) -> CalibratedDetector:
    """Fit on training texts, calibrate and choose the threshold on development texts.

    Raises:
        InputError: A split lacks people or machines.
        NothingMeasuredError: No development text could be scored.
    """
    for name, records in (("train", train), ("dev", dev)):
        if {record.label for record in records} != {0, 1}:
            raise InputError(f"split {name}: texts of people and of machines are both needed")
    labels = np.array([record.label for record in train])
    detector.fit([record.text for record in train], labels)
    scored = detector.score([record.text for record in dev])
    usable = np.isfinite(scored.values)
    label = np.array([record.label for record in dev], dtype=np.bool_)
    if not usable.any():
        raise NothingMeasuredError(f"no development text could be scored: {scored.reasons[0]}")
    platt = fit_platt(scored.values[usable], label[usable])
    own = [record for record, use in zip(dev, usable, strict=True) if use]
    scores = Scores(
        platt.logit(scored.values[usable]), label[usable], item=[record.id for record in own]
    )
    threshold = choose_threshold(scores, mode)
    accepted = threshold.accept(scores, in_sample=True)
    development = {
        "human": int((~label).sum()),
        "machine": int(label.sum()),
        "not_scored": int((~usable).sum()),
        "accuracy": float((accepted == scores.label).mean()),
        "auroc": auc(scores).value,
        "mode": mode,
        "known": sorted({beginning_id(one.text) for one in (*train, *dev) if not one.label}),
    }
    return CalibratedDetector(detector, platt, threshold, development)


def read_calibration(
    folder: Path, description: dict[str, Any], detector: Detector
) -> CalibratedDetector:
    """Join a detector with what `CalibratedDetector.save` wrote.

    Raises:
        InputError: A file is damaged, or the detector is not the one that was calibrated: another
            model, other weights or another truncation.
    """
    try:
        weights = folder / "detector.safetensors"
        if weights.is_file():
            detector.restore(load_file(weights))
        platt = Platt(**description["platt"])
        threshold = Threshold.from_json(json.dumps(description["threshold"]))
        development = dict(description["development"])
        settings = description["settings"]
    except (KeyError, TypeError, ValueError, RuntimeError, SafetensorError) as error:
        raise InputError(f"{folder}: damaged ({error!r}); train the detector again") from error
    own = json.loads(json.dumps(detector.settings()))
    different = sorted(name for name in settings if settings[name] != own.get(name))
    if different:
        name = different[0]
        raise InputError(
            f"{folder}: calibrated with {name} {settings[name]!r}, but here it is "
            f"{own.get(name)!r}; train the detector again"
        )
    return CalibratedDetector(detector, platt, threshold, development)
