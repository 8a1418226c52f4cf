"""Did an action have its effect? Rules first, a small learned model where rules cannot tell."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from sterling.agent.browser.actions import Action
from sterling.agent.browser.changes import Changes, find_changes
from sterling.agent.browser.faults import Fault
from sterling.agent.browser.observation import Element, Observation
from sterling.errors import InputError

Verdict = Literal["achieved", "no change", "wrong effect"]
VERDICTS: tuple[Verdict, ...] = get_args(Verdict)
Tier = Literal["rule", "learned", "default"]
PIXELS = 0.02
"""Share of changed pixels in the target's box that counts as a change (our choice)."""
BUTTONS = {"button", "summary"}
KINDS = ("click", "fill", "select", "press", "type")
TAGS = ("input", "button", "select", "option", "label", "li", "div", "span", "a")


@dataclass(frozen=True)
class Check:
    """A verdict on one action.

    Attributes:
        verdict: Whether the effect was achieved.
        reason: Ground of the verdict, in a few words.
        tier: Tier that decided: a rule, the learned model, or the default "achieved".
    """

    verdict: Verdict
    reason: str
    tier: Tier

    @property
    def alarm(self) -> bool:
        """Whether something has to be done about it."""
        return self.verdict != "achieved"


class Verifier:
    """Compare the page before and after an action with the effect that the action means to have.

    The rule tier looks at the address, the visible elements, the focus, values and check marks,
    and, where observations hold pictures, at the pixels in the target's box. Where it cannot tell,
    the learned tier decides; without one the effect counts as achieved.

    Args:
        learned: Learned tier; None for rules alone.

    Source: Mano (arXiv 2509.17336) has a module that checks each action's outcome; its method is
    not published in what we could read. Rules, classes and features are ours.

    Examples:
        ```python
        check = Verifier().check(action, before, after, refused=info.get("refused"))
        if check.alarm:
            ...
        ```
    """

    def __init__(self, learned: "LearnedTier | None" = None) -> None:
        self.learned = learned

    def check(
        self, action: Action, before: Observation, after: Observation, *, refused: str | None = None
    ) -> Check:
        """Judge one action.

        Args:
            action: The action.
            before: The page before it.
            after: The page after it.
            refused: Environment's reason for refusing it, if it did.
        """
        if refused:
            return Check("no change", f"refused: {refused}", "rule")
        changes = find_changes(action, before, after)
        found = rule_verdict(action, changes)
        if found is not None:
            return found
        if self.learned is None:
            return Check("achieved", "no rule applies", "default")
        verdict = self.learned.predict(effect_features(action, changes))
        return Check(verdict, "learned from injected faults", "learned")


def rule_verdict(action: Action, changes: Changes) -> Check | None:
    """Return what the rules say; None where they cannot tell."""
    target, now = changes.target, changes.now
    if action.kind in ("wait", "finish", "infeasible", "hover", "mouse_down", "mouse_up"):
        return Check("achieved", "it changes nothing by itself", "rule")
    if action.kind in ("goto", "back", "forward"):
        return _check(changes.address, "the address changed", "the address is as before")
    if target is None:
        return None
    if now is not None and now.covered and not target.covered and changes.appeared:
        return Check("wrong effect", "something covers the target", "rule")
    if action.kind in ("fill", "type", "clear"):
        return _typed(action, changes)
    if action.kind in ("click", "check", "uncheck", "select", "focus"):
        if now is None:
            return _item(action, changes, target)
        return _clicked(action, changes, target, now)
    return None


def _typed(action: Action, changes: Changes) -> Check | None:
    now = changes.now
    if now is None or not now.editable:
        return None
    wanted = action.text.rstrip("\n")
    right = now.value == wanted if action.kind != "type" else now.value.endswith(wanted)
    if right:
        return Check("achieved", "the field holds the text", "rule")
    if changes.others:
        return Check("wrong effect", "another field changed", "rule")
    return Check("no change", "the field does not hold the text", "rule")


def _clicked(action: Action, changes: Changes, target: Element, now: Element) -> Check | None:
    if target.toggled or target.tag == "option":
        wanted = action.kind != "uncheck" and (
            target.kind == "radio" or target.tag == "option" or not target.checked
        )
        if action.kind == "check":
            wanted = True
        if now.checked is wanted:
            return Check("achieved", "the mark is as wanted", "rule")
        return _missed(changes, "the mark is as before")
    if target.editable or target.tag == "select":
        return _check(now.focused, "the field has the focus", "the field has no focus", changes)
    if now.focused and not target.focused:
        return Check("achieved", "the target has the focus", "rule")
    if target.tag in BUTTONS:
        return _pressed(changes, target, now)
    if changes.pixels is not None and changes.pixels >= PIXELS:
        return Check("achieved", "its pixels changed", "rule")
    return None


