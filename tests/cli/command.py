"""`sterling` in this process: its exit status, and what it says."""

from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from typing import NamedTuple

import pytest

from sterling.cli import main


class Ended(NamedTuple):
    status: int
    out: str
    err: str


def run(*arguments: object) -> Ended:
    out, err = StringIO(), StringIO()
    with redirect_stdout(out), redirect_stderr(err), pytest.raises(SystemExit) as stopped:
        main([*map(str, arguments)])
    return Ended(int(stopped.value.code or 0), out.getvalue(), err.getvalue())


def told(*arguments: object, status: int = 0) -> str:
    """The standard output of a command that does its work."""
    ended = run(*arguments)
    assert ended.status == status, ended.err
    return ended.out


def refused(*arguments: object, status: int = 2) -> str:
    """The one line, behind those on progress, of a command whose input is wrong."""
    ended = run(*arguments)
    assert ended.status == status, ended.err
    *_, line = ended.err.splitlines()
    assert line.startswith("error: "), ended.err
    return line
