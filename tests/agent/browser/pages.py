"""Pages without a browser, for tests of what only reads them."""

from typing import Any

from sterling.agent.browser import Element, Observation


def element(ref: int, tag: str = "button", text: str = "", **more: Any) -> Element:
    left = 10.0 * ref
    fields = {"kind": "", "name": "", "box": (left, 0.0, left + 8.0, 20.0), **more}
    return Element(ref=ref, tag=tag, text=text, **fields)


def look(*elements: Element, goal: str = "", **more: Any) -> Observation:
    return Observation(goal, more.pop("url", "http://folder.invalid/"), "", elements, **more)
