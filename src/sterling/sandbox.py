"""Call functions that read hostile files in a child process, with limits of memory and time.

The child returns arrays as plain bytes, never a pickle, and is started anew when a file ends it.
It decodes the next files while the caller works on this one.

Example:
    >>> from sterling.sandbox import Call, sandbox
    >>> calls = [Call("sterling.pictures:read_pixels", ("a.jpg",))]
    >>> with sandbox() as box:  # doctest: +SKIP
    ...     pixels = next(box.map(calls))
"""

from __future__ import annotations

import atexit
import contextlib
import importlib
import json
import math
import os
import select
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError

MEMORY = 3 << 30
"""Bytes of address space of the child. Our default: a picture of 100 megapixels takes a third."""

SECONDS = 60.0
"""Time that one file may take to be decoded. Our default."""

Arrays = list[NDArray[Any]]

_AHEAD = 4  # files that the child may decode before they are asked for
_TYPES = {"uint8": np.uint8, "int64": np.int64}
_HEAD = 1 << 20  # bytes of the description of an answer, at most
_PROGRAM = "from sterling.sandbox import _serve; _serve({memory})"


@dataclass(frozen=True)
class Call:
    """A call of a function that returns arrays (uint8 or int64): one, or several in a sequence.

    Attributes:
        function: Module and name, as "sterling.pictures:read_pixels".
        arguments: Its arguments; the first one is the file, for messages.
        seconds: Time that it may take.
    """

    function: str
    arguments: tuple[str | int | list[int], ...]
    seconds: float = SECONDS


class Sandbox:
    """A child process that answers calls; see `sandbox`."""

    def __init__(self, memory: int = MEMORY) -> None:
        self.memory = memory
        self._child: subprocess.Popen[bytes] | None = None
        self._waiting: deque[Call] = deque()

    @property
    def idle(self) -> bool:
        """Whether nothing is left to be answered."""
        return not self._waiting

    def map(self, calls: Iterable[Call]) -> Iterator[Arrays | InputError]:
        """Answer calls in their order, with what each returned or why its file cannot be read."""
        rest = iter(calls)
        for call in islice(rest, _AHEAD):
            self._ask(call)
        while self._waiting:
            answer = self._answer(self._waiting[0])
            self._waiting.popleft()
            if self._child is None:  # it ended: those that it had in hand are asked for again
                again = list(self._waiting)
                self._waiting.clear()
                for call in again:
                    self._ask(call)
            for call in islice(rest, 1):
                self._ask(call)
            yield answer

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _ask(self, call: Call) -> None:
        self._waiting.append(call)
        question = json.dumps({"function": call.function, "arguments": call.arguments})
        # If the child has just ended, `_answer` finds out.
        with contextlib.suppress(BrokenPipeError):
            stream = _stream(self._started().stdin)
            stream.write(question.encode() + b"\n")
            stream.flush()

    def _answer(self, call: Call) -> Arrays | InputError:
        where, ends = call.arguments[0], time.monotonic() + call.seconds
        output = _stream(self._started().stdout).fileno()
        try:
            head = _read_head(output, ends)
            if "error" in head:
                return InputError(str(head["error"]))
            arrays = [_empty(kind, shape) for kind, shape in head["arrays"]]
            for array in arrays:
                _read_into(output, array.reshape(-1).view(np.uint8).data, ends)
        except TimeoutError:
            self.close()
            return InputError(
                f"{where}: not decoded within {call.seconds:.0f} s; leave it out or export it again"
            )
        except (EOFError, ValueError, KeyError, TypeError):
            self.close()
            return InputError(
                f"{where}: ended the process that decoded it; damaged, or made to do harm: leave "
                "it out, or export it again"
            )
        return arrays

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            # The child finds the same packages, and one thread is enough to decode.
            own = {
                "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
                "PYTHONDONTWRITEBYTECODE": "1",
                "OMP_NUM_THREADS": "1",
                "OPENBLAS_NUM_THREADS": "1",
            }
            self._child = subprocess.Popen(  # noqa: S603 - our own program
                # -P: a folder of pictures that the caller works in may hold a file numpy.py.
                [sys.executable, "-P", "-c", _PROGRAM.format(memory=self.memory)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**os.environ, **own},
                # Ctrl-C is for the caller, who ends the child.
                start_new_session=True,
            )
        return self._child


