"""Scripted solutions of MiniWoB++ tasks for demonstrations, an upper bound, and random clicks."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np

from sterling.agent.browser.actions import Action
from sterling.agent.browser.observation import Element, Observation
from sterling.errors import unknown_name

Solve = Callable[[Observation], Action]


def _quoted(seen: Observation) -> list[str]:
    return re.findall(r'"([^"]*)"', seen.goal)


def _click(element: Element) -> Action:
    return Action("click", ref=element.ref)


def _button(seen: Observation, text: str) -> Action:
    return _click(next(one for one in seen.elements if one.tag == "button" and one.text == text))


def _fields(seen: Observation) -> list[Element]:
    return [one for one in seen.elements if one.editable]


def _fill_all(seen: Observation, texts: list[str], button: str) -> Action:
    for field, text in zip(_fields(seen), texts, strict=False):
        if field.value != text:
            return Action("fill", ref=field.ref, text=text)
    return _button(seen, button)


def _named_button(seen: Observation) -> Action:
    return _button(seen, _quoted(seen)[0])


def _dialog(seen: Observation) -> Action:
    wanted = _quoted(seen)[0]
    return _button(seen, "Close" if wanted == "x" else wanted)


def _marks(seen: Observation) -> Action:
    """Click boxes or options until those of the goal are on, then submit."""
    listed = seen.goal.removeprefix("Select ").removesuffix(" and click Submit.")
    wanted = set(listed.split(", "))
    for one in seen.elements:
        if (
            one.toggled
            and one.checked != (one.name in wanted)
            and not (one.kind == "radio" and one.name not in wanted)
        ):
            return _click(one)
    return _button(seen, "Submit")


def _list(seen: Observation) -> Action:
    wanted = seen.goal.removeprefix("Select ").removesuffix(" from the list and click Submit.")
    for one in seen.elements:
        if one.tag == "option" and one.text == wanted and not one.checked:
            return Action("select", ref=one.ref, text=one.text)
    return _button(seen, "Submit")


def _tab(seen: Observation) -> Action:
    found = re.search(r"Tab #\d+", seen.goal)
    assert found is not None
    return _click(next(one for one in seen.elements if one.tag == "a" and one.text == found[0]))


def _autocomplete(seen: Observation) -> Action:
    first, *last = _quoted(seen)
    end = last[0] if last else ""
    field = _fields(seen)[0]
    menu = [one for one in seen.elements if one.tag == "div" and "menu-item" in one.attributes]
    chosen = field.value != first or not menu  # an item may be no longer than what is typed
    if field.value.startswith(first) and field.value.endswith(end) and chosen:
        return _button(seen, "Submit")
    for one in menu:
        if one.text.startswith(first) and one.text.endswith(end):
            return _click(one)
    return Action("fill", ref=field.ref, text=first)


def _link(seen: Observation) -> Action:
    wanted = _quoted(seen)[0]
    return _click(next(one for one in seen.elements if one.tag == "span" and one.text == wanted))


def _ordinal_field(seen: Observation) -> Action:
    found = re.search(r"(\d)", seen.goal)
    assert found is not None
    return _click(_fields(seen)[int(found[1]) - 1])


SOLUTIONS: dict[str, Solve] = {
    "click-button": _named_button,
    "click-checkboxes": _marks,
    "click-dialog": _dialog,
    "click-dialog-2": _dialog,
    "click-link": _link,
    "click-option": _marks,
    "click-tab": _tab,
    "click-test": lambda seen: _button(seen, "Click Me!"),
    "click-test-2": lambda seen: _button(seen, "ONE"),
    "choose-list": _list,
    "enter-password": lambda seen: _fill_all(seen, 2 * _quoted(seen)[:1], "Submit"),
    "enter-text": lambda seen: _fill_all(seen, _quoted(seen)[:1], "Submit"),
    "focus-text": lambda seen: _click(_fields(seen)[0]),
    "focus-text-2": _ordinal_field,
    "login-user": lambda seen: _fill_all(seen, _quoted(seen)[:2], "Login"),
    "use-autocomplete": _autocomplete,
}
"""Scripts by task: each returns the next action as a function of the page alone."""


def solve(task: str, seen: Observation) -> Action:
    """Return the scripted action of a task on a page.

    A page on which the script finds nothing to do, such as one under a dialog, gets a wait.

    Raises:
        InputError: The task has no script.
    """
    if task not in SOLUTIONS:
        raise unknown_name("scripted task", task, SOLUTIONS)
    try:
        return SOLUTIONS[task](seen)
    except (StopIteration, IndexError):
        return Action("wait")


class OraclePolicy:
    """The scripted solution of each task, which reads the page; an upper bound.

    Examples:
        ```python
        run_episodes({"click-test-2": env}, [("click-test-2", 0)], OraclePolicy)[0].success
        ```
    """

    def __init__(self) -> None:
        self._task = ""

    def begin(self, task: str, seed: int) -> None:
        """Look up the task's script."""
        del seed
        self._task = task

    def act(self, seen: Observation) -> tuple[Action, Any]:
        """Return the script's action."""
        return solve(self._task, seen), None


class RandomPolicy:
    """Clicks random elements and fills random words of the goal into fields; a lower bound.

    Args:
        seed: Seed, to which the seed of each episode is added.
    """

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed
        self._rng = np.random.default_rng(seed)

    def begin(self, task: str, seed: int) -> None:
        """Seed the episode."""
        letters = int.from_bytes(task.encode()[:6], "big")
        self._rng = np.random.default_rng((self._seed, seed, letters))

    def act(self, seen: Observation) -> tuple[Action, Any]:
        """Return a random action."""
        if not seen.elements:
            return Action("wait"), None
        element = seen.elements[int(self._rng.integers(len(seen.elements)))]
        if element.tag == "option":
            return Action("select", ref=element.ref, text=element.text or " "), None
        if element.editable:
            words = _quoted(seen) or seen.goal.split() or [""]
            return (
                Action("fill", ref=element.ref, text=words[int(self._rng.integers(len(words)))]),
                None,
            )
        return _click(element), None
