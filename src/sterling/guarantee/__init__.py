"""Statements that hold in finite samples, for any score of any model."""

from sterling.guarantee.aps import APS
from sterling.guarantee.fdr import (
    adjusted_p_values,
    benjamini_hochberg,
    benjamini_yekutieli,
    conformal_e_values,
    e_benjamini_hochberg,
    null_share,
    storey_benjamini_hochberg,
)
from sterling.guarantee.label_score import LabelScore, Standing
from sterling.guarantee.label_sets import LabelSetRule, calibrate_label_sets
from sterling.guarantee.lac import LAC
from sterling.guarantee.online_fdr import e_lond, lord_plus_plus, saffron
from sterling.guarantee.p_values import conformal_p_values, mondrian_p_values, online_p_values
from sterling.guarantee.quantile import conformal_quantile
from sterling.guarantee.raps import RAPS
from sterling.guarantee.saps import SAPS
from sterling.guarantee.split_classifier import SplitConformalClassifier
from sterling.guarantee.statement import Assumption, Guarantee, ResolutionWarning
from sterling.guarantee.tolerance_limit import ToleranceLimit, tolerance_limit

__all__ = [
    "APS",
    "LAC",
    "RAPS",
    "SAPS",
    "Assumption",
    "Guarantee",
    "LabelScore",
    "LabelSetRule",
    "ResolutionWarning",
    "SplitConformalClassifier",
    "Standing",
    "ToleranceLimit",
    "adjusted_p_values",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "calibrate_label_sets",
    "conformal_e_values",
    "conformal_p_values",
    "conformal_quantile",
    "e_benjamini_hochberg",
    "e_lond",
    "lord_plus_plus",
    "mondrian_p_values",
    "null_share",
    "online_p_values",
    "saffron",
    "storey_benjamini_hochberg",
    "tolerance_limit",
]
