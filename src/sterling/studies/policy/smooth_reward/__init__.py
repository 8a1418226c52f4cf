"""Smooth rewards for numeric answers: SNRA and AP-GRPO.

`write_questions` writes numeric 3-D questions with exact answers as JSONL, for your
trainers.
"""

from sterling.studies.policy.smooth_reward._scenes import write_questions

__all__ = ["write_questions"]
