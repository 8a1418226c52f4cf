"""Three written forms of actions, read strictly: UI-TARS, BrowserGym's high-level set, MiniWoB++.

Every form is one call, ``name(argument, key=value)``, with literal arguments. Anything else is
refused with a reason, which an agent may be shown; nothing is ever evaluated.
"""

import ast
import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

from sterling.agent.browser.actions import Action, Kind, RefusedActionError
from sterling.errors import InputError, quoted

Grammar = Literal["ui-tars", "browsergym", "miniwob"]
GRAMMARS: tuple[Grammar, ...] = get_args(Grammar)
LONGEST = 4000
MOST_KEYS = 3
_POINT = re.compile(r"-?\d+(?:\.\d+)?")
_SPACED = re.compile(r"^[A-Za-z0-9]+( [A-Za-z0-9]+){0,2}$")


@dataclass(frozen=True)
class _Call:
    """A call with literal arguments."""

    name: str
    positional: tuple[Any, ...]
    named: Mapping[str, Any]

    def take(self, *names: str, required: int) -> list[Any]:
        """Return arguments in the order of `names`; None for those that are not given."""
        if len(self.positional) > len(names):
            raise RefusedActionError(f"{self.name} takes at most {len(names)} arguments")
        found = dict(zip(names, self.positional, strict=False))
        for key, value in self.named.items():
            if key not in names:
                raise RefusedActionError(
                    f"{self.name} has no argument {quoted(key)}, only {', '.join(names) or 'none'}"
                )
            if key in found:
                raise RefusedActionError(f"{self.name}: {key} is given twice")
            found[key] = value
        for name in names[:required]:
            if name not in found:
                raise RefusedActionError(f"{self.name} needs {name}")
        return [found.get(name) for name in names]


def parse_action(text: str, grammar: Grammar, *, fields: Sequence[str] = ()) -> Action:
    """Read one action.

    Args:
        text: ``click(point='<point>30 40</point>')`` (UI-TARS, also after ``Action:``),
            ``fill('12', 'Ada')`` (BrowserGym), ``CLICK_ELEMENT(ref=5)`` (MiniWoB++).
        grammar: Form of the text.
        fields: Texts that MiniWoB++'s ``TYPE_FIELD(field=0)`` counts.

    Raises:
        RefusedActionError: The text is no action of the grammar, or asks for what a page here does
            not offer.
        InputError: The grammar is unknown.

    Source: action sets of UI-TARS, BrowserGym and MiniWoB++, as their code reads them.

    Examples:
        >>> parse_action("click('12')", "browsergym")
        Action(kind='click', ref=12, point=None, text='', end=None, scroll=(0.0, 0.0))
    """
    if grammar not in GRAMMARS:
        raise InputError(f"grammar {grammar!r}: one of {', '.join(GRAMMARS)}")
    if not isinstance(text, str) or len(text) > LONGEST:
        raise RefusedActionError(f"an action is a text of at most {LONGEST} letters")
    if grammar == "ui-tars":
        _, found, after = text.rpartition("Action:")
        text = after if found else text
    call = _call(text)
    table = {"ui-tars": _UI_TARS, "browsergym": _BROWSERGYM, "miniwob": _MINIWOB}[grammar]
    if call.name in _NOT_OFFERED:
        raise RefusedActionError(f"{call.name}: {_NOT_OFFERED[call.name]}")
    if call.name not in table:
        raise RefusedActionError(
            f"no action {quoted(call.name)} in {grammar}; it has {', '.join(sorted(table))}"
        )
    try:
        return table[call.name](call, fields)
    except InputError as error:
        raise RefusedActionError(str(error)) from error


_NOT_OFFERED = {
    "upload_file": "files are not uploaded",
    "new_tab": "an episode has one tab",
    "tab_close": "an episode has one tab",
    "tab_focus": "an episode has one tab",
    "open_app": "there are no apps in a browser",
    "press_home": "there is no home button in a browser",
    "press_back": "use go_back()",
    "long_press": "a mouse has no long press",
}


