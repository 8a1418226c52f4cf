"""Membership inference: was this record in the training set?

Every score is higher for members. One file per attack.
"""

from sterling.privacy.membership.audit import MembershipAudit, audit
from sterling.privacy.membership.confidence import confidence_score
from sterling.privacy.membership.conformity import nonmember_conformity
from sterling.privacy.membership.difficulty import difficulty_score
from sterling.privacy.membership.entropy import entropy_score
from sterling.privacy.membership.fdr import MembershipFDR, ShiftWarning
from sterling.privacy.membership.gradient_norm import gradient_norms, learned_sign
from sterling.privacy.membership.lifelong import select_over_stages
from sterling.privacy.membership.lira import lira_offline, lira_online
from sterling.privacy.membership.loss import loss_score
from sterling.privacy.membership.min_k import min_k_score
from sterling.privacy.membership.min_k_plus import min_k_plus_score
from sterling.privacy.membership.modified_entropy import class_thresholds, modified_entropy_score
from sterling.privacy.membership.phi import phi
from sterling.privacy.membership.quantile import QuantileRegression
from sterling.privacy.membership.rmia import likelihood_ratio, rmia_score, tune_offline_a
from sterling.privacy.membership.shadow_classifier import ShadowClassifier
from sterling.privacy.membership.text_reference import reference_score, zlib_score

__all__ = [
    "MembershipAudit",
    "MembershipFDR",
    "QuantileRegression",
    "ShadowClassifier",
    "ShiftWarning",
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
    "loss_score",
    "min_k_plus_score",
    "min_k_score",
    "modified_entropy_score",
    "nonmember_conformity",
    "phi",
    "reference_score",
    "rmia_score",
    "select_over_stages",
    "tune_offline_a",
    "zlib_score",
]
