"""Attacks on detectors of machine-generated text: what a text looks like after somebody's edits."""

from sterling.text.attacks.suite import (
    ATTACKS,
    FREE_ATTACKS,
    MODEL_ATTACKS,
    AttackTools,
    attack_records,
    attack_text,
)
from sterling.text.attacks.word_edits import Edited

__all__ = [
    "ATTACKS",
    "FREE_ATTACKS",
    "MODEL_ATTACKS",
    "AttackTools",
    "Edited",
    "attack_records",
    "attack_text",
]
