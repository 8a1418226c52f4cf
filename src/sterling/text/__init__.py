"""Texts: who wrote them, how detectors are fooled, and watermarks."""

from sterling.text.attacks import ATTACKS, AttackTools, attack_records
from sterling.text.corpus.build import BuildPlan, build_corpus
from sterling.text.corpus.records import (
    Corpus,
    TextRecord,
    read_corpus,
    split_by_group,
    write_records,
)
from sterling.text.detectors import (
    DETECTORS,
    CalibratedDetector,
    Detector,
    DetectorPlan,
    Judged,
    load_detector,
    make_detector,
    score_metrics,
    train_detector,
    untrained_detector,
)
from sterling.text.evaluation.declaration import Declaration, Verdict, declare_machine_written
from sterling.text.watermark.triple_set import (
    Combination,
    TripleSetWatermark,
    WatermarkDetection,
    combined_p_value,
    kgw,
    unigram,
)

__all__ = [
    "ATTACKS",
    "DETECTORS",
    "AttackTools",
    "BuildPlan",
    "CalibratedDetector",
    "Combination",
    "Corpus",
    "Declaration",
    "Detector",
    "DetectorPlan",
    "Judged",
    "TextRecord",
    "TripleSetWatermark",
    "Verdict",
    "WatermarkDetection",
    "attack_records",
    "build_corpus",
    "combined_p_value",
    "declare_machine_written",
    "kgw",
    "load_detector",
    "make_detector",
    "read_corpus",
    "score_metrics",
    "split_by_group",
    "train_detector",
    "unigram",
    "untrained_detector",
    "write_records",
]
