"""Measure the shipped detector on recorded photographs, and write that into its record.

None of these took part in training, in choosing the threshold, or in any other choice.

    python -m tools.measure_compact --data DIR [--out src/sterling/face/pad/detector]

DIR holds ``fas/nuaa`` (webcam captures and prints), ``fas/visagetrack`` (a webcam and replays on a
television), ``fas/minivision_samples`` (three photographs by telephone), and portraits, all bona
fide: ``faces/lfw_grey``, ``faces/orl_att``, ``faces/yale`` and, in colour,
``faces/detect_samples``. What is missing is left out.
"""

import argparse
import json
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tools.build_compact import figures, judged, rate

from sterling.face.data import Faces, LoadedFaces, Manifest, degrade, load_faces
from sterling.face.evaluation.bounded_threshold import Promise
from sterling.face.evaluation.calibration import calibrate
from sterling.face.evaluation.evaluate import count_reasons, scores_of
from sterling.face.evaluation.prediction import predict_sources
from sterling.face.pad import OnnxDetector, shipped_detector
from sterling.face.pad.detector.decision import Outcome
from sterling.face.pad.detector.pretrained import RECORD
from sterling.measure import Interval, Rate, Scores, Threshold, auc, clustered_interval
from sterling.storage import write_atomically

CHOSEN_ON = ("01", "02")  # sessions of NUAA whose bona fides choose the calibrated threshold
TIGHT = 1.2  # side of a crop, over the face's, that shows no edge of most instruments
PORTRAITS = {
    "LFW, grey, one of each person": ("faces/lfw_grey", "*/*_0001.jpg"),
    "ORL, grey": ("faces/orl_att", "*/*.pgm"),
    "Yale, grey": ("faces/yale", "*/*.gif"),
    "colour samples": ("faces/detect_samples", "*/**/*.jp*g"),
}
PHONE = "fas/minivision_samples"
WORSE: dict[str, Callable[[Faces], torch.Tensor]] = {
    "48 pixels": lambda faces: degrade(
        faces.images, "low_resolution", faces.images.shape[-1] / 48 - 1
    ),
    "noise of deviation 10": lambda faces: degrade(faces.images, "noise", 10),
    "blur of deviation 1": lambda faces: degrade(faces.images, "blur", 1),
    "JPEG of quality 10": lambda faces: degrade(faces.images, "jpeg", 90),
    "gamma 2": lambda faces: (255 * (faces.images / 255) ** 2).round().to(torch.uint8),
}


def listed(root: Path, pattern: str, *, live: bool, species: str = "") -> Manifest:
    """Pictures of one kind; a subject is a folder."""
    paths = sorted(root.glob(pattern))
    count = len(paths)
    return Manifest.from_columns(
        {
            "item": [path.relative_to(root).as_posix() for path in paths],
            "path": [str(path) for path in paths],
            "label": ["bona_fide" if live else "attack"] * count,
            "species": ["bona_fide" if live else species] * count,
            "subject": [path.parent.name for path in paths],
            "session": [path.stem.split("_")[3] if "nuaa" in str(root) else "" for path in paths],
        },
        str(root),
    )


def joined(first: Manifest, second: Manifest) -> Manifest:
    """The rows of both."""
    columns = [*first.table.columns]
    return Manifest.from_columns(
        {name: [*first.column(name).tolist(), *second.column(name).tolist()] for name in columns},
        first.source,
    )


def threshold_of(detector: OnnxDetector) -> Threshold:
    """The detector's own threshold."""
    if detector.threshold is None:
        raise AssertionError
    return detector.threshold


def load(manifest: Manifest, detector: OnnxDetector, scale: float | None = None) -> LoadedFaces:
    """The crops that the detector takes, or such of another scale."""
    own = detector.preprocessing.crop_spec()
    return load_faces(manifest, own if scale is None else replace(own, scale=scale))


def measured(detector: OnnxDetector, faces: Faces) -> dict[str, Any]:
    """Figures of both classes where every crop is decided, by presentation and by subject."""
    threshold = threshold_of(detector)
    scores = scores_of(detector.score(faces.images), faces.manifest)
    wrong = (scores.values >= threshold.value) != scores.label
    return {
        **figures(scores, threshold),
        "by subject, 95 %": {
            name: by_subject(wrong, scores, kind)
            for name, kind in (("APCER", ~scores.label), ("BPCER", scores.label))
        },
    }


def by_subject(
    wrong: NDArray[np.bool_], scores: Scores, kind: NDArray[np.bool_]
) -> list[float] | None:
    """Interval of an error rate with subjects as the independent units; None for one subject."""
    subjects = sorted(set(scores.subject[kind].tolist()))
    if len(subjects) < 2:
        return None
    rows = [kind & (scores.subject == subject) for subject in subjects]
    found: Interval = clustered_interval(
        [int(wrong[row].sum()) for row in rows], [int(row.sum()) for row in rows]
    )
    return [round(found.low, 4), round(found.high, 4)]


def deployed(detector: OnnxDetector, manifest: Manifest) -> dict[str, Any]:
    """Counts of answers by class, with the limits and the reference of the detector."""
    verdicts = predict_sources(detector, manifest.column("path").tolist(), largest=True)
    answers = {}
    for item, one in zip(manifest.column("item").tolist(), verdicts, strict=True):
        outcome, reason = one.decision.outcome, one.decision.reason
        undecided = outcome is Outcome.CANNOT_TELL
        answers[item] = f"cannot tell: {reason}" if undecided else outcome.value
    found: dict[str, Any] = {}
    for kind, label, wrong in (("bona fide", True, "attack"), ("attack", False, "bona fide")):
        items = manifest.column("item")[manifest.bona_fide == label].tolist()
        counts = Counter(answers[item] for item in items)
        decided = counts["attack"] + counts["bona fide"]
        if decided:
            found[kind] = {
                "answers": dict(sorted(counts.items())),
                "wrong, of those decided": rate(Rate(counts[wrong], decided)),
                "undecided": rate(Rate(len(items) - decided, len(items))),
            }
        elif items:
            found[kind] = {"answers": dict(sorted(counts.items()))}
    return found


