from .fdr import MembershipAudit, MembershipFDR, ShiftWarning, audit
from .learned import (
    QuantileRegression,
    ShadowClassifier,
    gradient_norms,
    learned_sign,
    nonmember_conformity,
)
from .lifelong import select_over_stages
from .lira import lira_offline, lira_online, lira_released
from .output_scores import (
    class_thresholds,
    confidence_score,
    difficulty_score,
    entropy_score,
    loss_score,
    modified_entropy_score,
    phi,
)
from .registry import (
    ATTACKS,
    TEXT_ATTACKS,
    attack_scores,
    text_attack_scores,
)
from .rmia import likelihood_ratio, rmia_score, tune_offline_a
from .text_scores import (
    min_k_plus_score,
    min_k_score,
    reference_score,
    zlib_score,
)

__all__ = [
    "ATTACKS",
    "TEXT_ATTACKS",
    "MembershipAudit",
    "MembershipFDR",
    "QuantileRegression",
    "ShadowClassifier",
    "ShiftWarning",
    "attack_scores",
    "audit",
    "class_thresholds",
    "confidence_score",
    "difficulty_score",
    "entropy_score",
    "gradient_norms",
    "learned_sign",
    "likelihood_ratio",
    "lira_offline",
    "lira_online",
    "lira_released",
    "loss_score",
    "min_k_plus_score",
    "min_k_score",
    "modified_entropy_score",
    "nonmember_conformity",
    "phi",
    "reference_score",
    "rmia_score",
    "select_over_stages",
    "text_attack_scores",
    "tune_offline_a",
    "zlib_score",
]
