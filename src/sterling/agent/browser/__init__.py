"""Agents on web pages: environments, faults, trajectories, policies, a verifier.

A page in the system's Chromium is a Gymnasium environment::

    with MiniWobEnv("click-test-2") as env:
        observation, info = env.reset(seed=0)
        observation, reward, done, cut, info = env.step("click('3')")

``docs/browser.md`` describes actions, faults, own pages and what was measured.
"""

from lazy_loader import attach_stub

# Names are in __init__.pyi; each is imported on first use, as Playwright and Gymnasium are extras.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
