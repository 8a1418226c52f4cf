"""Attacks on unlearning: what a model still tells about records that it was asked to forget."""

from sterling.privacy.forgetting_attacks.label_inference import (
    forgotten_class_from_bias,
    forgotten_class_from_probes,
)
from sterling.privacy.forgetting_attacks.lingering import lingering
from sterling.privacy.forgetting_attacks.ridge_reconstruction import reconstruct_record
from sterling.privacy.forgetting_attacks.separation import attack_area, privleak, two_sided
from sterling.privacy.forgetting_attacks.two_model import attack_two_models, degradation, posteriors
from sterling.privacy.forgetting_attacks.ulira import ulira

__all__ = [
    "attack_area",
    "attack_two_models",
    "degradation",
    "forgotten_class_from_bias",
    "forgotten_class_from_probes",
    "lingering",
    "posteriors",
    "privleak",
    "reconstruct_record",
    "two_sided",
    "ulira",
]
