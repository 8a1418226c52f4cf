"""Attacks on unlearning: what a model still tells about records that it was asked to forget."""

from sterling.privacy.unlearning_attacks.benign_adapter import merge_benign_adapter
from sterling.privacy.unlearning_attacks.extraction import (
    exact_memorisation,
    extraction_strength,
    leak_at_k,
)
from sterling.privacy.unlearning_attacks.inversion import Inversion, invert
from sterling.privacy.unlearning_attacks.label_inference import (
    forgotten_class_from_bias,
    forgotten_class_from_probes,
)
from sterling.privacy.unlearning_attacks.linear_probe import linear_probe
from sterling.privacy.unlearning_attacks.lingering import lingering
from sterling.privacy.unlearning_attacks.logit_lens import logit_lens
from sterling.privacy.unlearning_attacks.prefix import behind, best_prefix
from sterling.privacy.unlearning_attacks.quantisation import round_to_nearest
from sterling.privacy.unlearning_attacks.registry import (
    LanguageTarget,
    attack_classifiers,
    attack_language_model,
    steer_language_model,
)
from sterling.privacy.unlearning_attacks.relearning import relearning_curve
from sterling.privacy.unlearning_attacks.ridge_reconstruction import (
    reconstruct_record,
    reconstruction_errors,
)
from sterling.privacy.unlearning_attacks.rmia import rmia_after_unlearning
from sterling.privacy.unlearning_attacks.separation import attack_area, privleak, two_sided
from sterling.privacy.unlearning_attacks.soft_prompt import fit_soft_prompt
from sterling.privacy.unlearning_attacks.truth_ratio import truth_ratio
from sterling.privacy.unlearning_attacks.two_model import attack_two_models, degradation, posteriors
from sterling.privacy.unlearning_attacks.ulira import ulira
from sterling.privacy.unlearning_attacks.uncertainty_request import (
    Aim,
    plan_by_queries,
    plan_request,
    plan_verified_request,
)

__all__ = [
    "Aim",
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
    "plan_request",
    "plan_verified_request",
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
