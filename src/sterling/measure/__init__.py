"""Typed values and figures of merit: pure functions on arrays, each with its exact interval."""

from sterling.measure.bradley_terry import BradleyTerry, fit_bradley_terry
from sterling.measure.calibration import (
    brier_score,
    calibration_error,
    classwise_calibration_error,
    negative_log_likelihood,
)
from sterling.measure.clustered import clustered_interval
from sterling.measure.curves import ErrorCurve, auc, eer, error_curve
from sterling.measure.interval import Estimate, Interval, mean_interval
from sterling.measure.operating_point import OperatingPoint, tpr_at_fpr
from sterling.measure.pad import (
    BONA_FIDE,
    PadErrors,
    apcer_at_bpcer,
    bpcer_at_apcer,
    evaluate,
    non_response_rates,
    threshold_at_apcer,
    threshold_at_bpcer,
    threshold_at_eer,
)
from sterling.measure.paired import McNemar, bootstrap_by_subject, compare_paired, mcnemar
from sterling.measure.rate import Rate
from sterling.measure.scores import Scores, aggregate
from sterling.measure.sequence import mean_sequence, rate_sequence
from sterling.measure.threshold import Threshold
from sterling.measure.verification import (
    FoldAccuracy,
    VerificationPoint,
    fold_accuracy,
    tar_at_far,
)

__all__ = [
    "BONA_FIDE",
    "BradleyTerry",
    "ErrorCurve",
    "Estimate",
    "FoldAccuracy",
    "Interval",
    "McNemar",
    "OperatingPoint",
    "PadErrors",
    "Rate",
    "Scores",
    "Threshold",
    "VerificationPoint",
    "aggregate",
    "apcer_at_bpcer",
    "auc",
    "bootstrap_by_subject",
    "bpcer_at_apcer",
    "brier_score",
    "calibration_error",
    "classwise_calibration_error",
    "clustered_interval",
    "compare_paired",
    "eer",
    "error_curve",
    "evaluate",
    "fit_bradley_terry",
    "fold_accuracy",
    "mcnemar",
    "mean_interval",
    "mean_sequence",
    "negative_log_likelihood",
    "non_response_rates",
    "rate_sequence",
    "tar_at_far",
    "threshold_at_apcer",
    "threshold_at_bpcer",
    "threshold_at_eer",
    "tpr_at_fpr",
]
