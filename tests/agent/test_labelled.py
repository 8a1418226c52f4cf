import json
from pathlib import Path

import pytest

from sterling.agent.prompts.labelled import MADE_TASKS, is_right, made_task, read_task
from sterling.errors import InputError


@pytest.mark.parametrize("name", MADE_TASKS)
def test_made_tasks_accept_their_own_answers_and_not_others(name: str) -> None:
    task = made_task(name, 30, seed=0)
    assert len(task.questions) == 30
    assert all(is_right(f"It is {one[0]}.", one) for one in task.accepted)
    others = [is_right("nothing", one) for one in task.accepted]
    assert not any(others)
    assert task == made_task(name, 30, seed=0)


def test_numbers_are_in_words() -> None:
    task = made_task("number in words", 300, seed=1)
    known = dict(zip(task.questions, (one[0] for one in task.accepted), strict=True))
    expected = {"7": "seven", "13": "thirteen", "20": "twenty", "94": "ninety-four"}
    assert {key: known[key] for key in expected} == expected


@pytest.mark.parametrize(
    ("answer", "accepted", "right"),
    [
        ("The answer is: (B).", ("(B)",), True),
        ("bb", ("b",), False),
        ("Platz!", ("platz",), True),
        ("ninety-four", ("ninety",), False),
        ("] ]", ("] ]",), True),
        ("", ("x",), False),
    ],
)
def test_whole_words_are_right(answer: str, accepted: tuple[str, ...], right: bool) -> None:
    assert is_right(answer, accepted) is right


def test_tasks_of_real_sets_are_read(shared_data: Path) -> None:
    induction = read_task(shared_data / "text/instruction_induction/raw/execute/rhymes.json")
    assert len(induction.questions) == 100
    assert "sweet" in induction.accepted[0]
    hard = read_task(shared_data / "text/bbh/bbh/boolean_expressions.json")
    assert (len(hard.questions), hard.accepted[0]) == (250, ("False",))


def test_what_is_no_task_is_named(tmp_path: Path) -> None:
    path = tmp_path / "task.json"
    for content in ("[", '{"examples": []}', json.dumps({"examples": [{"x": 1}]}), "[]"):
        path.write_text(content)
        with pytest.raises(InputError, match=r"task\.json"):
            read_task(path)
    with pytest.raises(InputError, match="did you mean second letter"):
        made_task("second leter", 3, 0)
