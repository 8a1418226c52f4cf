"""`sterling assure`: one report over the parts of a system."""

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import chdir, contextmanager, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table as RichTable
from rich.text import Text

from sterling.cli._run import OutOption, evidence_folder
from sterling.cli.studies import COLOURS, JsonFlag, plain_console, show_json
from sterling.errors import InputError, NothingMeasuredError, unknown_name
from sterling.shown import shown

if TYPE_CHECKING:
    from sterling.study.assurance import Assurance, Part

VERBS = (
    "face evaluate",
    "face threshold",
    "privacy audit",
    "privacy mia",
    "text detect",
    "text evaluate",
    "text watermark detect",
    "gaze evaluate",
    "agent gui evaluate",
    "explain neurons",
    "policy diagnose",
    "run",
)
"""Verbs that leave evidence."""

STATUS = {"holds": 0, "no claim": 0, "undecided": 4, "does not hold": 1, "not measured": 3}


@dataclass(frozen=True)
class Step:
    """Command that assesses one part.

    Attributes:
        part: Name of the part.
        verb: Verb, as a person writes it; "" where a finished run is read.
        arguments: Everything behind the verb.
        folder: Run folder.
    """

    part: str
    verb: str
    arguments: list[str]
    folder: Path


def register(app: typer.Typer) -> None:
    """Add this module's command to the application."""
    app.command()(assure)


def assure(
    system: Annotated[
        Path, typer.Argument(help="YAML file of the system's parts; see docs/assurance.md.")
    ],
    out: OutOption = None,
    as_json: JsonFlag = False,
) -> int:
    """One report over the parts of a system: what can be trusted, with what error rate.

    Exit status: 0 every claim of every part holds; 1 one does not; 3 a part could not be measured;
    4 none of these, but a claim is undecided.
    """
    out = evidence_folder(out, "assure")
    found = assessed(system, out.resolve())
    if as_json:
        show_json(_document(found))
    else:
        show(found)
        typer.echo(f"report: {out / 'report.html'}")
    statuses = {STATUS[part.standing] for part in found.parts}
    return next(status for status in (1, 3, 4, 0) if status in statuses)


def assessed(path: Path, out: Path) -> "Assurance":
    """Assess every part, and write the report."""
    from sterling.storage import write_atomically
    from sterling.study.assurance import Assurance
    from sterling.study.report import render_report
    from sterling.yaml_files import read_yaml

    name, parts = _system(path, read_yaml(path, "system"))
    root = path.resolve().parent
    steps = [_step(path, part, value, root, out) for part, value in parts.items()]
    folders = [step.folder for step in steps]
    for step in steps:
        if folders.count(step.folder) > 1:
            raise InputError(f"{path}: part {step.part!r}: rename it: another has its folder")
    with chdir(root):  # names of files in the system are relative to it
        found = Assurance(name, [_assess(step) for step in steps])
    write_atomically(out / "assurance.json", json.dumps(_document(found), indent=1) + "\n")
    render_report([*found.measured], out / "report.html", overview=found)
    return found


def _system(path: Path, content: Any) -> tuple[str, dict[str, dict[str, Any]]]:
    """Name and parts of a system."""
    if not isinstance(content, dict) or not isinstance(content.get("parts"), dict):
        raise InputError(f"{path}: write 'system: NAME' and 'parts:' with one entry for each part")
    if unknown := content.keys() - {"system", "parts"}:
        raise unknown_name(f"key of {path}", str(min(unknown, key=str)), ("system", "parts"))
    parts = {str(name): value for name, value in content["parts"].items()}
    if not parts:
        raise InputError(f"{path}: 'parts' names no part")
    for name, value in parts.items():
        if not isinstance(value, dict) or len(value.keys() & {"verb", "run"}) != 1:
            raise InputError(
                f"{path}: part {name!r}: give 'verb' with its options, or 'run' with a run folder"
            )
    return str(content.get("system", path.stem)), parts


