"""A worker process: it answers one call after another with JSON, never with a pickle."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import sys
from types import FrameType
from typing import Any

from sterling.errors import InputError, NothingMeasuredError
from sterling.extras import extra_of

MEMORY = 12 << 30
"""Bytes of a worker's address space, most of which PyTorch reserves and never fills. Our choice."""


def work() -> None:
    """Answer calls on standard input until it ends; the process's whole life.

    A call is a line ``{"task": …, "arguments": {…}}``. Answers are lines ``{"done": …, "total": …,
    "step": …}`` while it works, and then one ``{"document": {…}}`` or ``{"error": …, "message":
    …}``.
    """
    from sterling.serve.tasks import TASKS, without_place

    _limit()
    signal.signal(signal.SIGTERM, _stop)
    logging.disable(logging.CRITICAL)  # messages may name what a file holds
    answers = os.fdopen(os.dup(1), "wb")  # libraries that print must not print into the answers
    os.dup2(2, 1)

    def say(value: dict[str, Any]) -> None:
        answers.write(json.dumps(value, allow_nan=False).encode() + b"\n")
        answers.flush()

    def report(done: int, total: int, step: str = "") -> None:
        say({"done": done, "total": total, "step": step})

    for line in sys.stdin.buffer:
        asked = json.loads(line)
        given = asked["arguments"]
        try:
            say({"document": TASKS[asked["task"]](given, report)})
        except Exception as error:
            kind, message = explain(error)
            say({"error": kind, "message": without_place(message, given)})


def explain(error: Exception) -> tuple[str, str]:
    """Return whether the input is at fault ("input") or we are ("broken"), and a message.

    An error that is ours is named by its type alone, as its message may hold what was sent.
    """
    if isinstance(error, (InputError, NothingMeasuredError)):
        return "input", str(error)
    if isinstance(error, MemoryError):
        return "input", "takes more memory than there is; give less"
    if isinstance(error, ModuleNotFoundError) and (extra := extra_of(error.name or "")):
        needed = f"the package {error.name}: pip install 'sterling[{extra}]' on the server"
        return "input", f"this needs {needed}"
    return "broken", type(error).__name__


def _stop(_number: int, _frame: FrameType | None) -> None:
    sys.exit(0)  # closes the child that decodes


def _limit() -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    hard = resource.getrlimit(resource.RLIMIT_AS)[1]
    allowed = MEMORY if hard == resource.RLIM_INFINITY else min(MEMORY, hard)
    with contextlib.suppress(ValueError, OSError):  # macOS knows no limit of address space
        resource.setrlimit(resource.RLIMIT_AS, (allowed, hard))
