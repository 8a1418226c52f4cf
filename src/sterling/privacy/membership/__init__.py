"""Membership inference: was this record in the training set?

Every score is higher for members. `MembershipFDR` declares members with a bounded false discovery
rate; `ATTACKS` and `TEXT_ATTACKS` name the attacks.
"""

from sterling.privacy.membership.fdr import MembershipAudit, MembershipFDR, ShiftWarning, audit
from sterling.privacy.membership.learned import (
    QuantileRegression,
    ShadowClassifier,
    gradient_norms,
    learned_sign,
    nonmember_conformity,
)
from sterling.privacy.membership.lifelong import select_over_stages
from sterling.privacy.membership.lira import lira_offline, lira_online, lira_released
from sterling.privacy.membership.output_scores import (
    class_thresholds,
    confidence_score,
    difficulty_score,
    entropy_score,
    loss_score,
    modified_entropy_score,
    phi,
)
from sterling.privacy.membership.registry import (
    ATTACKS,
    TEXT_ATTACKS,
    attack_scores,
    text_attack_scores,
)
from sterling.privacy.membership.rmia import likelihood_ratio, rmia_score, tune_offline_a
from sterling.privacy.membership.text_scores import (
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
