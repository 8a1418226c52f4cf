"""Actions on a page, common to all grammars."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sterling.errors import InputError, unknown_name

Kind = Literal[
    "click",
    "double_click",
    "right_click",
    "hover",
    "mouse_down",
    "mouse_up",
    "drag",
    "focus",
    "fill",
    "type",
    "press",
    "clear",
    "select",
    "check",
    "uncheck",
    "scroll",
    "wait",
    "goto",
    "back",
    "forward",
    "finish",
    "infeasible",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
POINTED = {"click", "double_click", "right_click", "hover", "drag", "focus", "fill", "check"}
POINTED |= {"uncheck", "clear", "mouse_down"}
"""Kinds that move the pointer to their target."""
NEEDS_TARGET = POINTED | {"select", "mouse_up"}
NEEDS_TEXT = {"fill", "type", "press", "select", "goto"}
LONGEST_TEXT = 2000


class RefusedActionError(ValueError):
    """The action cannot be done, and why. The page is as before; an episode goes on."""


@dataclass(frozen=True)
class Action:
    """One action.

    Attributes:
        kind: Kind of action.
        ref: Number of the target element, as observed.
        point: Target in pixels of the viewport, where no element is named.
        text: Text to type, keys to press (``Control+a``), option to select, address, or answer.
        end: End of a drag: a point, or the number of an element.
        scroll: Pixels to scroll right and down.

    Raises:
        InputError: The kind is unknown, or the action lacks what its kind needs.

    Examples:
        >>> Action("fill", ref=3, text="Ada").describe()
        'fill [3] "Ada"'
    """

    kind: Kind
    ref: int | None = None
    point: tuple[float, float] | None = None
    text: str = ""
    end: tuple[float, float] | int | None = None
    scroll: tuple[float, float] = (0.0, 0.0)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise unknown_name("action", str(self.kind), KINDS)
        if self.ref is not None and self.point is not None:
            raise InputError(f"{self.kind}: give an element or a point, not both")
        if self.kind in NEEDS_TARGET and self.ref is None and self.point is None:
            raise InputError(f"{self.kind}: give an element or a point")
        if self.kind in NEEDS_TEXT - {"fill", "type"} and not self.text:
            raise InputError(f"{self.kind}: the text is empty")
        if len(self.text) > LONGEST_TEXT:
            raise InputError(f"{self.kind}: {len(self.text)} letters, over {LONGEST_TEXT}")
        if self.kind == "drag" and self.end is None:
            raise InputError("drag: give the end")

    def describe(self) -> str:
        """Describe the action in one line."""
        words: list[str] = [self.kind]
        words += [f"[{self.ref}]"] if self.ref is not None else []
        words += ["({:.0f}, {:.0f})".format(*self.point)] if self.point is not None else []
        if self.text:
            words.append(f'"{self.text}"')
        if self.end is not None:
            words.append(f"to {self.end}")
        if self.kind == "scroll":
            words.append("by ({:.0f}, {:.0f})".format(*self.scroll))
        return " ".join(words)

    def as_record(self) -> dict[str, Any]:
        """Return the action as a JSON value."""
        return {
            "kind": self.kind,
            "ref": self.ref,
            "point": None if self.point is None else list(self.point),
            "text": self.text,
            "end": list(self.end) if isinstance(self.end, tuple) else self.end,
            "scroll": list(self.scroll),
        }

    @classmethod
    def from_record(cls, record: Mapping[str, Any]) -> "Action":
        """Read an action that `as_record` returned.

        Raises:
            InputError: It is none.
        """
        try:
            end = record["end"]
            return cls(
                record["kind"],
                None if record["ref"] is None else int(record["ref"]),
                None if record["point"] is None else _pair(record["point"]),
                str(record["text"]),
                _pair(end) if isinstance(end, list) else None if end is None else int(end),
                _pair(record["scroll"]),
            )
        except InputError:
            raise
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"action {dict(record)!r}: {error}") from error


def _pair(values: Any) -> tuple[float, float]:
    first, second = values
    return float(first), float(second)
