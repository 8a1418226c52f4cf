"""Steps in the form of Mind2Web: export of recorded episodes, import, and its offline metrics."""

import html
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from sterling.agent.browser.actions import Action
from sterling.agent.browser.gui_rewards import token_f1
from sterling.agent.browser.observation import Element
from sterling.agent.browser.trajectories import Trajectories, elements_of
from sterling.errors import InputError, quoted
from sterling.files import open_regular
from sterling.storage import write_atomically

Operation = Literal["CLICK", "TYPE", "SELECT"]
OPERATIONS: dict[str, Operation] = {
    "click": "CLICK",
    "fill": "TYPE",
    "type": "TYPE",
    "select": "SELECT",
}
LARGEST = 1 << 28


@dataclass(frozen=True)
class OfflineStep:
    """One step of a task, without a page to act on.

    Attributes:
        operation: ``CLICK``, ``TYPE`` or ``SELECT``.
        value: Text that is typed or selected; "" for a click.
        targets: Ids of the acceptable elements.
        others: Ids of the other candidates.
        described: The step in words, as Mind2Web writes it: ``[button]  Submit -> CLICK``.
    """

    operation: Operation
    value: str
    targets: tuple[str, ...]
    others: tuple[str, ...]
    described: str = ""


@dataclass(frozen=True)
class OfflineTask:
    """A task as a list of steps.

    Attributes:
        name: Its id.
        website: Site.
        goal: Instruction.
        steps: Steps.
    """

    name: str
    website: str
    goal: str
    steps: tuple[OfflineStep, ...]


def write_mind2web(recorded: Trajectories, path: Path) -> int:
    """Write the successful episodes of a recording in Mind2Web's form.

    Clicks, texts and selections of elements become steps; other actions, and those that were
    refused, have no counterpart and are left out.

    Returns:
        Number of steps left out.

    Source: data format of Mind2Web (arXiv 2306.06070).
    """
    tasks, left_out = [], 0
    rows = recorded.frame.filter(success=True).sort("episode", "step")
    for (number,), steps in rows.group_by("episode", maintain_order=True):
        actions = []
        for row in steps.iter_rows(named=True):
            action = Action.from_record(json.loads(row["action"]))
            elements = elements_of(row["elements"])
            target = next((one for one in elements if one.ref == action.ref), None)
            if action.kind not in OPERATIONS or target is None or row["refused"]:
                left_out += 1
                continue
            actions.append(_record(f"{number}-{row['step']}", action, target, elements))
        first = steps.row(0, named=True)
        tasks.append(
            {
                "annotation_id": f"{first['task']}-{first['seed']}-{number}",
                "website": first["task"],
                "domain": "recorded",
                "subdomain": "recorded",
                "confirmed_task": first["goal"],
                "action_reprs": [one.pop("repr") for one in actions],
                "actions": actions,
            }
        )
    write_atomically(path, json.dumps(tasks, indent=1))
    return left_out


def read_mind2web(path: Path) -> list[OfflineTask]:
    """Read tasks in Mind2Web's form.

    Raises:
        InputError: It is no JSON list of tasks, or a task or a step lacks a field.
    """
    with open_regular(path, "Mind2Web file", largest=LARGEST) as file:
        content = file.read()
    try:
        records = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no JSON ({error})") from error
    if not isinstance(records, list):
        raise InputError(f"{path}: holds no list of tasks")
    return [_task(path, at, record) for at, record in enumerate(records)]


@dataclass(frozen=True)
class OfflineScores:
    """Mind2Web's metrics, each the mean over a task's steps, then over tasks; in [0, 1].

    Attributes:
        element_accuracy: Share of steps whose element is acceptable.
        operation_f1: Token F1 of operation and value.
        step_success: Share of steps with both right.
        task_success: Share of tasks with every step right.
    """

    element_accuracy: float
    operation_f1: float
    step_success: float
    task_success: float


