"""Observations of a page: elements with boxes, a text, a picture."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

Box = tuple[float, float, float, float]
"""Left, top, right and bottom, CSS pixels of the viewport."""

EDITABLE = {"text", "password", "email", "search", "tel", "url", "number", "date", "time"}
"""Kinds of `<input>` that take typed text."""
MOST_TEXT = 2000
TOGGLED = {"checkbox", "radio", "switch"}


@dataclass(frozen=True)
class Element:
    """A visible element of a page.

    Attributes:
        ref: Number that actions name it by; new after every reset.
        tag: Tag, in lower case.
        kind: Type of an `<input>`, else the ARIA role or "".
        text: Its text, at most 200 letters; "" for form fields.
        name: Label, placeholder or the text before it.
        box: Place; an `<option>` has the box of its list.
        value: Content of a field; "" for other elements.
        checked: State of a box, switch or option; None for other elements.
        focused: Whether the keyboard types into it.
        disabled: Whether it takes no input.
        covered: Whether something else lies over its centre.
        attributes: Id, name and classes.
    """

    ref: int
    tag: str
    kind: str
    text: str
    name: str
    box: Box
    value: str = ""
    checked: bool | None = None
    focused: bool = False
    disabled: bool = False
    covered: bool = False
    attributes: str = ""

    @property
    def centre(self) -> tuple[float, float]:
        """Centre of the box."""
        left, top, right, bottom = self.box
        return (left + right) / 2, (top + bottom) / 2

    @property
    def editable(self) -> bool:
        """Whether text can be typed into it."""
        if self.tag == "input":
            return self.kind in EDITABLE and not self.disabled
        return self.tag == "textarea" or self.kind in ("textbox", "searchbox")

    @property
    def toggled(self) -> bool:
        """Whether a click turns it on or off."""
        return self.kind in TOGGLED

    @property
    def signature(self) -> tuple[str, str, str, str, str]:
        """Everything that stays the same when a page renders itself again."""
        return self.tag, self.kind, self.text, self.name, self.attributes

    @property
    def state(self) -> tuple[str, bool | None]:
        """Value and check mark."""
        return self.value, self.checked


@dataclass(frozen=True, eq=False)
class Observation:
    """One look at a page.

    Two looks are equal when goal, page, numbers and picture are.

    Attributes:
        goal: Instruction.
        url: Address.
        title: Title.
        elements: Visible elements in document order, at most 500.
        scroll: Scrolled pixels to the right and down.
        more: Number of visible elements beyond these.
        fields: Texts of the instruction that a task asks to type, where the task says so.
        events: Events since the last look, such as a dialog that was dismissed.
        accessibility: Accessibility tree as text; "" unless asked for.
        screenshot: Pixels, uint8 (H, W, 3); None unless asked for.
    """

    goal: str
    url: str
    title: str
    elements: tuple[Element, ...]
    scroll: tuple[float, float] = (0.0, 0.0)
    more: int = 0
    fields: tuple[str, ...] = ()
    events: tuple[str, ...] = ()
    accessibility: str = ""
    screenshot: NDArray[np.uint8] | None = field(default=None, repr=False)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Observation):
            return NotImplemented
        refs = [[one.ref for one in look.elements] for look in (self, other)]
        same = (self.goal, self.digest, refs[0]) == (other.goal, other.digest, refs[1])
        return same and np.array_equal(self.screenshot, other.screenshot)  # type: ignore[arg-type]

    def __hash__(self) -> int:
        return hash((self.goal, self.digest))

    def find(self, ref: int | None) -> Element | None:
        """Return the element with a number; None if there is none."""
        return self._by_ref.get(ref) if ref is not None else None

    @cached_property
    def _by_ref(self) -> dict[int, Element]:
        return {each.ref: each for each in self.elements}

    @property
    def focused(self) -> Element | None:
        """Element that the keyboard types into."""
        return next((each for each in self.elements if each.focused), None)

    @cached_property
    def digest(self) -> str:
        """Digest of everything visible but numbers and pixels: equal pages have equal digests."""
        content = [
            self.url,
            self.scroll,
            [
                (*each.signature, each.box, *each.state, each.focused, each.disabled, each.covered)
                for each in self.elements
            ],
        ]
        return blake2b(json.dumps(content).encode(), digest_size=16).hexdigest()

    def describe(self, most: int = 100) -> str:
        """Describe the elements, one a line: number, role, text and state; for language models.

        Examples:
            >>> box = (0.0, 0.0, 40.0, 20.0)
            >>> element = Element(3, "button", "", "Submit", "", box)
            >>> Observation("", "", "", (element,)).describe()
            '[3] button "Submit" (0, 0, 40, 20)'
        """
        return "\n".join(map(_line, self.elements[:most]))


def _line(element: Element) -> str:
    words = [f"[{element.ref}] {element.tag}"]
    words += [element.kind] if element.kind else []
    words += [
        json.dumps(text, ensure_ascii=False) for text in (element.text or element.name,) if text
    ]
    words += [f"value={json.dumps(element.value, ensure_ascii=False)}"] if element.value else []
    if element.checked is not None:
        words.append("on" if element.checked else "off")
    words += [name for name in ("focused", "disabled", "covered") if getattr(element, name)]
    return " ".join(words) + " ({:.0f}, {:.0f}, {:.0f}, {:.0f})".format(*element.box)


def element_of(record: Mapping[str, Any]) -> Element:
    """Make an element from a page's own description, which is not trusted.

    Raises:
        ValueError: It is no such description.
    """
    try:
        left, top, right, bottom = (round(float(side), 1) for side in record["box"])
        checked = record["checked"]
        found = Element(
            ref=int(record["ref"]),
            tag=_cut(record["tag"]),
            kind=_cut(record["kind"]),
            text=_cut(record["text"]),
            name=_cut(record["name"]),
            box=(left, top, right, bottom),
            value=_cut(record["value"]),
            checked=None if checked is None else bool(checked),
            focused=bool(record["focused"]),
            disabled=bool(record["disabled"]),
            covered=bool(record["covered"]),
            attributes=_cut(record["attributes"]),
        )
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError(f"no description of an element: {error}") from error
    if not all(map(math.isfinite, found.box)):
        raise ValueError("an element's box is not finite")
    return found


def _cut(text: Any) -> str:
    return str(text)[:MOST_TEXT]
