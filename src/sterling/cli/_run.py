"""Verbs that leave evidence: one run folder with `evidence.json` and a report."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sterling.cli._options import given_command, given_config
from sterling.extras import require

if TYPE_CHECKING:
    from sterling.study import Evidence, Findings


OutOption = Annotated[
    Path | None,
    typer.Option(
        help="Run folder for evidence and report.", show_default="runs/VERB-DATE-TIME, a new one"
    ),
]


def evidence_folder(out: Path | None, verb: str) -> Path:
    """Return the run folder of a verb; call it first, since it says which package is missing.

    Args:
        out: Folder that the user named; None takes a new one, such as
            ``runs/face-evaluate-20260131-101500``.
        verb: Name of the verb, such as "face-evaluate".

    Raises:
        InputError: Reports need an extra that is not installed.
    """
    require("report", "a report")
    return out or Path("runs") / f"{verb}-{datetime.now():%Y%m%d-%H%M%S}"


def leave_evidence(
    context: typer.Context,
    out: Path,
    study: str,
    find: "Callable[[], Findings]",
    *,
    seed: int = 0,
    **facts: Any,
) -> "Evidence":
    """Find something and write its evidence and report; the record repeats every given option.

    Args:
        context: Context of the command.
        out: Run folder.
        study: Name of what was done, such as "privacy-audit".
        find: Does the work.
        seed: Seed of the run.
        facts: Further facts for the record of the configuration, as JSON values.

    Raises:
        InputError: The folder cannot take this run, or reports need an extra that is missing.
    """
    from sterling.runs import open_run
    from sterling.study import finish_run
    from sterling.study.report import render_report

    config, command = {**given_config(context), **facts}, given_command(context)
    with open_run(out, identity={"study": study, "seed": seed, "config": config}, seed=seed) as run:
        evidence = finish_run(run, find(), study=study, command=command, config=config)
    render_report([out], out / "report.html")
    return evidence
