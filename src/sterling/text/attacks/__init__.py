"""Attacks on detectors of machine-generated text: edits that somebody may make to a text."""

from sterling.text.attacks.registry import (
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
