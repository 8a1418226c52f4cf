"""`sterling text detect`: which documents of a folder a machine wrote."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from sterling.cli._options import given_command
from sterling.cli._run import leave_evidence
from sterling.cli._verdicts import UNDECIDED, nothing_declared
from sterling.cli.studies import JsonFlag, show_json
from sterling.errors import InputError, NothingMeasuredError
from sterling.extras import require
from sterling.shown import shown

if TYPE_CHECKING:
    from sterling.text import Declaration

OUTPUTS = (".csv", ".html", "")


def detect(
    context: typer.Context,
    documents: Annotated[
        Path, typer.Argument(help="A folder of text files, one text file, or a .jsonl file.")
    ],
    calibration: Annotated[
        Path, typer.Option(help="Texts of people, of the same kind as the documents.")
    ],
    detector: Annotated[
        str,
        typer.Option(
            help="A metric that needs no training, a folder from text train, or your own function "
            "of texts as package.module:name."
        ),
    ] = "fast_detect_gpt",
    fdr: Annotated[
        float, typer.Option(help="Expected share of human texts on the list, such as 0.05.")
    ] = 0.05,
    procedure: Annotated[
        Literal["bh", "by", "storey", "ptdi", "ptdi_jkbb", "ebh"],
        typer.Option(help="Procedure of the list; bh is Benjamini-Hochberg."),
    ] = "bh",
    model: Annotated[
        str, typer.Option(help="smollm2, or a folder that transformers wrote.", show_default=True)
    ] = "smollm2",
    out: Annotated[
        Path | None,
        typer.Option(
            help="All verdicts: a .csv file, an .html report, or a run folder that holds both."
        ),
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """List machine-written documents with a bounded false discovery rate, without training.

    Scores are kept, so that a second call takes seconds. Status 1: the documents that are not
    declared differ from the calibration texts in length, words or letters, so the bound may not
    hold; 4: only all of them together do, which machines or people may cause. No watermark is
    tested: that takes its key (sterling text watermark detect), which for ChatGPT or SynthID only
    their owners have. No verdict is sole evidence against a person.
    """
    if out is not None and out.suffix.lower() != ".csv":
        require("report", "--out")
    if out is not None and out.suffix.lower() not in OUTPUTS:
        raise InputError(f"--out {out}: name a .csv or .html file, or a folder")
    typer.echo("loading the detector", err=True)  # the first line, before torch is imported
    from platformdirs import user_cache_path

    from sterling.lm import SignalStore
    from sterling.text.corpus.records import read_corpus
    from sterling.text.evaluation.declaration import (
        declaration_document,
        declare_machine_written,
        describe,
    )

    asked, known = read_corpus(documents), read_corpus(calibration)
    for path, corpus in ((documents, asked), (calibration, known)):
        if not corpus.records:
            _tell_unread(corpus.unread)
            raise NothingMeasuredError(f"{path} holds no text that can be read")
    judge = _detector(detector, model)
    with _progress() as report:
        given = declare_machine_written(
            judge,
            asked.records,
            known.records,
            fdr=fdr,
            procedure=procedure,
            unread=asked.unread,
            store=SignalStore(user_cache_path("sterling") / "text-scores"),
            report=report,
        )
    _tell_unread(known.unread)
    described = describe(judge)
    if out is not None:
        _write(given, described, context, out)
    if as_json:
        show_json(declaration_document(given, known.unread, described))
    else:
        _show(given, described)
        if out is not None:
            typer.echo(f"all verdicts: {out}")
    return {"refuted": 1, "undecided": UNDECIDED, "not refuted": 0}[given.shift_verdict]


def _detector(name: str, model: str) -> Any:
    from sterling.lm import load_local
    from sterling.text.detectors import DetectorPlan, load_detector, untrained_detector
    from sterling.text.detectors.registry import UNTRAINED_TOKENS

    if "/" in name or Path(name).is_dir():
        return load_detector(Path(name), None if model == "smollm2" else load_local(model))
    return untrained_detector(name, DetectorPlan(model, max_tokens=UNTRAINED_TOKENS))


@contextmanager
def _progress() -> Iterator[Callable[[int, int], None]]:
    """Tell on standard error how long scoring will take, from its first step, and how far it is."""
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    started = time.monotonic()
    before: list[int] = []
    with Progress("scoring", *columns, console=console, speed_estimate_period=600) as bar:
        task = bar.add_task("scoring", total=None)

        def report(done: int, total: int) -> None:
            nonlocal started
            if not before:
                kept = f", {done} scored before" if done else ""
                console.print(f"{total} texts to score, calibration included{kept}")
                started = time.monotonic()
            elif len(before) == 1:
                seconds = (time.monotonic() - started) / (done - before[0]) * (total - done)
                console.print(
                    f"at most about {_duration(seconds)} more, by the longest {done - before[0]}"
                )
            before.append(done)
            bar.update(task, completed=done, total=total)

        yield report


def _duration(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _tell_unread(unread: Any) -> None:
    for one in unread:
        typer.echo(shown(f"not used: {one.source}: {one.reason}"), err=True)


def _show(given: "Declaration", described: dict[str, Any]) -> None:
    for one in given.declared:
        typer.echo(f"{shown(one.id)}\tadjusted p {one.adjusted_p:.4g}\t{one.caution}")
    tested = len(given.verdicts)
    typer.echo(f"{len(given.declared)} of {tested} documents declared machine-written")
    if not given.declared:
        resolution = given.together, given.calibration_for_one
        typer.echo(nothing_declared("texts", given.guarantee.n, *resolution))
    for one in given.verdicts:
        if one.not_scored:
            typer.echo(shown(f"not scored: {one.id}: {one.not_scored}"))
        if one.unlike:
            typer.echo(
                shown(
                    f"not declared: {one.id}: unlike all calibration texts; another language or "
                    "kind?"
                )
            )
        if one.hidden:
            kinds = ", ".join(f"{count} {kind}" for kind, count in one.hidden.items())
            typer.echo(shown(f"hidden characters: {one.id}: {kinds}"))
    _tell_unread(given.unread)
    settings = ", ".join(f"{name} {value}" for name, value in described["settings"].items())
    typer.echo(f"scored by {described['detector']}: {settings}")
    for name, text in given.guarantee.rows():
        typer.echo(f"{name}: {text}")
    for message in given.warnings:
        typer.echo(f"warning: {message}", err=True)
    if given.shift_verdict != "not refuted":
        _show_shift(given)


def _show_shift(given: "Declaration") -> None:
    refuted = given.shift_verdict == "refuted"
    typer.echo(
        "THE BOUND MAY NOT HOLD: documents that are not declared are unlike the calibration texts."
        if refuted
        else "UNDECIDED WHETHER THE BOUND HOLDS: the documents are unlike the calibration texts, "
        "but those that are not declared are not.",
        err=True,
    )
    for one in given.shift_of_rest if refuted else given.shift:
        if one.differs:
            typer.echo(
                f"  {one.feature}: median {one.documents:.4g} against {one.calibration:.4g}, "
                f"p = {one.p_value:.2g}",
                err=True,
            )
    typer.echo(
        "  Calibrate with texts like the documents."
        if refuted
        else "  Machines may write so, or people of another kind are on the list: no test tells.",
        err=True,
    )


def _write(
    given: "Declaration", described: dict[str, Any], context: typer.Context, out: Path
) -> None:
    from sterling.cli._text_report import (
        declaration_csv,
        declaration_findings,
        write_declaration_report,
    )
    from sterling.storage import write_atomically

    if out.suffix.lower() == ".csv":
        write_atomically(out, declaration_csv(given))
    elif out.suffix.lower() == ".html":
        write_declaration_report(given, described, given_command(context), out)
    else:
        leave_evidence(context, out, "text-detect", lambda: declaration_findings(given))
        write_atomically(out / "verdicts.csv", declaration_csv(given))
