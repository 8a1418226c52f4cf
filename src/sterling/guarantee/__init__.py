"""Statements that hold in finite samples, for any score of any model."""

from sterling.guarantee.aci import AdaptiveLevels, adaptive_conformal_inference
from sterling.guarantee.aps import APS
from sterling.guarantee.clustered import class_clusters
from sterling.guarantee.exchangeability import conformal_martingale, exchangeability_p_value
from sterling.guarantee.family_wise import bonferroni, fixed_sequence, graphical
from sterling.guarantee.fdr import (
    adjusted_p_values,
    benjamini_hochberg,
    benjamini_yekutieli,
    conformal_e_values,
    e_benjamini_hochberg,
    harmonic_e_values,
    storey_benjamini_hochberg,
)
from sterling.guarantee.label_score import LabelScore, Standing
from sterling.guarantee.label_sets import LabelSetRule, calibrate_label_sets
from sterling.guarantee.lac import LAC
from sterling.guarantee.learn_then_test import SafeSettings, learn_then_test
from sterling.guarantee.null_share import (
    null_share,
    null_share_at_the_boundary,
    null_share_by_subtraction,
)
from sterling.guarantee.online_fdr import e_lond, lord_plus_plus, saffron
from sterling.guarantee.p_values import conformal_p_values, mondrian_p_values, online_p_values
from sterling.guarantee.quantile import conformal_quantile
from sterling.guarantee.raps import RAPS
from sterling.guarantee.risk_classifier import RiskControlledClassifier
from sterling.guarantee.risk_control import (
    ControlledRisk,
    conformal_risk_control,
    risk_controlling_sets,
)
from sterling.guarantee.risk_controller import RiskController
from sterling.guarantee.risk_p_values import (
    betting_p_values,
    binomial_p_values,
    hoeffding_bentkus_p_values,
)
from sterling.guarantee.saps import SAPS
from sterling.guarantee.selector import ConformalSelector, Procedure
from sterling.guarantee.split_classifier import SplitConformalClassifier
from sterling.guarantee.split_regressor import (
    ConformalizedQuantileRegressor,
    CrossConformalRegressor,
    SplitConformalRegressor,
)
from sterling.guarantee.statement import Assumption, Guarantee, ResolutionWarning
from sterling.guarantee.tolerance_limit import ToleranceLimit, tolerance_limit
from sterling.guarantee.weighted import weighted_quantiles

__all__ = [
    "APS",
    "LAC",
    "RAPS",
    "SAPS",
    "AdaptiveLevels",
    "Assumption",
    "ConformalSelector",
    "ConformalizedQuantileRegressor",
    "ControlledRisk",
    "CrossConformalRegressor",
    "Guarantee",
    "LabelScore",
    "LabelSetRule",
    "Procedure",
    "ResolutionWarning",
    "RiskControlledClassifier",
    "RiskController",
    "SafeSettings",
    "SplitConformalClassifier",
    "SplitConformalRegressor",
    "Standing",
    "ToleranceLimit",
    "adaptive_conformal_inference",
    "adjusted_p_values",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "betting_p_values",
    "binomial_p_values",
    "bonferroni",
    "calibrate_label_sets",
    "class_clusters",
    "conformal_e_values",
    "conformal_martingale",
    "conformal_p_values",
    "conformal_quantile",
    "conformal_risk_control",
    "e_benjamini_hochberg",
    "e_lond",
    "exchangeability_p_value",
    "fixed_sequence",
    "graphical",
    "harmonic_e_values",
    "hoeffding_bentkus_p_values",
    "learn_then_test",
    "lord_plus_plus",
    "mondrian_p_values",
    "null_share",
    "null_share_at_the_boundary",
    "null_share_by_subtraction",
    "online_p_values",
    "risk_controlling_sets",
    "saffron",
    "storey_benjamini_hochberg",
    "tolerance_limit",
    "weighted_quantiles",
]