def _pressed(changes: Changes, target: Element, now: Element) -> Check | None:
    """Judge a click on a button: Chromium gives it the focus, whatever else it does."""
    if changes.others:
        return Check("wrong effect", "another field changed", "rule")
    if changes.appeared or changes.vanished or changes.address or changes.scrolled:
        return Check("achieved", "the page changed", "rule")
    if changes.pixels is not None and changes.pixels >= PIXELS:
        return Check("achieved", "its pixels changed", "rule")
    if not now.focused and not target.disabled:
        return Check("no change", "the button has no focus, and nothing else changed", "rule")
    return None


def _item(action: Action, changes: Changes, target: Element) -> Check | None:
    """Judge a click on an entry that goes away, such as one of a menu."""
    if action.kind != "click" or target.editable or target.toggled:
        return None
    if changes.others and not any(target.text in new.value for _, new in changes.others):
        return Check("wrong effect", "another field changed", "rule")
    return Check("achieved", "the target went away", "rule")


def _check(right: bool, yes: str, no: str, changes: Changes | None = None) -> Check:
    if right:
        return Check("achieved", yes, "rule")
    return Check("no change", no, "rule") if changes is None else _missed(changes, no)


def _missed(changes: Changes, reason: str) -> Check:
    moved = changes.others or changes.appeared or changes.vanished or changes.address
    return Check("wrong effect" if moved else "no change", reason, "rule")


def true_verdict(
    fault: Fault | None, action: Action, before: Observation, after: Observation
) -> Verdict:
    """Return the verdict that a struck action deserves, from the fault's own proof.

    Without a fault that landed the environment did the action, so its effect was achieved.
    """
    if fault is None or not fault.landed:
        return "achieved"
    return "wrong effect" if find_changes(action, before, after).content else "no change"


def effect_features(action: Action, changes: Changes) -> NDArray[np.float32]:
    """Return the numbers that the learned tier sees, (F,)."""
    target, now = changes.target, changes.now
    pixels = -1.0 if changes.pixels is None else changes.pixels
    numbers = [
        *(float(action.kind == kind) for kind in KINDS),
        *(float(target is not None and target.tag == tag) for tag in TAGS),
        float(target is None),
        float(target is not None and now is None),
        float(target is not None and now is not None and target.state != now.state),
        float(now is not None and now.focused),
        float(target is not None and target.focused),
        float(now is not None and now.covered),
        float(target is not None and target.covered),
        min(len(changes.others), 3) / 3,
        min(changes.appeared, 5) / 5,
        min(changes.vanished, 5) / 5,
        float(changes.address),
        float(changes.scrolled),
        float(changes.focus),
        pixels,
    ]
    return np.array(numbers, np.float32)


class LearnedTier:
    """A multinomial logistic model over `effect_features`, fitted on actions struck by faults.

    Args:
        weights: (F + 1, 3); the last row is the intercept.
    """

    def __init__(self, weights: NDArray[np.float64]) -> None:
        self.weights = weights

    @classmethod
    def fit(
        cls, features: Sequence[NDArray[np.float32]], verdicts: Sequence[Verdict]
    ) -> "LearnedTier":
        """Fit the model.

        Args:
            features: `effect_features` of each action.
            verdicts: `true_verdict` of each.

        Raises:
            InputError: There are none, or all verdicts are the same.
        """
        from sklearn.linear_model import LogisticRegression

        if len(set(verdicts)) < 2:
            raise InputError("the learned tier needs actions with different verdicts")
        model: Any = LogisticRegression(max_iter=500, C=10.0)
        model.fit(np.stack(features), list(verdicts))
        weights = np.full((len(features[0]) + 1, len(VERDICTS)), -1e3)
        weights[:-1] = 0.0
        scores = np.vstack([model.coef_.T, model.intercept_[None]])
        if scores.shape[1] == 1:  # two classes share one column
            scores = np.hstack([np.zeros_like(scores), scores])
        for column, name in enumerate(model.classes_):
            weights[:, VERDICTS.index(name)] = scores[:, column]
        return cls(weights)

    def predict(self, features: NDArray[np.float32]) -> Verdict:
        """Return the most probable verdict."""
        scores = np.append(features, 1.0) @ self.weights
        return VERDICTS[int(scores.argmax())]
