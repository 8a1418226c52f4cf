"""Measure the shipped detector on recorded photographs, and write that into its record.

None of these took part in training, in choosing the threshold, or in any other choice.

    python -m tools.measure_compact --data DIR [--out src/sterling/face/pad]

DIR holds ``fas/nuaa`` (NUAA: webcam captures and prints), ``fas/minivision_samples`` (three
photographs by telephone), and portraits, all bona fide: ``faces/lfw_grey``, ``faces/orl_att`` and
``faces/yale``. What is missing is left out.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np
from tools.build_compact import figures, rate

from sterling.face.data import Faces, LoadedFaces, Manifest, load_faces
from sterling.face.evaluation.bounded_threshold import Promise
from sterling.face.evaluation.calibration import calibrate
from sterling.face.evaluation.evaluate import count_reasons, scores_of
from sterling.face.evaluation.robustness import sweep
from sterling.face.pad import OnnxDetector, shipped_detector
from sterling.face.pad.detector.pretrained import RECORD
from sterling.measure import Rate, auc
from sterling.storage import write_atomically

CHOSEN_ON = ("01", "02")  # sessions of NUAA whose bona fides choose the calibrated threshold
PORTRAITS = {
    "LFW, grey, one of each person": ("faces/lfw_grey", "*/*_0001.jpg"),
    "ORL": ("faces/orl_att", "*/*.pgm"),
    "Yale": ("faces/yale", "*/*.gif"),
}
PHONE = "fas/minivision_samples"


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


def load(manifest: Manifest, detector: OnnxDetector) -> LoadedFaces:
    """The crops that the detector takes."""
    return load_faces(manifest, detector.preprocessing.crop_spec())


def on_nuaa(detector: OnnxDetector, root: Path) -> dict[str, Any]:
    """All captures, each session, degraded copies, and a threshold chosen in two sessions."""
    manifest = joined(
        listed(root, "live/*/*.jpg", live=True),
        listed(root, "spoof_print/*/*.jpg", live=False, species="print"),
    )
    loaded = load(manifest, detector)
    faces, threshold = loaded.faces, detector.threshold
    if threshold is None:
        raise AssertionError
    session = faces.manifest.column("session")
    found: dict[str, Any] = {
        "not scored": count_reasons(loaded.non_responses),
        "all": figures(scores_of(detector.score(faces.images), faces.manifest), threshold),
    }
    for name in sorted(set(session.tolist())):
        one = faces.select(session == name)
        found[f"session {name}"] = figures(
            scores_of(detector.score(one.images), one.manifest), threshold
        )
    found["degraded"] = [
        {
            "what": point.kind,
            "strength": point.strength,
            "AUC": round(auc(point.scores).value, 4),
            "APCER": rate(point.errors.apcer_max),
            "BPCER": rate(point.errors.bpcer),
        }
        for point in sweep(detector, faces)
        if point.strength
    ]
    chosen = np.isin(session, CHOSEN_ON)
    found["calibrated"] = calibrated(detector, faces.select(chosen), faces.select(~chosen))
    return found


def calibrated(detector: OnnxDetector, own: Faces, other: Faces) -> dict[str, Any]:
    """``sterling face calibrate`` on some sessions, measured on the others."""
    promise = Promise(0.05, 0.95, "capture")
    made = calibrate(detector, own, promise, source=f"NUAA, sessions {' and '.join(CHOSEN_ON)}")
    threshold = made.detector.threshold
    if threshold is None:
        raise AssertionError
    scores = scores_of(detector.score(other.images), other.manifest)
    return {
        "threshold": threshold.value,
        "promise": made.guarantee.statement,
        "on the other session": figures(scores, threshold),
    }


def on_portraits(detector: OnnxDetector, manifest: Manifest) -> dict[str, Any]:
    """How many bona fides are rejected."""
    loaded = load(manifest, detector)
    scores = detector.score(loaded.faces.images)
    if detector.threshold is None:
        raise AssertionError
    rejected = int((scores < detector.threshold.value).sum())
    return {
        "not scored": count_reasons(loaded.non_responses),
        "BPCER": rate(Rate(rejected, len(scores))),
        "scores, 5th, 50th and 95th percentile": np.quantile(scores, [0.05, 0.5, 0.95])
        .round(4)
        .tolist(),
    }


def on_phone(detector: OnnxDetector, root: Path) -> dict[str, float]:
    """The score of each of three photographs: T is bona fide, F an attack."""
    loaded = load(listed(root, "*.jpg", live=True), detector)
    names = loaded.faces.manifest.column("item").tolist()
    scores = detector.score(loaded.faces.images).round(4).tolist()
    return dict(zip(names, scores, strict=True))


def measure(detector: OnnxDetector, data: Path) -> dict[str, Any]:
    """Everything that `data` holds."""
    found: dict[str, Any] = {}
    if (data / "fas" / "nuaa").is_dir():
        found["NUAA"] = on_nuaa(detector, data / "fas" / "nuaa")
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
