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

MEMORY = 12 << 30
"""Bytes of a worker's address space, most of which PyTorch reserves and never fills. Our choice."""


def work() -> None:
    """Answer calls on standard input until it ends; the process's whole life.

    A call is a line ``{"task": …, "arguments": {…}}``. Answers are lines ``{"done": …, "total":
    …}`` while it works, and then one ``{"document": {…}}`` or ``{"error": …, "message": …}``.
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

    for line in sys.stdin.buffer:
        asked = json.loads(line)
        given = asked["arguments"]
        try:
            document = TASKS[asked["task"]](
                given, lambda done, of: say({"done": done, "total": of})
            )
            say({"document": document})
        except (InputError, NothingMeasuredError) as error:
            say({"error": "input", "message": without_place(str(error), given)})
        except MemoryError:
            say({"error": "input", "message": "takes more memory than there is; give less"})
        except Exception as error:
            say({"error": "broken", "message": type(error).__name__})


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