def _call(text: str) -> _Call:
    """Read a call with literal arguments."""
    line = text.strip()
    try:
        tree = ast.parse(line, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise RefusedActionError(f"{quoted(line)} is no call such as click(...)") from error
    if not isinstance(tree, ast.Call) or not isinstance(tree.func, ast.Name):
        raise RefusedActionError(f"{quoted(line)} is no single call such as click(...)")
    try:
        positional = tuple(ast.literal_eval(each) for each in tree.args)
        named = {str(each.arg): ast.literal_eval(each.value) for each in tree.keywords}
    except (ValueError, TypeError, SyntaxError, RecursionError, MemoryError) as error:
        raise RefusedActionError(
            f"{tree.func.id}: arguments are numbers and quoted texts, nothing computed"
        ) from error
    return _Call(tree.func.id, positional, named)


def _text(call: _Call, value: Any) -> str:
    if not isinstance(value, str):
        raise RefusedActionError(f"{call.name}: {quoted(value)} is no text in quotes")
    return value


def _number(call: _Call, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise RefusedActionError(f"{call.name}: {quoted(value)} is no number")
    return float(value)


def _ref(call: _Call, value: Any) -> int:
    digits = value if isinstance(value, str) else str(value) if type(value) is int else ""
    if not re.fullmatch(r"\d{1,9}", digits):
        raise RefusedActionError(f"{call.name}: {quoted(value)} is no number of an element")
    return int(digits)


def _written_point(call: _Call, value: Any) -> tuple[float, float]:
    """Read UI-TARS's ``<point>x y</point>``, ``(x,y)`` or a box, whose centre counts."""
    plain = re.sub(r"</?(point|bbox)>|<\|box_(start|end)\|>|[(),\[\]]", " ", _text(call, value))
    words = plain.split()
    if len(words) not in (2, 4) or not all(_POINT.fullmatch(word) for word in words):
        raise RefusedActionError(f"{call.name}: {quoted(value)} is no point '<point>x y</point>'")
    numbers = [float(word) for word in words]
    if len(numbers) == 4:
        return (numbers[0] + numbers[2]) / 2, (numbers[1] + numbers[3]) / 2
    return numbers[0], numbers[1]


def _xy(call: _Call, x: Any, y: Any) -> tuple[float, float]:
    return _number(call, x), _number(call, y)


Reader = Callable[[_Call, Sequence[str]], Action]
KEYS = {
    **{name: name.capitalize() for name in ("enter", "tab", "escape", "delete", "home", "end")},
    **{"esc": "Escape", "space": "Space", "backspace": "Backspace", "return": "Enter"},
    **{"ctrl": "Control", "control": "Control", "shift": "Shift", "alt": "Alt", "meta": "Meta"},
    **{f"arrow{side}": f"Arrow{side.capitalize()}" for side in ("up", "down", "left", "right")},
    **{side: f"Arrow{side.capitalize()}" for side in ("up", "down", "left", "right")},
    **{"pageup": "PageUp", "pagedown": "PageDown", "cmd": "Meta"},
    **{f"f{number}": f"F{number}" for number in range(1, 13)},
}
"""Playwright's names of keys by how grammars write them."""


def _keys(call: _Call, value: Any, separator: str) -> str:
    parts = _text(call, value).split(separator)
    if not 1 <= len(parts) <= MOST_KEYS:
        raise RefusedActionError(f"{call.name}: at most {MOST_KEYS} keys")
    found = []
    for part in parts:
        name = part.strip().strip("<>")
        if len(name) != 1 and name.lower() not in KEYS:
            raise RefusedActionError(f"{call.name}: no key {quoted(part)}")
        found.append(name if len(name) == 1 else KEYS[name.lower()])
    return "+".join(found)


def _tars_pointed(kind: Kind) -> Reader:
    def read(call: _Call, _fields: Sequence[str]) -> Action:
        point, start = call.take("point", "start_box", required=0)
        if (point is None) == (start is None):
            raise RefusedActionError(f"{call.name} needs point='<point>x y</point>'")
        return Action(kind, point=_written_point(call, start if point is None else point))

    return read


def _tars_drag(call: _Call, _fields: Sequence[str]) -> Action:
    first, second, start, end = call.take(
        "start_point", "end_point", "start_box", "end_box", required=0
    )
    begin, finish = (start, end) if first is None else (first, second)
    return Action("drag", point=_written_point(call, begin), end=_written_point(call, finish))


def _tars_hotkey(call: _Call, _fields: Sequence[str]) -> Action:
    (key,) = call.take("key", required=1)
    text = _text(call, key)
    if text != text.lower() or not _SPACED.fullmatch(text):
        raise RefusedActionError(
            "hotkey: at most three keys in lower case with blanks between, such as 'ctrl c'"
        )
    return Action("press", text=_keys(call, text, " "))


def _tars_type(call: _Call, _fields: Sequence[str]) -> Action:
    (content,) = call.take("content", required=1)
    return Action("type", text=_text(call, content))


def _tars_scroll(call: _Call, _fields: Sequence[str]) -> Action:
    point, start, direction = call.take("point", "start_box", "direction", required=0)
    where = start if point is None else point
    sides = {
        "up": (0.0, -100.0),
        "down": (0.0, 100.0),
        "left": (-100.0, 0.0),
        "right": (100.0, 0.0),
    }
    if direction not in sides:
        raise RefusedActionError(f"scroll: direction is one of {', '.join(sides)}")
    return Action("scroll", point=_written_point(call, where), scroll=sides[direction])


def _tars_finished(call: _Call, _fields: Sequence[str]) -> Action:
    (content,) = call.take("content", required=0)
    return Action("finish", text="" if content is None else _text(call, content))


def _tars_wait(call: _Call, _fields: Sequence[str]) -> Action:
    call.take(required=0)
    return Action("wait")


_UI_TARS: dict[str, Reader] = {
    "click": _tars_pointed("click"),
    "left_double": _tars_pointed("double_click"),
    "right_single": _tars_pointed("right_click"),
    "drag": _tars_drag,
    "hotkey": _tars_hotkey,
    "type": _tars_type,
    "scroll": _tars_scroll,
    "wait": _tars_wait,
    "finished": _tars_finished,
}


def _gym_element(kind: Kind) -> Reader:
    def read(call: _Call, _fields: Sequence[str]) -> Action:
        bid, button, modifiers = call.take("bid", "button", "modifiers", required=1)
        if modifiers:
            raise RefusedActionError(f"{call.name}: modifiers are not offered; use press")
        if button not in (None, "left", "right") or (button == "right" and kind != "click"):
            raise RefusedActionError(f"{call.name}: button {quoted(button)} is not offered")
        return Action("right_click" if button == "right" else kind, ref=_ref(call, bid))

    return read


def _gym_fill(call: _Call, _fields: Sequence[str]) -> Action:
    bid, value = call.take("bid", "value", required=2)
    return Action("fill", ref=_ref(call, bid), text=_text(call, value))


def _gym_select(call: _Call, _fields: Sequence[str]) -> Action:
    bid, options = call.take("bid", "options", required=2)
    if isinstance(options, list):
        if len(options) != 1:
            raise RefusedActionError("select_option: give one option")
        options = options[0]
    return Action("select", ref=_ref(call, bid), text=_text(call, options))


def _gym_press(call: _Call, _fields: Sequence[str]) -> Action:
    bid, keys = call.take("bid", "key_comb", required=2)
    return Action("press", ref=_ref(call, bid), text=_keys(call, keys, "+"))


def _gym_drag(call: _Call, _fields: Sequence[str]) -> Action:
    start, end = call.take("from_bid", "to_bid", required=2)
    return Action("drag", ref=_ref(call, start), end=_ref(call, end))


def _gym_mouse(kind: Kind) -> Reader:
    def read(call: _Call, _fields: Sequence[str]) -> Action:
        x, y, button = call.take("x", "y", "button", required=2)
        if button not in (None, "left"):
            raise RefusedActionError(f"{call.name}: button {quoted(button)} is not offered")
        return Action(kind, point=_xy(call, x, y))

    return read


def _gym_mouse_drag(call: _Call, _fields: Sequence[str]) -> Action:
    a, b, c, d = call.take("from_x", "from_y", "to_x", "to_y", required=4)
    return Action("drag", point=_xy(call, a, b), end=_xy(call, c, d))


def _gym_scroll(call: _Call, _fields: Sequence[str]) -> Action:
    dx, dy = call.take("delta_x", "delta_y", required=2)
    return Action("scroll", scroll=_xy(call, dx, dy))


def _gym_scroll_at(call: _Call, _fields: Sequence[str]) -> Action:
    x, y, dx, dy = call.take("x", "y", "dx", "dy", required=4)
    return Action("scroll", point=_xy(call, x, y), scroll=_xy(call, dx, dy))


def _gym_keyboard_press(call: _Call, _fields: Sequence[str]) -> Action:
    (key,) = call.take("key", required=1)
    return Action("press", text=_keys(call, key, "+"))


def _gym_text(kind: Kind, name: str) -> Reader:
    def read(call: _Call, _fields: Sequence[str]) -> Action:
        (value,) = call.take(name, required=1)
        return Action(kind, text=_text(call, value))

    return read


def _gym_plain(kind: Kind) -> Reader:
    def read(call: _Call, _fields: Sequence[str]) -> Action:
        call.take(required=0)
        return Action(kind)

    return read


def _gym_noop(call: _Call, _fields: Sequence[str]) -> Action:
    (milliseconds,) = call.take("wait_ms", required=0)
    if milliseconds is not None:
        _number(call, milliseconds)
    return Action("wait")


_BROWSERGYM: dict[str, Reader] = {
    "click": _gym_element("click"),
    "dblclick": _gym_element("double_click"),
    "hover": _gym_element("hover"),
    "focus": _gym_element("focus"),
    "clear": _gym_element("clear"),
    "check": _gym_element("check"),
    "uncheck": _gym_element("uncheck"),
    "fill": _gym_fill,
    "select_option": _gym_select,
    "press": _gym_press,
    "drag_and_drop": _gym_drag,
    "mouse_move": _gym_mouse("hover"),
    "mouse_click": _gym_mouse("click"),
    "mouse_dblclick": _gym_mouse("double_click"),
    "mouse_down": _gym_mouse("mouse_down"),
    "mouse_up": _gym_mouse("mouse_up"),
    "mouse_drag_and_drop": _gym_mouse_drag,
    "scroll": _gym_scroll,
    "scroll_at": _gym_scroll_at,
    "keyboard_press": _gym_keyboard_press,
    "keyboard_type": _gym_text("type", "text"),
    "keyboard_insert_text": _gym_text("type", "text"),
    "goto": _gym_text("goto", "url"),
    "go_back": _gym_plain("back"),
    "go_forward": _gym_plain("forward"),
    "send_msg_to_user": _gym_text("finish", "text"),
    "report_infeasible": _gym_text("infeasible", "reason"),
    "noop": _gym_noop,
}


def _wob_coords(kind: Kind) -> Reader:
    def read(call: _Call, _fields: Sequence[str]) -> Action:
        (coords,) = call.take("coords", required=1)
        if not isinstance(coords, tuple | list) or len(coords) != 2:
            raise RefusedActionError(f"{call.name}: coords=(x, y)")
        return Action(kind, point=_xy(call, *coords))

    return read


def _wob_scroll(amount: float) -> Reader:
    def read(call: _Call, _fields: Sequence[str]) -> Action:
        (coords,) = call.take("coords", required=1)
        if not isinstance(coords, tuple | list) or len(coords) != 2:
            raise RefusedActionError(f"{call.name}: coords=(x, y)")
        return Action("scroll", point=_xy(call, *coords), scroll=(0.0, amount))

    return read


def _wob_element(call: _Call, _fields: Sequence[str]) -> Action:
    (ref,) = call.take("ref", required=1)
    return Action("click", ref=_ref(call, ref))


def _wob_key(call: _Call, _fields: Sequence[str]) -> Action:
    (key,) = call.take("key", required=1)
    names = {"C": "Control", "S": "Shift", "A": "Alt"}
    *held, last = _text(call, key).split("-") if len(str(key)) > 1 else [key]
    written = [names.get(part, part) for part in held] + [last]
    return Action("press", text=_keys(call, "+".join(written), "+"))


def _wob_type(call: _Call, _fields: Sequence[str]) -> Action:
    (text,) = call.take("text", required=1)
    return Action("type", text=_text(call, text))


def _wob_field(call: _Call, value: Any, fields: Sequence[str]) -> str:
    index = _ref(call, value)
    if index >= len(fields):
        raise RefusedActionError(f"{call.name}: field {index} of {len(fields)}")
    return fields[index]


def _wob_type_field(call: _Call, fields: Sequence[str]) -> Action:
    (field,) = call.take("field", required=1)
    return Action("type", text=_wob_field(call, field, fields))


def _wob_focus_type(call: _Call, _fields: Sequence[str]) -> Action:
    ref, text = call.take("ref", "text", required=2)
    return Action("fill", ref=_ref(call, ref), text=_text(call, text))


def _wob_focus_type_field(call: _Call, fields: Sequence[str]) -> Action:
    ref, field = call.take("ref", "field", required=2)
    return Action("fill", ref=_ref(call, ref), text=_wob_field(call, field, fields))


_MINIWOB: dict[str, Reader] = {
    "NONE": _tars_wait,
    "MOVE_COORDS": _wob_coords("hover"),
    "CLICK_COORDS": _wob_coords("click"),
    "DBLCLICK_COORDS": _wob_coords("double_click"),
    "MOUSEDOWN_COORDS": _wob_coords("mouse_down"),
    "MOUSEUP_COORDS": _wob_coords("mouse_up"),
    "SCROLL_UP_COORDS": _wob_scroll(-50.0),
    "SCROLL_DOWN_COORDS": _wob_scroll(50.0),
    "CLICK_ELEMENT": _wob_element,
    "PRESS_KEY": _wob_key,
    "TYPE_TEXT": _wob_type,
    "TYPE_FIELD": _wob_type_field,
    "FOCUS_ELEMENT_AND_TYPE_TEXT": _wob_focus_type,
    "FOCUS_ELEMENT_AND_TYPE_FIELD": _wob_focus_type_field,
}
