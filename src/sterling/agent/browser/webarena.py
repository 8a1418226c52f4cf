"""Task files of WebArena, read and listed; their sites are servers that do not run here."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sterling.errors import InputError, quoted
from sterling.files import open_regular

LARGEST = 1 << 26


@dataclass(frozen=True)
class WebArenaTask:
    """One task.

    Attributes:
        task_id: Its number.
        sites: Sites that it needs, such as ``shopping``.
        intent: Instruction.
        start_url: First page, with a placeholder for the site's address.
        require_login: Whether the site wants a user.
        checks: Kinds of its programmatic checks, such as ``string_match``.
        answers: Reference answers by kind, for checks of the answer's text.
    """

    task_id: int
    sites: tuple[str, ...]
    intent: str
    start_url: str
    require_login: bool
    checks: tuple[str, ...]
    answers: Mapping[str, Any]


def read_webarena(path: Path) -> list[WebArenaTask]:
    """Read a file of WebArena tasks.

    Raises:
        InputError: It is no JSON list of tasks, or a task lacks a field.

    Source: WebArena (arXiv 2307.13854), the configuration files of its repository.
    """
    with open_regular(path, "task file", largest=LARGEST) as file:
        content = file.read()
    try:
        records = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path}: no JSON ({error})") from error
    if not isinstance(records, list):
        raise InputError(f"{path}: holds no list of tasks")
    return [_task(path, at, record) for at, record in enumerate(records)]


def _task(path: Path, at: int, record: Any) -> WebArenaTask:
    try:
        check = record["eval"]
        return WebArenaTask(
            task_id=int(record["task_id"]),
            sites=tuple(map(str, record["sites"])),
            intent=str(record["intent"]),
            start_url=str(record["start_url"]),
            require_login=bool(record["require_login"]),
            checks=tuple(map(str, check["eval_types"])),
            answers=dict(check.get("reference_answers") or {}),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: task {at}: {quoted(error)} is missing or wrong") from error