_idle: list[Sandbox] = []
_owner = os.getpid()


@contextmanager
def sandbox() -> Iterator[Sandbox]:
    """Lend a child process, which is kept for the next one who asks.

    One child serves one caller at a time; nested calls get their own.
    """
    global _owner
    # A forked process must not use its parent's children.
    if _owner != os.getpid():
        _idle.clear()
        _owner = os.getpid()
    try:
        box = _idle.pop()
    except IndexError:
        box = Sandbox()
    try:
        yield box
    finally:
        if box.idle and not _idle:
            _idle.append(box)
        else:
            box.close()


@atexit.register
def _end() -> None:
    if _owner == os.getpid():
        while _idle:
            _idle.pop().close()


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError
    return stream


def _read_head(descriptor: int, ends: float) -> dict[str, Any]:
    size = bytearray(4)
    _read_into(descriptor, memoryview(size), ends)
    if (length := int.from_bytes(size)) > _HEAD:
        raise ValueError
    head = bytearray(length)
    _read_into(descriptor, memoryview(head), ends)
    value = json.loads(head)
    if not isinstance(value, dict):
        raise TypeError
    return value


def _empty(kind: str, shape: list[int]) -> NDArray[Any]:
    if any(type(side) is not int or side < 0 for side in shape) or math.prod(shape) > MEMORY:
        raise ValueError
    return np.empty(shape, _TYPES[kind])


def _read_into(descriptor: int, view: memoryview, ends: float) -> None:
    done = 0
    while done < len(view):
        _wait(descriptor, ends)
        count = os.readv(descriptor, [view[done:]])
        if not count:
            raise EOFError
        done += count


def _wait(descriptor: int, ends: float) -> None:
    if not select.select([descriptor], [], [], max(0.0, ends - time.monotonic()))[0]:
        raise TimeoutError


def _serve(memory: int) -> None:
    """Answer calls on standard input until it ends; the child's whole life."""
    _limit(memory)
    # Libraries that write to standard output must not write into the answers.
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    for line in sys.stdin.buffer:
        arrays: Arrays = []
        try:
            asked = json.loads(line)
            module, name = asked["function"].split(":")
            found = getattr(importlib.import_module(module), name)(*asked["arguments"])
            arrays = [found] if isinstance(found, np.ndarray) else list(found)
            head: dict[str, Any] = {"arrays": [[str(one.dtype), one.shape] for one in arrays]}
        except InputError as error:
            head = {"error": str(error)}
        except MemoryError:
            head = {"error": f"{asked['arguments'][0]}: takes too much memory; scale it down"}
        except Exception as error:
            reason = (str(error).splitlines() or [""])[0]
            head = {"error": f"{asked['arguments'][0]}: {type(error).__name__}: {reason}"}
        described = json.dumps(head).encode()
        answers.write(len(described).to_bytes(4) + described)
        for array in arrays:
            answers.write(np.ascontiguousarray(array).data)
        answers.flush()


def _limit(memory: int) -> None:
    """Limit what a file can make this process take; where the system knows limits."""
    try:
        import resource
    except ImportError:  # Windows
        return
    limits = {
        resource.RLIMIT_AS: memory,
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_FSIZE: 0,  # it has nothing to write
    }
    for kind, limit in limits.items():
        hard = resource.getrlimit(kind)[1]
        allowed = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
        with contextlib.suppress(ValueError, OSError):  # macOS knows no limit of address space
            resource.setrlimit(kind, (allowed, hard))
