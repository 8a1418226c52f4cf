"""Detectors of machine-generated text: one contract, one calibration, many scores."""

from sterling.text.detectors.binoculars import Binoculars, without_last_layers
from sterling.text.detectors.calibrated import CalibratedDetector, Judged, train_detector
from sterling.text.detectors.character_ngrams import CharacterNgrams
from sterling.text.detectors.classifier_folder import ClassifierFolder
from sterling.text.detectors.perturbation import PerturbationDetector
from sterling.text.detectors.regeneration import DnaGpt, Raidar
from sterling.text.detectors.registry import (
    DETECTORS,
    SUPERVISED,
    DetectorPlan,
    load_detector,
    make_detector,
    untrained_detector,
)
from sterling.text.detectors.scored import Detector, FunctionDetector, Scored
from sterling.text.detectors.small_classifier import SmallClassifier
from sterling.text.detectors.token_metrics import (
    METRICS,
    Gltr,
    TokenDetector,
    score_metrics,
    score_prefixes,
)

__all__ = [
    "DETECTORS",
    "METRICS",
    "SUPERVISED",
    "Binoculars",
    "CalibratedDetector",
    "CharacterNgrams",
    "ClassifierFolder",
    "Detector",
    "DetectorPlan",
    "DnaGpt",
    "FunctionDetector",
    "Gltr",
    "Judged",
    "PerturbationDetector",
    "Raidar",
    "Scored",
    "SmallClassifier",
    "TokenDetector",
    "load_detector",
    "make_detector",
    "score_metrics",
    "score_prefixes",
    "train_detector",
    "untrained_detector",
    "without_last_layers",
]
