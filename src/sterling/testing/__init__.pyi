from .detectors import HOSTILE_TEXTS, check_detector, check_network, check_text_detector
from .guarantees import Dependence, PredictSets, Procedure, Repetition, check_conformal, check_fdr
from .privacy import check_membership_attack, check_unlearning
from .studies import check_study
from .watermarks import check_watermark

__all__ = [
    "HOSTILE_TEXTS",
    "Dependence",
    "PredictSets",
    "Procedure",
    "Repetition",
    "check_conformal",
    "check_detector",
    "check_fdr",
    "check_membership_attack",
    "check_network",
    "check_study",
    "check_text_detector",
    "check_unlearning",
    "check_watermark",
]