def score_offline(
    tasks: Sequence[OfflineTask], answers: Sequence[Sequence[tuple[str, str, str]]]
) -> OfflineScores:
    """Score answers to offline tasks, each step with the true steps before it.

    Args:
        tasks: Tasks, each with steps.
        answers: For every step of every task: element id, operation, value.

    Raises:
        InputError: There are no steps, or the numbers of answers do not fit.

    Examples:
        >>> step = OfflineStep("TYPE", "New York", ("7",), ("8",))
        >>> scores = score_offline([OfflineTask("a", "s", "g", (step,))], [[("7", "TYPE", "York")]])
        >>> (scores.element_accuracy, round(scores.operation_f1, 2), scores.step_success)
        (1.0, 0.8, 0.0)
    """
    if [len(one.steps) for one in tasks] != [len(one) for one in answers] or not tasks:
        raise InputError("answers: give one for every step of every task")
    if not all(task.steps for task in tasks):
        raise InputError("tasks: one has no step; leave it out")
    rows = []
    for task, given in zip(tasks, answers, strict=True):
        marks = [_marks(step, answer) for step, answer in zip(task.steps, given, strict=True)]
        means = [sum(column) / len(marks) for column in zip(*marks, strict=True)]
        rows.append([*means, float(means[2] == 1.0)])
    return OfflineScores(*(sum(column) / len(rows) for column in zip(*rows, strict=True)))


def _marks(step: OfflineStep, answer: tuple[str, str, str]) -> tuple[float, float, float]:
    element, operation, value = answer
    right = float(element in step.targets)
    f1 = token_f1(f"{operation} {value}", f"{step.operation} {step.value}")
    return right, f1, float(right == 1.0 and f1 == 1.0)


def _record(
    uid: str, action: Action, target: Element, elements: Sequence[Element]
) -> dict[str, Any]:
    operation = OPERATIONS[action.kind]
    value = "" if operation == "CLICK" else action.text
    words = f"[{target.tag}]  {target.text or target.name} -> {operation}"
    return {
        "repr": words + (f": {value}" if value else ""),
        "action_uid": uid,
        "cleaned_html": "<html>" + "".join(map(_markup, elements)) + "</html>",
        "operation": {"op": operation, "original_op": operation, "value": value},
        "pos_candidates": [_candidate(target, chosen=True)],
        "neg_candidates": [
            _candidate(one, chosen=False) for one in elements if one.ref != target.ref
        ],
    }


def _candidate(element: Element, *, chosen: bool) -> dict[str, Any]:
    left, top, right, bottom = element.box
    attributes = {
        "backend_node_id": str(element.ref),
        "bounding_box_rect": f"{left},{top},{right - left},{bottom - top}",
        "class": element.attributes,
        "type": element.kind,
    }
    return {
        "tag": element.tag,
        "attributes": json.dumps(attributes),
        "is_original_target": chosen,
        "is_top_level_target": chosen,
        "backend_node_id": str(element.ref),
    }


def _markup(element: Element) -> str:
    text = html.escape(element.text or element.name)
    value = f' value="{html.escape(element.value)}"' if element.value else ""
    return f'<{element.tag} backend_node_id="{element.ref}"{value}>{text}</{element.tag}>'


def _task(path: Path, at: int, record: Any) -> OfflineTask:
    try:
        described = [str(one) for one in record.get("action_reprs", ())]
        steps = [
            _step(one, described[index] if index < len(described) else "")
            for index, one in enumerate(record["actions"])
        ]
        return OfflineTask(
            str(record["annotation_id"]),
            str(record["website"]),
            str(record["confirmed_task"]),
            tuple(steps),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputError(f"{path}: task {at}: {quoted(str(error))} is missing or wrong") from error


def _step(record: Mapping[str, Any], described: str) -> OfflineStep:
    operation = record["operation"]["op"]
    if operation not in get_args(Operation):
        raise ValueError(f"op {operation}")

    def ids(name: str) -> tuple[str, ...]:
        return tuple(str(one["backend_node_id"]) for one in record[name])

    return OfflineStep(
        operation,
        str(record["operation"].get("value", "")),
        ids("pos_candidates"),
        ids("neg_candidates"),
        described,
    )
