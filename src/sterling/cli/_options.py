"""Options that a command was called with, read in one place so that none can be forgotten."""

import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

PLACES = frozenset({"out", "as_json"})
"""Options that say where and how a command answers; they change nothing that it finds."""


def given_config(context: typer.Context) -> dict[str, Any]:
    """Return every option of a command but `PLACES` by its name, as JSON values."""
    return {name: _plain(value) for name, value in context.params.items() if name not in PLACES}


def given_command(context: typer.Context) -> str:
    """Return the command line that repeats a command: all that was given, but `PLACES`."""
    words = []
    for each in _from_root(context):
        words.append("sterling" if each.parent is None else str(each.info_name))
        words += _given(each)
    return shlex.join(words)


def _from_root(context: typer.Context) -> list[Any]:
    chain: list[Any] = []
    current: Any = context
    while current is not None:
        chain.insert(0, current)
        current = current.parent
    return chain


def _given(context: Any) -> Iterator[str]:
    """The words of one level that were given: arguments first, options in their own order."""
    given = [
        parameter
        for parameter in context.command.params
        if parameter.name in context.params
        and parameter.name not in PLACES
        and context.get_parameter_source(parameter.name).name != "DEFAULT"
    ]
    for parameter in given:
        if parameter.param_type_name == "argument":
            yield from _values(context.params[parameter.name])
    for parameter in given:
        value = context.params[parameter.name]
        if parameter.param_type_name == "argument":
            continue
        if isinstance(value, bool):
            names = parameter.opts if value else parameter.secondary_opts
            yield from names[:1]
        else:
            for one in _values(value):
                yield from (max(parameter.opts, key=len), one)


def _values(value: Any) -> list[str]:
    if value is None:
        return []
    return [f"{one}" for one in (value if isinstance(value, list | tuple) else [value])]


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    return str(value) if isinstance(value, Path) else value