def on_nuaa(detector: OnnxDetector, root: Path) -> dict[str, Any]:
    """All captures, degraded and tight copies, and a threshold chosen in two sessions."""
    manifest = joined(
        listed(root, "live/*/*.jpg", live=True),
        listed(root, "spoof_print/*/*.jpg", live=False, species="print"),
    )
    loaded = load(manifest, detector)
    faces = loaded.faces
    found: dict[str, Any] = {
        "not scored": count_reasons(loaded.non_responses),
        "all": measured(detector, faces),
        "as deployed": deployed(detector, manifest),
    }
    for name, change in WORSE.items():
        found[name] = measured(detector, replace(faces, images=change(faces)))
    found[f"crop {TIGHT:g}"] = measured(detector, load(manifest, detector, TIGHT).faces)
    found["what it judges"] = judged(detector, faces)
    chosen = np.isin(faces.manifest.column("session"), CHOSEN_ON)
    found["calibrated"] = calibrated(detector, faces.select(chosen), faces.select(~chosen))
    return found


def calibrated(detector: OnnxDetector, own: Faces, other: Faces) -> dict[str, Any]:
    """``sterling face calibrate`` on some sessions, measured on the others."""
    promise = Promise(0.05, 0.95, "capture")
    source = f"NUAA, sessions {' and '.join(CHOSEN_ON)}"
    made = calibrate(scores_of(detector.score(own.images), own.manifest), promise, source=source)
    threshold = threshold_of(replace(detector, threshold=made.threshold))
    scores = scores_of(detector.score(other.images), other.manifest)
    return {
        "threshold": threshold.value,
        "promise": made.guarantee.statement,
        "on the other session": figures(scores, threshold),
    }


def on_replays(detector: OnnxDetector, root: Path) -> dict[str, Any]:
    """A webcam's bona fides and replays on a television: too few for a rate."""
    manifest = joined(
        listed(root, "bona_fide/*.jpg", live=True),
        listed(root, "replay_tv/*.jpg", live=False, species="replay"),
    )
    loaded = load(manifest, detector)
    scores = scores_of(detector.score(loaded.faces.images), loaded.faces.manifest)
    area = auc(scores)
    return {
        "not scored": count_reasons(loaded.non_responses),
        "AUC": [round(x, 4) for x in (area.value, area.interval.low, area.interval.high)],
        "as deployed": deployed(detector, manifest),
    }


def on_portraits(detector: OnnxDetector, manifest: Manifest) -> dict[str, Any]:
    """Share of bona fides that are refused, and percentiles of their scores."""
    loaded = load(manifest, detector)
    scores = detector.score(loaded.faces.images)
    refused = int((scores < threshold_of(detector).value).sum())
    return {
        "not scored": count_reasons(loaded.non_responses),
        "BPCER, everybody decided": rate(Rate(refused, len(scores))),
        "as deployed": deployed(detector, manifest),
        "scores, 5th, 50th and 95th percentile": np.quantile(scores, [0.05, 0.5, 0.95])
        .round(4)
        .tolist(),
    }


def on_phone(detector: OnnxDetector, root: Path) -> dict[str, Any]:
    """Score and answer of each of three photographs: T is bona fide, F an attack."""
    found = {}
    for path in sorted(root.glob("*.jpg")):
        manifest = listed(root, path.name, live="_T" in path.name, species="phone")
        (score,) = detector.score(load(manifest, detector).faces.images)
        answer = next(iter(deployed(detector, manifest).values()))["answers"]
        found[path.name] = [round(float(score), 4), next(iter(answer))]
    return found


def measure(detector: OnnxDetector, data: Path) -> dict[str, Any]:
    """Everything that `data` holds."""
    found: dict[str, Any] = {}
    if (data / "fas" / "nuaa").is_dir():
        found["NUAA"] = on_nuaa(detector, data / "fas" / "nuaa")
    if (data / "fas" / "visagetrack").is_dir():
        found["replays on a television"] = on_replays(detector, data / "fas" / "visagetrack")
    for name, (folder, pattern) in PORTRAITS.items():
        if (data / folder).is_dir():
            found[name] = on_portraits(detector, listed(data / folder, pattern, live=True))
    if (data / PHONE).is_dir():
        found["photographs by telephone (T bona fide, F attack)"] = on_phone(detector, data / PHONE)
    return found


def main() -> None:
    """Measure, and rewrite the record."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--data", type=Path, required=True, help="folder of recorded data")
    parser.add_argument("--out", type=Path, default=RECORD.parent, help="holds compact.json")
    given = parser.parse_args()
    path = given.out / RECORD.name
    detector = shipped_detector(given.out / "compact.onnx", path)
    record = json.loads(path.read_text("utf-8"))
    record["measured on recorded photographs"] = measure(detector, given.data)
    write_atomically(path, (json.dumps(record, indent=1) + "\n").encode())
    print(json.dumps(record["measured on recorded photographs"], indent=1))


if __name__ == "__main__":
    main()
