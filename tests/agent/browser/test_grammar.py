"""Actions are read strictly: right forms give one action, everything else a reason."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sterling.agent.browser import Action, RefusedActionError, parse_action
from sterling.agent.browser.actions import KINDS
from sterling.agent.browser.grammar import GRAMMARS
from sterling.errors import InputError

READ = [
    (
        "ui-tars",
        "Thought: x\nAction: click(point='<point>30 40</point>')",
        Action("click", point=(30, 40)),
    ),
    ("ui-tars", "click(start_box='<|box_start|>(3,4)<|box_end|>')", Action("click", point=(3, 4))),
    ("ui-tars", "click(start_box='[0, 0, 10, 20]')", Action("click", point=(5, 10))),
    ("ui-tars", "left_double(point='<point>1 2</point>')", Action("double_click", point=(1, 2))),
    ("ui-tars", "right_single(point='<point>1 2</point>')", Action("right_click", point=(1, 2))),
    (
        "ui-tars",
        "drag(start_point='<point>1 2</point>', end_point='<point>3 4</point>')",
        Action("drag", point=(1, 2), end=(3, 4)),
    ),
    ("ui-tars", "hotkey(key='ctrl a')", Action("press", text="Control+a")),
    ("ui-tars", r"type(content='it\'s\n')", Action("type", text="it's\n")),
    (
        "ui-tars",
        "scroll(point='<point>1 2</point>', direction='up')",
        Action("scroll", point=(1, 2), scroll=(0, -100)),
    ),
    ("ui-tars", "wait()", Action("wait")),
    ("ui-tars", "finished(content='done')", Action("finish", text="done")),
    ("browsergym", "fill('12', 'Ada')", Action("fill", ref=12, text="Ada")),
    ("browsergym", "click('3', button='right')", Action("right_click", ref=3)),
    ("browsergym", "select_option('3', ['a'])", Action("select", ref=3, text="a")),
    ("browsergym", "press('3', 'Control+Enter')", Action("press", ref=3, text="Control+Enter")),
    ("browsergym", "mouse_click(3, 4.5)", Action("click", point=(3, 4.5))),
    ("browsergym", "drag_and_drop('1', '2')", Action("drag", ref=1, end=2)),
    ("browsergym", "scroll(0, -5)", Action("scroll", scroll=(0, -5))),
    ("browsergym", "noop(1000)", Action("wait")),
    ("browsergym", "report_infeasible('no')", Action("infeasible", text="no")),
    ("miniwob", "CLICK_ELEMENT(ref=5)", Action("click", ref=5)),
    ("miniwob", "PRESS_KEY(key='C-a')", Action("press", text="Control+a")),
    ("miniwob", "PRESS_KEY(key='<Enter>')", Action("press", text="Enter")),
    ("miniwob", "TYPE_FIELD(field=1)", Action("type", text="second")),
    (
        "miniwob",
        "SCROLL_DOWN_COORDS(coords=(1, 2))",
        Action("scroll", point=(1, 2), scroll=(0, 50)),
    ),
    ("miniwob", "NONE()", Action("wait")),
]
REFUSED = [
    ("browsergym", "click(3); click(4)", "no call"),
    ("browsergym", "click(open('x'))", "nothing computed"),
    ("browsergym", "__import__('os')", "no action"),
    ("browsergym", "a.click('3')", "no single call"),
    ("browsergym", "click()", "needs bid"),
    ("browsergym", "click('3', 'left', [], 4)", "at most 3"),
    ("browsergym", "click('3', bid='4')", "given twice"),
    ("browsergym", "click('3', how='4')", "no argument 'how'"),
    ("browsergym", "click('a3')", "no number of an element"),
    ("browsergym", "fill('3', 4)", "no text in quotes"),
    ("browsergym", "mouse_click(float('nan'), 1)", "nothing computed"),
    ("browsergym", "mouse_click(1e999, 1)", "no number"),
    ("browsergym", "press('3', 'Hyper')", "no key"),
    ("browsergym", "tab_focus(1)", "one tab"),
    ("browsergym", "goto('')", "empty"),
    ("ui-tars", "click(point='30')", "no point"),
    ("ui-tars", "hotkey(key='CTRL C')", "lower case"),
    ("ui-tars", "hotkey(key='a b c d')", "at most three"),
    ("ui-tars", "scroll(point='<point>1 2</point>', direction='in')", "direction"),
    ("ui-tars", "press_home()", "no home button"),
    ("miniwob", "TYPE_FIELD(field=7)", "field 7 of 2"),
    ("miniwob", "CLICK_COORDS(coords=1)", "coords=(x, y)"),
    ("miniwob", "I would click the button.", "no call"),
    ("miniwob", "", "no call"),
    ("miniwob", "(" * 3000, "no call"),
    ("miniwob", "x" * 5000, "at most"),
]


@pytest.mark.parametrize(("grammar", "text", "action"), READ)
def test_right_forms_are_read(grammar: str, text: str, action: Action) -> None:
    assert parse_action(text, grammar, fields=("first", "second")) == action  # type: ignore[arg-type]


@pytest.mark.parametrize(("grammar", "text", "reason"), REFUSED)
def test_everything_else_is_refused_with_a_reason(grammar: str, text: str, reason: str) -> None:
    with pytest.raises(RefusedActionError) as refused:
        parse_action(text, grammar, fields=("first", "second"))  # type: ignore[arg-type]
    assert reason in str(refused.value)
    assert "\n" not in str(refused.value)


@given(st.text(max_size=60), st.sampled_from(GRAMMARS))
def test_no_text_raises_anything_else(text: str, grammar: str) -> None:
    try:
        found = parse_action(text, grammar)  # type: ignore[arg-type]
    except RefusedActionError:
        return
    assert found.kind in KINDS


def test_an_action_survives_its_record() -> None:
    for _, _, action in READ:
        assert Action.from_record(action.as_record()) == action
    with pytest.raises(InputError, match="unknown action 'clik'"):
        Action.from_record({**Action("wait").as_record(), "kind": "clik"})
    with pytest.raises(InputError, match="not both"):
        Action("click", ref=1, point=(1, 2))
    with pytest.raises(InputError, match="grammar 'x'"):
        parse_action("wait()", "x")  # type: ignore[arg-type]
