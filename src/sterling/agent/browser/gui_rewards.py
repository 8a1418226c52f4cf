"""Rewards of GUI actions: composed for one step against a demonstration, and of an episode."""

from collections import Counter

import numpy as np

from sterling.agent.browser.actions import Action
from sterling.agent.browser.changes import target_of
from sterling.agent.browser.episode import Episode
from sterling.agent.browser.observation import Observation
from sterling.policy import point_to_box, snra

FORMAT, TYPE, ARGUMENT = 0.1, 0.3, 0.6
"""Shares of the parts of a step's reward."""
SHARPNESS = 2.0
STEP_COST, INVALID_COST, NO_EFFECT_COST = 0.01, 0.05, 0.02
SAME_TYPE = {"focus": "click", "check": "click", "uncheck": "click", "type": "fill"}


def step_reward(action: Action | None, wanted: Action, seen: Observation) -> float:
    """Return the composed reward of one action against the demonstrated one, in [0, 1].

    0.1 for an action that can be read, 0.3 for the right type, 0.6 for the argument, which counts
    only with the right type: the place of a click earns 1 inside the target's box and SNRA of
    (distance to the centre / half the box's diagonal)² outside; a text earns the token F1 and a
    field the mean of place and text; a scroll earns 1 in the right direction.

    Args:
        action: The action; None where the answer was no action.
        wanted: The demonstrated action.
        seen: The page that both are for.

    Source: the parts and shares are ours; Mano's are not published in what we could read.

    Examples:
        >>> from sterling.agent.browser import Element
        >>> box = (0.0, 0.0, 40.0, 20.0)
        >>> seen = Observation("", "", "", (Element(1, "button", "", "OK", "", box),))
        >>> round(step_reward(Action("click", point=(50.0, 10.0)), Action("click", ref=1), seen), 2)
        0.43
    """
    if action is None:
        return 0.0
    kind, right = (SAME_TYPE.get(one.kind, one.kind) for one in (action, wanted))
    if kind != right:
        return FORMAT
    if kind in ("fill", "type"):
        argument = (_place(action, wanted, seen) + token_f1(action.text, wanted.text)) / 2
    elif kind == "scroll":
        argument = float(bool(np.array_equal(np.sign(action.scroll), np.sign(wanted.scroll))))
    elif kind in ("select", "press", "goto"):
        argument = float((action.text, action.ref) == (wanted.text, wanted.ref))
    else:
        argument = _place(action, wanted, seen)
    return FORMAT + TYPE + ARGUMENT * argument


def token_f1(text: str, wanted: str) -> float:
    """Return the F1 of the words of two texts, in [0, 1]; 1 for two empty texts.

    Examples:
        >>> round(token_f1("New York", "New Haven"), 2)
        0.5
    """
    said, meant = Counter(text.lower().split()), Counter(wanted.lower().split())
    if not said and not meant:
        return 1.0
    both = (said & meant).total()
    return 2 * both / (said.total() + meant.total())


def episode_return(episode: Episode) -> float:
    """Return 1 for success, less 0.01 a step and 0.05 a refused action.

    A failure also loses 0.02 for each action without effect.

    Examples:
        >>> episode_return(Episode("click-test", 0, reward=1.0))
        1.0
    """
    costs = STEP_COST * len(episode.steps) + INVALID_COST * episode.invalid
    if not episode.success:
        costs += NO_EFFECT_COST * episode.no_effect
    return float(episode.success) - costs


def _place(action: Action, wanted: Action, seen: Observation) -> float:
    target = target_of(wanted, seen)
    own = target_of(action, seen)
    if target is None:
        return float(action == wanted)
    if own is not None and own.ref == target.ref:
        return 1.0
    point = own.centre if own is not None else action.point
    if point is None:
        return 0.0
    left, top, right, bottom = target.box
    if float(point_to_box(point, target.box)) == 0.0:
        return 1.0
    half = np.hypot(right - left, bottom - top) / 2
    distance = np.hypot(point[0] - target.centre[0], point[1] - target.centre[1])
    return float(snra((distance / half) ** 2, SHARPNESS))
