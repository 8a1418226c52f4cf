"""The command that repeats a command, whatever kinds of options it has."""

import shlex
from pathlib import Path
from typing import Annotated, Any

import pytest
import typer

from sterling.cli._options import given_command, given_config

app = typer.Typer()
nested = typer.Typer()
app.add_typer(nested, name="room")
seen: list[tuple[str, dict[str, Any]]] = []


@app.callback()
def common(plugin: Annotated[list[str] | None, typer.Option()] = None) -> None:
    pass


@nested.command()
def verb(
    context: typer.Context,
    files: Annotated[list[Path], typer.Argument()],
    name: Annotated[str | None, typer.Option("--name", "-n")] = None,
    bars: Annotated[list[str] | None, typer.Option("--bar")] = None,
    largest: Annotated[bool, typer.Option("--largest")] = False,
    check: Annotated[bool, typer.Option()] = True,
    share: Annotated[float, typer.Option()] = 0.5,
    out: Annotated[Path, typer.Option()] = Path("run"),
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    del files, name, bars, largest, check, share, out, as_json  # read from the context
    seen.append((given_command(context), given_config(context)))


@pytest.mark.parametrize(
    ("words", "repeated"),
    [
        ("room verb a", "room verb a"),
        ("room verb 'a b' c --share 0.25", "room verb 'a b' c --share 0.25"),
        ("room verb a --out x --json", "room verb a"),
        ("room verb --largest --no-check a", "room verb a --largest --no-check"),
        ("room verb a --check --share 0.5", "room verb a --check --share 0.5"),
        ('room verb -n "it\'s" a', 'room verb a --name "it\'s"'),
        ("room verb --bar 'x<=1' a --bar y", "room verb a --bar 'x<=1' --bar y"),
        ("--plugin mine room verb a", "--plugin mine room verb a"),
    ],
)
def test_what_was_given_is_repeated(words: str, repeated: str) -> None:
    app(args=shlex.split(words), standalone_mode=False)
    command, config = seen.pop()
    assert shlex.split(command) == ["sterling", *shlex.split(repeated)]
    assert config.keys() == {"files", "name", "bars", "largest", "check", "share"}
    assert all(isinstance(path, str) for path in config["files"])
    # The repeated command gives the same command when it is run.
    app(args=shlex.split(command)[1:], standalone_mode=False)
    assert seen.pop() == (command, config)
