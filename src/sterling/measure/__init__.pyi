from .bradley_terry import BradleyTerry, fit_bradley_terry
from .calibration import (
    brier_score,
    calibration_error,
    classwise_calibration_error,
    negative_log_likelihood,
)
from .clustered import clustered_interval, clustered_rate, crossed_interval, pair_interval
from .curves import ErrorCurve, auc, eer, error_curve
from .identification import identification_ranks, mean_average_precision, tpir_at_fpir
from .interval import Estimate, Interval, mean_interval
from .operating_point import OperatingPoint, tpr_at_fpr
from .pad import (
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
from .paired import (
    McNemar,
    bootstrap_by_subject,
    compare_paired,
    compare_unpaired,
    mcnemar,
)
from .rate import Rate
from .scores import Scores, aggregate
from .sequence import mean_sequence, rate_sequence
from .threshold import Threshold
from .verification import (
    Comparisons,
    FoldAccuracy,
    VerificationPoint,
    fold_accuracy,
    tar_at_far,
)

__all__ = [
    "BONA_FIDE",
    "BradleyTerry",
    "Comparisons",
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
    "clustered_rate",
    "compare_paired",
    "compare_unpaired",
    "crossed_interval",
    "eer",
    "error_curve",
    "evaluate",
    "fit_bradley_terry",
    "fold_accuracy",
    "identification_ranks",
    "mcnemar",
    "mean_average_precision",
    "mean_interval",
    "mean_sequence",
    "negative_log_likelihood",
    "non_response_rates",
    "pair_interval",
    "rate_sequence",
    "tar_at_far",
    "threshold_at_apcer",
    "threshold_at_bpcer",
    "threshold_at_eer",
    "tpir_at_fpir",
    "tpr_at_fpr",
]
