"""The command line: every verb, one exit status rule.

See `STATUSES`, which ``sterling --help`` shows.
"""

import io
import logging
import os
import re
import signal
import sys
from importlib import metadata
from itertools import islice
from types import FrameType
from typing import Annotated

import typer
from rich.console import Console
from rich.text import Text
from typer.exceptions import TyperException

from sterling.cli import (
    agent,
    assure,
    bundles,
    compare,
    demo,
    doctor,
    explain,
    face,
    gaze,
    image,
    plan,
    policy,
    privacy,
    reasoning,
    runs,
    serve,
    studies,
    text,
)
from sterling.errors import InputError
from sterling.extras import extra_of
from sterling.plugins import name_modules
from sterling.shown import shown

__all__ = ["app", "main"]

STATUSES = (
    "Exit status: 0 every claim holds, or the command did its work; 1 a claim does not hold, or a "
    "bound is refuted or cannot be promised; 2 the input was wrong, and one line says how to mend "
    "it; 3 nothing could be measured, or the run broke or was stopped; 4 a claim is undecided, "
    "and none fails; 141 whoever read the output stopped reading."
)

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Can this part of an AI system be trusted, and with what error rate?",
    epilog=STATUSES,
)


def _show_version(asked: bool) -> None:  # Typer calls it so
    if asked:
        typer.echo(metadata.version("sterling"))
        raise typer.Exit


@app.callback()
def common(
    plugin: Annotated[
        list[str] | None,
        typer.Option(help="Module that adds studies, detectors, ...; several times, anywhere."),
    ] = None,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Show the version.", is_eager=True, callback=_show_version),
    ] = False,
) -> None:
    """Options of every command."""
    if logging.lastResort:  # on standard error, also while a run writes its log
        logging.getLogger("sterling.plugins").addHandler(logging.lastResort)
    name_modules(tuple(plugin or ()))


studies.register(app)
runs.register(app)
bundles.register(app)
assure.register(app)
compare.register(app)
doctor.register(app)
demo.register(app)
serve.register(app)
app.add_typer(plan.app, name="plan")
app.add_typer(face.app, name="face")
app.add_typer(privacy.app, name="privacy")
app.add_typer(agent.app, name="agent")
app.add_typer(text.app, name="text")
app.add_typer(gaze.app, name="gaze")
app.add_typer(explain.app, name="explain")
app.add_typer(image.app, name="image")
app.add_typer(reasoning.app, name="reasoning")
app.add_typer(policy.app, name="policy")


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its status."""
    for stream in (sys.stdout, sys.stderr):
        # A console without a letter of some name shows another one, rather than end the command.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    signal.signal(signal.SIGTERM, _stop)
    sys.exit(_status(arguments))


def _stop(number: int, _frame: FrameType | None) -> None:
    """End as after Ctrl-C, so that what is under way is written."""
    signal.signal(number, signal.SIG_IGN)
    raise KeyboardInterrupt


def _status(arguments: list[str] | None) -> int:
    try:
        given = sys.argv[1:] if arguments is None else arguments
        result = app(args=_plugins_first(given), standalone_mode=False)
        sys.stdout.flush()
    except InputError as error:
        return _complain(str(error), 2)
    except ModuleNotFoundError as error:
        return _complain(*_missing(error))
    except TyperException as error:
        return _complain(_joined(error.format_message()), 2)
    except (typer.Abort, KeyboardInterrupt):
        return _complain("stopped; start again with the same --out to resume", 3)
    except BrokenPipeError:
        return _nobody_reads()
    except SystemExit as error:
        # Typer ends with 1 where a pipe is closed, which means something else here.
        if isinstance(error.__context__, BrokenPipeError):
            return _nobody_reads()
        raise
    except GeneratorExit:
        raise
    except BaseException as error:  # a panic of polars is no Exception
        return _complain(_joined(f"{type(error).__name__}: {error}"), 3)
    return result if isinstance(result, int) else 0


def _missing(error: ModuleNotFoundError) -> tuple[str, int]:
    """Message and status where a package is not installed: verbs import what they need first."""
    extra = extra_of(error.name or "")
    if extra is None:
        return f"{type(error).__name__}: {error}", 3
    return f"this needs the package {error.name}: pip install 'sterling[{extra}]'", 2


def _nobody_reads() -> int:
    # Python would complain once more when it flushes at the end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 141  # 128 + SIGPIPE, which Windows does not know


def _plugins_first(arguments: list[str]) -> list[str]:
    """Move ``--plugin MODULE`` before the command, so that it may stand anywhere."""
    first, rest = [], []
    given = iter(arguments)
    for argument in given:
        if argument == "--plugin":
            first += [argument, *islice(given, 1)]
        elif argument.startswith("--plugin="):
            first.append(argument)
        else:
            rest.append(argument)
    return first + rest


def _joined(message: str) -> str:
    """A message of several lines, which are not ours, as one."""
    return re.sub(r"\s*\n\s*", " ", message)


def _complain(message: str, status: int) -> int:
    # Text, as a name may hold rich's markup, and blanks that belong to it.
    line = Text.assemble(("error:", "bold red"), " ", shown(message))
    Console(stderr=True, soft_wrap=True).print(line)
    return status