def _step(path: Path, part: str, value: Mapping[str, Any], root: Path, out: Path) -> Step:
    """The command of a part, with its options and files checked before anything runs."""
    where = f"{path}: part {part!r}"
    if "run" in value:
        folder = root / str(value["run"])
        if not (folder / "evidence.json").is_file():
            raise InputError(f"{where}: {folder} holds no evidence.json; finish the run first")
        return Step(part, "", [], folder)
    verb = str(value["verb"])
    if verb not in VERBS:
        raise unknown_name(f"verb in {where}", verb, VERBS)
    parameters = _parameters(verb)
    positional, options = [], []
    for key, given in value.items():
        if key == "verb":
            continue
        name = str(key).replace("_", "-")
        if name not in parameters or name in ("out", "json", "help"):
            raise unknown_name(f"option of {verb} in {where}", name, parameters)
        parameter = parameters[name]
        for one in given if isinstance(given, list) else [given]:
            _check_file(where, name, parameter, one, root)
            if parameter.param_type_name == "argument":
                positional.append(str(one))
            elif isinstance(one, bool):
                options += [f"--{name}"] if one else []
            else:
                options.append(f"--{name}={one}")
    folder = out / (re.sub(r"[^A-Za-z0-9._-]+", "-", part).strip("-.") or "part")
    return Step(part, verb, [*options, f"--out={folder}", "--", *positional], folder)


def _parameters(verb: str) -> dict[str, Any]:
    """Parameters of a verb by the name that a person gives them."""
    from sterling.cli import app  # which is made of this module, too

    command: Any = typer.main.get_command(app)
    for word in verb.split():
        command = command.commands[word]
    return {
        parameter.opts[0].lstrip("-").replace("_", "-"): parameter for parameter in command.params
    }


def _check_file(where: str, name: str, parameter: Any, value: Any, root: Path) -> None:
    """Refuse a file that is not there; a detector's short name is none."""
    is_path = parameter.type_descriptor.annotation in (Path, Path | None)
    if is_path and name != "detector" and not (root / str(value)).exists():
        raise InputError(f"{where}: {name}: {root / str(value)}: no such file or folder")


def _assess(step: Step) -> "Part":
    from sterling.cli import app
    from sterling.study import load_evidence
    from sterling.study.assurance import Part

    reason = ""
    if step.verb:
        typer.echo(f"{step.part}: sterling {step.verb}", err=True)
        try:
            with _named(step.part), redirect_stdout(StringIO()):
                app(args=[*step.verb.split(), *step.arguments], standalone_mode=False)
        except NothingMeasuredError as error:
            reason = str(error)
    verb = f"sterling {step.verb}" if step.verb else "a finished run"
    if reason:
        return Part(step.part, verb, step.folder, None, reason)
    return Part(step.part, verb, step.folder, load_evidence(step.folder))


@contextmanager
def _named(part: str) -> Iterator[None]:
    """Name the part whose input is wrong."""
    from typer.exceptions import TyperException

    try:
        yield
    except InputError as error:
        raise InputError(f"part {part!r}: {error}") from error
    except TyperException as error:
        raise InputError(f"part {part!r}: {error.format_message()}") from error


def _document(found: "Assurance") -> dict[str, Any]:
    """The assessment as JSON."""
    return {
        "system": found.system,
        "outcome": found.outcome,
        "parts": [
            {
                "part": part.name,
                "verb": part.verb,
                "standing": part.standing,
                "finding": part.finding,
                "would_take": part.would_take,
                "scope": None if part.evidence is None else part.evidence.scope,
            }
            for part in found.parts
        ],
    }


def show(found: "Assurance") -> None:
    """Write the standing of every part on standard output, the most urgent first."""
    table = RichTable("part", "standing", "finding", title=shown(found.system))
    for part in found.urgent_first:
        standing = Text(part.standing, style=COLOURS.get(part.standing, "yellow"))
        table.add_row(shown(part.name), standing, shown(f"{part.finding} {part.would_take}"))
    console = plain_console()
    console.print(table)
    console.print(found.outcome, soft_wrap=True)
