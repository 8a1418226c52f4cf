"""Differences between two looks at a page, from what an agent can see."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from sterling.agent.browser.actions import Action
from sterling.agent.browser.observation import Box, Element, Observation

PIXEL_STEP = 24
"""Grey levels by which a pixel has to change to count."""


@dataclass(frozen=True)
class Changes:
    """Differences of a page after an action.

    Attributes:
        target: Target before; None where the action has none.
        now: The same element after; None if it is gone.
        others: Fields other than the target whose value or check mark changed, before and after.
        appeared: Number of elements that were not there before.
        vanished: Number of elements that are not there any more.
        address: Whether the address changed.
        scrolled: Whether the page was scrolled.
        focus: Whether the focus moved.
        pixels: Share of pixels in the target's box that changed; None without pictures.
    """

    target: Element | None
    now: Element | None
    others: tuple[tuple[Element, Element], ...]
    appeared: int
    vanished: int
    address: bool
    scrolled: bool
    focus: bool
    pixels: float | None

    @property
    def content(self) -> bool:
        """Whether anything but the focus changed."""
        own = (
            self.target is not None and self.now is not None and self.target.state != self.now.state
        )
        return bool(
            own or self.others or self.appeared or self.vanished or self.address or self.scrolled
        )


def target_of(action: Action, seen: Observation) -> Element | None:
    """Return the element that an action aims at: by number, or the smallest one at its point."""
    if action.ref is not None:
        return seen.find(action.ref)
    if action.point is not None:
        at = [one for one in seen.elements if _inside(action.point, one.box)]
        return min(at, key=lambda one: _area(one.box), default=None)
    return seen.focused if action.kind in ("type", "press") else None


def same_element(element: Element, before: Observation, after: Observation) -> Element | None:
    """Return an element in a later look, also when all numbers are new; None if it is gone."""
    found = after.find(element.ref)
    if found is not None and found.signature == element.signature:
        return found
    alike = [one for one in before.elements if one.signature == element.signature]
    again = [one for one in after.elements if one.signature == element.signature]
    place = next((at for at, one in enumerate(alike) if one.ref == element.ref), 0)
    return again[place] if len(alike) == len(again) and place < len(again) else None


def find_changes(action: Action, before: Observation, after: Observation) -> Changes:
    """Compare two looks at a page with an action between them."""
    target = target_of(action, before)
    now = None if target is None else same_element(target, before, after)
    others = []
    for one in before.elements:
        if one is target or one.tag == "option":
            continue
        again = same_element(one, before, after)
        if again is not None and again.state != one.state:
            others.append((one, again))
    old = Counter(one.signature for one in before.elements)
    new = Counter(one.signature for one in after.elements)
    focus = [None if look.focused is None else look.focused.signature for look in (before, after)]
    return Changes(
        target=target,
        now=now,
        others=tuple(others),
        appeared=(new - old).total(),
        vanished=(old - new).total(),
        address=before.url != after.url,
        scrolled=before.scroll != after.scroll,
        focus=focus[0] != focus[1],
        pixels=None if target is None else changed_pixels(before, after, target.box),
    )


def changed_pixels(before: Observation, after: Observation, box: Box) -> float | None:
    """Return the share of pixels in a box that changed; None without two pictures alike."""
    old, new = before.screenshot, after.screenshot
    if old is None or new is None or old.shape != new.shape:
        return None
    left, top, right, bottom = (max(0, round(side)) for side in box)
    parts = (one[top:bottom, left:right].astype(np.int16) for one in (old, new))
    step = np.abs(next(parts) - next(parts))
    return float((step.max(axis=2) > PIXEL_STEP).mean()) if step.size else None


def _inside(point: tuple[float, float], box: Box) -> bool:
    return box[0] <= point[0] < box[2] and box[1] <= point[1] < box[3]


def _area(box: Box) -> float:
    return (box[2] - box[0]) * (box[3] - box[1])
