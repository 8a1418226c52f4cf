"""Group-relative policy optimisation as plain functions: rewards, advantages, losses.

A numeric answer gets a dense reward, and rewards of one prompt's completions become advantages::

    reward = NumericReward()
    rewards = reward(completions, targets)
    result = advantages(rewards, prompt_ids, kind="ap_grpo")
    result.values  # float64 (B,); exactly 0 where the rewards of a group are equal

`sterling.policy.adapters` brings both into TRL, verl and OpenRLHF, and `diagnose` reads a trainer's
log. ``docs/policy.md`` says when a loss is zero, and why.
"""

from lazy_loader import attach_stub

# Names are in __init__.pyi; each is imported on first use, as rewards need no PyTorch.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
