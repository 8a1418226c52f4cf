from .exchangeability import (
    conformal_martingale,
    exchangeability_p_value,
    online_p_values,
)
from .family_wise import bonferroni, fixed_sequence, graphical
from .fdr import (
    adjusted_p_values,
    benjamini_hochberg,
    benjamini_yekutieli,
    conformal_e_values,
    e_benjamini_hochberg,
    harmonic_e_values,
    null_share,
    null_share_at_the_boundary,
    null_share_by_subtraction,
    storey_benjamini_hochberg,
)
from .label_scores import APS, LAC, RAPS, SAPS, LabelScore, Standing
from .online_fdr import e_lond, lord_plus_plus, saffron
from .p_values import conformal_p_values, mondrian_p_values
from .quantiles import (
    ToleranceLimit,
    conformal_quantile,
    tolerance_limit,
    weighted_quantiles,
)
from .risk_control import (
    ControlledRisk,
    SafeSettings,
    conformal_risk_control,
    learn_then_test,
    risk_controlling_sets,
)
from .risk_controller import RiskController
from .risk_tests import (
    betting_p_values,
    binomial_p_values,
    hoeffding_bentkus_p_values,
)
from .selector import ConformalSelector, Procedure
from .sets import LabelSetRule, calibrate_label_sets, class_clusters
from .split_classifier import SplitConformalClassifier
from .statement import Assumption, Guarantee, ResolutionWarning

__all__ = [
    "APS",
    "LAC",
    "RAPS",
    "SAPS",
    "Assumption",
    "ConformalSelector",
    "ControlledRisk",
    "Guarantee",
    "LabelScore",
    "LabelSetRule",
    "Procedure",
    "ResolutionWarning",
    "RiskController",
    "SafeSettings",
    "SplitConformalClassifier",
    "Standing",
    "ToleranceLimit",
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
