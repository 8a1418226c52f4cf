"""`sterling lock | bundle | verify-bundle | exchange | schema`: evidence for strangers."""

import json
from dataclasses import asdict
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sterling.cli.studies import (
    DataOption,
    JsonFlag,
    PresetOption,
    SeedOption,
    SetOption,
    UntilDecidedFlag,
    configuration,
    limits,
    show_json,
)
from sterling.shown import shown

if TYPE_CHECKING:
    from sterling.study.bundle import BundleCheck, RunCheck

KeyOption = Annotated[
    Path | None, typer.Option(help="Private elliptic-curve key (PEM): also write FILE.sig.")
]


def register(app: typer.Typer) -> None:
    """Add this module's commands to the application."""
    app.command("lock")(lock)
    app.command("bundle")(bundle)
    app.command("verify-bundle")(verify_bundle)
    app.command("exchange")(exchange)
    app.command("schema")(schema)


def lock(
    name: Annotated[str, typer.Argument(help="The study; see `sterling list`.")],
    preset: PresetOption = "quick",
    data: DataOption = None,
    seed: SeedOption = 0,
    assignments: SetOption = None,
    until_decided: UntilDecidedFlag = False,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File that receives the lock.")
    ] = None,
) -> None:
    """Claims, bars and stopping rule of a run, with a digest to publish before it starts.

    The run writes the same bytes as claims.lock.json before it measures anything, and verify-bundle
    holds its evidence against them.
    """
    from sterling.storage import write_atomically
    from sterling.studies import STUDIES
    from sterling.study.lock import lock as locked

    config = configuration(name, preset, data, assignments or [])
    until = limits(until_decided, None, None)
    stated = locked(STUDIES[name], config, preset=preset, seed=seed, until_decided=until)
    digest = sha256(stated.text().encode()).hexdigest()
    if out is None:
        typer.echo(stated.text(), nl=False)
        typer.echo(f"SHA-256 of claims.lock.json: {digest}", err=True)
        return
    write_atomically(out, stated.text())
    typer.echo(f"{digest}  {out}")


def bundle(
    folders: Annotated[list[Path], typer.Argument(help="Run folders.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")] = Path(
        "bundle.zip"
    ),
    sign_with: KeyOption = None,
) -> None:
    """Finished runs as one file that a stranger can check, offline and without weights."""
    from sterling.study.bundle import write_bundle
    from sterling.study.signature import sign

    digest = write_bundle(folders, out)
    typer.echo(f"{digest}  {out}")
    if sign_with is not None:
        typer.echo(f"signature: {sign(out, sign_with)}")


def verify_bundle(
    path: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The file.")],
    public_key: Annotated[
        Path | None, typer.Option(help="Public key (PEM) that BUNDLE.sig must fit.")
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """Check every digest of a bundle and derive every verdict anew from its frames.

    Exit status: 0 everything agrees; 1 a verdict differs or a lock was broken; 3 a file was
    changed.
    """
    from sterling.studies import STUDIES
    from sterling.study.bundle import verify_bundle as check
    from sterling.study.signature import check_signature

    if public_key is not None:
        check_signature(path, public_key)
    found = check(path, STUDIES)
    if as_json:
        show_json({**asdict(found), "signed": public_key is not None})
    else:
        _show(found)
    if found.damaged:
        return 3
    return 0 if all(run.agrees for run in found.runs) else 1


def exchange(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="Run folder.")],
    form: Annotated[
        Literal["every-eval-ever", "oscal", "cyclonedx", "junit"],
        typer.Option(
            "--format",
            help="Every Eval Ever (claims), OSCAL assessment results (claims), CycloneDX model "
            "card (metrics), JUnit (claims).",
        ),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The file to write.")],
    subject: Annotated[
        str | None,
        typer.Option(help="Name of the assessed system; default: the detector, or the study."),
    ] = None,
) -> None:
    """The evidence of a run in a format that other tools read."""
    from sterling.storage import write_atomically
    from sterling.study import load_evidence
    from sterling.study.exchange import FORMATS

    evidence = load_evidence(folder)
    name = subject or str(evidence.config.get("detector") or evidence.study)
    write_atomically(out, FORMATS[form](evidence, name))
    typer.echo(out)


def schema(
    name: Annotated[
        Literal["evidence", "lock"], typer.Argument(help="Document: evidence.json or the lock.")
    ],
) -> None:
    """The JSON Schema of a document that runs leave."""
    from sterling.study import Evidence
    from sterling.study.lock import Lock

    described = Evidence.model_json_schema() if name == "evidence" else Lock.model_json_schema()
    typer.echo(json.dumps(described, indent=1))


def _show(found: "BundleCheck") -> None:
    typer.echo(f"SHA-256 of the bundle: {found.digest}")
    for name in found.damaged:
        typer.echo(shown(f"changed, missing or added: {name}"))
    if found.damaged:
        typer.echo("the bundle is not the one that was written; nothing else was checked")
        return
    typer.echo(f"{found.files} files are as they were written")
    for run in found.runs:
        for line in _lines(run):
            typer.echo(shown(line))


def _lines(run: "RunCheck") -> list[str]:
    """A checked run, for people."""
    differing = [claim for claim in run.claims if claim.agrees is False]
    unknown = [claim.id for claim in run.claims if claim.agrees is None]
    same = len(run.claims) - len(differing) - len(unknown)
    source = next((claim.source for claim in run.claims if claim.source), "")
    lines = [f"{run.run}: {same} of {len(run.claims)} verdicts derived anew from {source} agree"]
    if not source:
        lines = [f"{run.run}: no verdict can be derived anew"]
    lines += [
        f"  {claim.id}: recorded {claim.recorded!r}, derived {claim.derived!r}"
        for claim in differing
    ]
    if unknown:
        lines.append(f"  not derived, since they rest on an estimate: {', '.join(unknown)}")
    if run.lock == "none":
        return [*lines, "  no lock: nothing shows that the claims were fixed before the run"]
    return [*lines, f"  lock {run.lock}", *(f"  {text}" for text in run.departures)]
