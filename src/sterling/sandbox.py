"""Call functions that read hostile files in a child process, with limits of memory and time.

The child returns arrays as plain bytes, never a pickle, and is started anew when a file ends it.
It decodes the next files while the caller works on this one.

Examples:
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
import struct
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from sterling.errors import InputError

MEMORY = 3 << 30
"""Bytes of address space of the child. Our default: a picture of 100 megapixels takes a third."""

SECONDS = 60.0
"""Time that one file may take to be decoded. Our default."""

Arrays = list[NDArray[Any]]

# Files that are asked for before they are wanted. The questions fit into a pipe, so that nobody
# waits for the other; the child decodes one file more than the answers that fit into one.
_AHEAD, _AHEAD_BYTES = 32, 32 << 10
_TYPES = {"uint8": np.uint8, "int64": np.int64}
_SIZES = struct.Struct("<IQ")  # bytes of the description of an answer, and of its arrays
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
        self._waiting: deque[tuple[Call, bytes]] = deque()
        self._directory = ""

    @property
    def idle(self) -> bool:
        """Whether nothing is left to be answered."""
        return not self._waiting

    def map(self, calls: Iterable[Call]) -> Iterator[Arrays | InputError]:
        """Answer calls in their order, with what each returned or why its file cannot be read."""
        rest = ((call, _question(call)) for call in calls)
        following = next(rest, None)
        while following or self._waiting:
            while following and self._has_room(following[1]):
                self._waiting.append(following)
                self._send(following[1])
                following = next(rest, None)
            call, _ = self._waiting[0]
            answer = self._answer(call)
            self._waiting.popleft()
            if self._child is None:  # it ended: those that it had in hand are asked for again
                for _, question in self._waiting:
                    self._send(question)
            yield answer

    def _has_room(self, question: bytes) -> bool:
        asked = sum(len(before) for _, before in self._waiting)
        return not asked or (len(self._waiting) < _AHEAD and asked + len(question) < _AHEAD_BYTES)

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child.communicate()
            self._child = None

    def _send(self, question: bytes) -> None:
        alone = len(self._waiting) == 1
        if alone and self._directory != os.getcwd():  # noqa: PTH109
            self.close()  # relative paths are those of the directory that a child was started in
        # If the child has just ended, `_answer` finds out.
        with contextlib.suppress(BrokenPipeError):
            stream = _stream(self._started().stdin)
            stream.write(question)
            stream.flush()

    def _answer(self, call: Call) -> Arrays | InputError:
        where, ends = call.arguments[0], time.monotonic() + call.seconds
        output = _stream(self._started().stdout).fileno()
        try:
            return _read_answer(output, self.memory, ends)
        except TimeoutError:
            self.close()
            return InputError(
                f"{where}: not decoded within {call.seconds:.0f} s; leave it out or export it again"
            )
        except (EOFError, ValueError, KeyError, TypeError, RecursionError):
            self.close()
            return InputError(
                f"{where}: ended the process that decoded it; damaged, or made to do harm: leave "
                "it out, or export it again"
            )

    def _started(self) -> subprocess.Popen[bytes]:
        if self._child is None:
            self._directory = os.getcwd()  # noqa: PTH109  # a string is compared
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
            os.set_blocking(_stream(self._child.stdout).fileno(), False)
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


def _question(call: Call) -> bytes:
    return json.dumps({"function": call.function, "arguments": call.arguments}).encode() + b"\n"


def _stream(stream: IO[bytes] | None) -> IO[bytes]:
    if stream is None:
        raise AssertionError
    return stream


def _read_answer(descriptor: int, largest: int, ends: float) -> Arrays | InputError:
    """Read an answer of at most so many bytes, which nobody vouches for.

    Raises:
        EOFError: The stream ended.
        TimeoutError: It did not come in time.
        ValueError, KeyError, TypeError, RecursionError: It is no answer.
    """
    head, payload = _SIZES.unpack(_read(descriptor, _SIZES.size, ends).data)
    if head > _HEAD or payload > largest:
        raise ValueError
    content = _read(descriptor, head + payload, ends)
    return _split(content[:head].tobytes(), content[head:])


def _read(descriptor: int, size: int, ends: float) -> NDArray[np.uint8]:
    """Read so many bytes of a stream that does not block."""
    content = np.empty(size, np.uint8)
    done = 0
    while done < size:
        try:
            count = os.readv(descriptor, [content[done:].data])
        except BlockingIOError:
            if not select.select([descriptor], [], [], max(0.0, ends - time.monotonic()))[0]:
                raise TimeoutError from None
            continue
        if not count:
            raise EOFError
        done += count
    return content


def _split(head: bytes, payload: NDArray[np.uint8]) -> Arrays | InputError:
    """Cut an answer into arrays as its head says."""
    value = json.loads(head)
    if "error" in value:
        return InputError(str(value["error"]))
    arrays, start = [], 0
    for kind, shape in value["arrays"]:
        if any(type(side) is not int or side < 0 for side in shape):
            raise ValueError
        end = start + math.prod(shape) * np.dtype(_TYPES[kind]).itemsize
        arrays.append(payload[start:end].view(_TYPES[kind]).reshape(shape))
        start = end
    if start != len(payload):
        raise ValueError
    return arrays


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
        payload = sum(array.nbytes for array in arrays)
        answers.write(_SIZES.pack(len(described), payload) + described)
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
