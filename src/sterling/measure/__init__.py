"""Typed values and figures of merit: pure functions on arrays, each with its exact interval."""

from sterling.measure.aggregate import aggregate
from sterling.measure.auc import area_under_roc
from sterling.measure.bootstrap import bootstrap_by_subject, paired_difference
from sterling.measure.curve import ErrorCurve, error_curve
from sterling.measure.eer import equal_error_rate
from sterling.measure.interval import Estimate, Interval, mean_interval
from sterling.measure.mcnemar import McNemar, mcnemar
from sterling.measure.operating_point import (
    OperatingPoint,
    apcer_at_bpcer,
    bpcer_at_apcer,
    threshold_at_apcer,
    threshold_at_bpcer,
    threshold_at_eer,
    tpr_at_fpr,
)
from sterling.measure.pad import PadErrors, evaluate, non_response_rates
from sterling.measure.rate import Rate
from sterling.measure.scores import BONA_FIDE, Scores
from sterling.measure.threshold import Threshold

__all__ = [
    "BONA_FIDE",
    "ErrorCurve",
    "Estimate",
    "Interval",
    "McNemar",
    "OperatingPoint",
    "PadErrors",
    "Rate",
    "Scores",
    "Threshold",
    "aggregate",
    "apcer_at_bpcer",
    "area_under_roc",
    "bootstrap_by_subject",
    "bpcer_at_apcer",
    "equal_error_rate",
    "error_curve",
    "evaluate",
    "mcnemar",
    "mean_interval",
    "non_response_rates",
    "paired_difference",
    "threshold_at_apcer",
    "threshold_at_bpcer",
    "threshold_at_eer",
    "tpr_at_fpr",
]
