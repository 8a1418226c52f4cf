"""The command line: every verb, one exit status rule.

0: all claims hold, or the verb did its work. 1: a claim does not hold or is undecided. 2: the
input was wrong; one line on standard error says what and how to mend it. 3: nothing could be
measured, or the run broke.
"""

import sys

import typer
from rich.console import Console
from rich.markup import escape
from typer.exceptions import TyperException

from sterling.cli import agent, demo, doctor, face, privacy, runs, studies, text
from sterling.errors import InputError

__all__ = ["app", "main"]

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Can this part of an AI system be trusted, and with what error rate?",
)
studies.register(app)
runs.register(app)
doctor.register(app)
demo.register(app)
app.add_typer(face.app, name="face")
app.add_typer(privacy.app, name="privacy")
app.add_typer(agent.app, name="agent")
app.add_typer(text.app, name="text")


def main(arguments: list[str] | None = None) -> None:
    """Run one command and exit with its status."""
    sys.exit(_status(arguments))


def _status(arguments: list[str] | None) -> int:
    try:
        result = app(args=arguments, standalone_mode=False)
    except InputError as error:
        return _complain(str(error), 2)
    except TyperException as error:
        return _complain(error.format_message(), 2)
    except (typer.Abort, KeyboardInterrupt):
        return _complain("stopped; start again with the same --out to resume", 3)
    except Exception as error:
        return _complain(f"{type(error).__name__}: {error}", 3)
    return result if isinstance(result, int) else 0


def _complain(message: str, status: int) -> int:
    console = Console(stderr=True, soft_wrap=True)
    console.print(f"[bold red]error:[/] {escape(' '.join(message.split()))}")
    return status
