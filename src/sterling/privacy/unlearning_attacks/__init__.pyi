from .deletion_audit import DeletionAuditor
from .deletion_requests import (
    Aim,
    plan_by_queries,
    plan_deletions,
    plan_verified_deletions,
)
from .language_model import (
    behind,
    best_prefix,
    exact_memorisation,
    extraction_strength,
    fit_soft_prompt,
    leak_at_k,
    linear_probe,
    logit_lens,
)
from .membership import (
    attack_two_models,
    degradation,
    posteriors,
    rmia_after_unlearning,
    ulira,
)
from .recovery import (
    Inversion,
    forgotten_class_from_bias,
    forgotten_class_from_probes,
    invert,
    reconstruct_record,
    reconstruction_errors,
)
from .registry import (
    CLASSIFIER_ATTACKS,
    LANGUAGE_ATTACKS,
    LanguageTarget,
    attack_classifiers,
    attack_language_model,
    steer_language_model,
)
from .separation import (
    attack_area,
    lingering,
    privleak,
    truth_ratio,
    two_sided,
)
from .weight_changes import (
    merge_benign_adapter,
    relearning_curve,
    round_to_nearest,
)

__all__ = [
    "CLASSIFIER_ATTACKS",
    "LANGUAGE_ATTACKS",
    "Aim",
    "DeletionAuditor",
    "Inversion",
    "LanguageTarget",
    "attack_area",
    "attack_classifiers",
    "attack_language_model",
    "attack_two_models",
    "behind",
    "best_prefix",
    "degradation",
    "exact_memorisation",
    "extraction_strength",
    "fit_soft_prompt",
    "forgotten_class_from_bias",
    "forgotten_class_from_probes",
    "invert",
    "leak_at_k",
    "linear_probe",
    "lingering",
    "logit_lens",
    "merge_benign_adapter",
    "plan_by_queries",
    "plan_deletions",
    "plan_verified_deletions",
    "posteriors",
    "privleak",
    "reconstruct_record",
    "reconstruction_errors",
    "relearning_curve",
    "rmia_after_unlearning",
    "round_to_nearest",
    "steer_language_model",
    "truth_ratio",
    "two_sided",
    "ulira",
]
