"""Clinical reasoning: templates of diagnostic steps, process rewards, and what games them.

Test your own reward for texts that only look like good reasoning::

    from sterling.reasoning import draw_cases, reward_gaming

    matrix = reward_gaming(my_reward, draw_cases(30, seed=0))
    matrix.margin.min()  # negative where an exploit earns more than the correct reasoning

Templates are illustrative and synthetic cases are SIMULATED: nothing here is for clinical use.
"""

from lazy_loader import attach_stub

# Names are in __init__.pyi; each is imported on first use, as templates need no PyTorch.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
