"""`sterling face evaluate`: error rates of a detector, or of its scores, with a report."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sterling.cli._crops import PatternOption
from sterling.cli._face_sources import (
    AnyDetectorArgument,
    BonaFideOption,
    ColumnOption,
    DetectorDataOption,
    Extras,
    HigherOption,
    ProtocolOption,
    ResearchFlag,
    ScoresOption,
    Source,
    detector_source,
    read_threshold,
    score_source,
)
from sterling.cli._options import given_command, given_config
from sterling.cli._run import OutOption, evidence_folder
from sterling.cli._verdicts import claims_status
from sterling.cli.studies import JsonFlag, show_evidence, show_metrics, show_table
from sterling.errors import InputError
from sterling.shown import shown

if TYPE_CHECKING:
    from sterling.face.evaluation.bounded_threshold import Promise
    from sterling.face.evaluation.chosen_threshold import ChosenThreshold
    from sterling.face.evaluation.evaluate import Evaluation, Scored
    from sterling.face.evaluation.requirement import Requirement
    from sterling.study import Claim, Evidence

THRESHOLD_FILE = "threshold.json"


def evaluate(
    context: typer.Context,
    detector: AnyDetectorArgument = None,
    data: DetectorDataOption = None,
    scores: ScoresOption = None,
    column: ColumnOption = None,
    bona_fide: BonaFideOption = None,
    higher_is: HigherOption = None,
    threshold: Annotated[
        str | None,
        typer.Option(help="A number, or the JSON file that face calibrate or evaluate left."),
    ] = None,
    guarantee: Annotated[
        str | None,
        typer.Option(
            help="bpcer=0.05[,confidence=0.95][,unit=subject]: choose the threshold on the split "
            "dev so that the BPCER is bounded with confidence."
        ),
    ] = None,
    require: Annotated[
        list[str] | None,
        typer.Option(
            help="Bar that must hold, as apcer<=0.1; of apcer (every species), bpcer, acer, auc, "
            "apnrr, bpnrr. May be repeated."
        ),
    ] = None,
    subject_pattern: PatternOption = None,
    protocol: ProtocolOption = None,
    robustness: Annotated[
        bool, typer.Option("--robustness", help="Also on degraded copies and on other crops.")
    ] = False,
    interventions: Annotated[
        bool,
        typer.Option(
            "--interventions", help="Also what the detector judges: crops without one cue each."
        ),
    ] = False,
    patch: Annotated[
        float | None,
        typer.Option(
            help="Also on attacks that wear an adversarial patch, this share of the crop's side; "
            "needs --research-use and the split dev."
        ),
    ] = None,
    research_use: ResearchFlag = False,
    seed: Annotated[int, typer.Option(min=0)] = 0,
    out: OutOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Error rates per attack species, by presentation and by subject, and a report.

    Give a detector and --data, or --scores that any detector gave. Of data with splits the test
    split is evaluated; otherwise everything is. Exit status 1: a claim does not hold; 4:
    one is undecided; the first line says which.
    """
    from sterling.face.evaluation.bounded_threshold import Promise
    from sterling.face.evaluation.requirement import Requirement
    from sterling.study.report import render_report

    out = evidence_folder(out, "face-evaluate")
    requirements = [Requirement.parse(one) for one in require or ()]
    promise = None if guarantee is None else Promise.parse(guarantee)
    if promise is not None and threshold is not None:
        raise InputError("--guarantee chooses the threshold; leave --threshold out")
    chosen = None if threshold is None else read_threshold(threshold)
    if scores is not None:
        pictures = {
            "a detector": detector,
            "--data": data,
            "--subject-pattern": subject_pattern,
            "--protocol": protocol,
            "--robustness": robustness or None,
            "--interventions": interventions or None,
            "--patch": patch,
        }
        _require_none(pictures, "--scores takes no pictures")
        source = score_source(
            scores,
            column,
            bona_fide,
            higher_is,
            threshold=chosen,
            promise=promise,
            requirements=requirements,
        )
    elif detector is None or data is None:
        raise InputError("give a detector and --data, or --scores")
    else:
        of_scores = {"--column": column, "--bona-fide": bona_fide, "--higher-is": higher_is}
        _require_none(of_scores, "a detector has its own scores")
        source = detector_source(
            detector,
            data,
            protocol,
            subject_pattern,
            threshold=chosen,
            promise=promise,
            extras=Extras(robustness, interventions, patch, research_use),
            seed=seed,
        )
    evidence, evaluation = _run(context, source, promise, requirements, seed, out)
    render_report([out], out / "report.html")
    if as_json:
        show_evidence(evidence)
    else:
        show_claims(evidence.claims)
        show_headlines(evaluation)
        show_metrics([one for one in evidence.metrics if "(no score)" in one.name])
        for table in evidence.tables:
            if table.name == "interventions":
                show_table(table)
        if source.caution:
            typer.echo(source.caution)
        typer.echo(f"report: {out / 'report.html'}")
    return claims_status(evidence)


def _require_none(options: dict[str, Any], reason: str) -> None:
    given = [name for name, value in options.items() if value is not None]
    if given:
        raise InputError(f"{reason}: leave {', '.join(given)} out")


def _run(
    context: typer.Context,
    source: Source,
    promise: "Promise | None",
    requirements: "list[Requirement]",
    seed: int,
    out: Path,
) -> "tuple[Evidence, Evaluation]":
    """Score, choose the threshold, evaluate, and leave everything in the run folder."""
    from sterling.cli._face_report import evaluation_findings
    from sterling.face.evaluation.evaluate import evaluate_scored
    from sterling.runs import open_run
    from sterling.study import finish_run

    config = given_config(context)
    identity = {"study": "face-evaluate", "seed": seed, "config": config}
    with open_run(out, identity=identity, seed=seed) as run:
        scored, views = source.read()
        chosen = _choose(source, scored, promise, seed)
        evaluation = evaluate_scored(scored, chosen)
        errors = _leave_files(evaluation, out)
        findings = evaluation_findings(
            evaluation,
            scope=source.scope,
            facts=source.facts,
            requirements=requirements,
            further=source.claims,
            views=replace(views(chosen.threshold), errors=errors),
        )
        command = given_command(context)
        evidence = finish_run(run, findings, study="face-evaluate", command=command, config=config)
    return evidence, evaluation


def _choose(
    source: Source, scored: "Scored", promise: "Promise | None", seed: int
) -> "ChosenThreshold":
    """The threshold: promised, given, the detector's own, or that of equal errors on dev."""
    from sterling.face.evaluation.chosen_threshold import ChosenThreshold

    development, origin = scored.development, f"{source.data}, split dev"
    if source.own is not None:
        known = ChosenThreshold.known_on(source.own.threshold, development)
        return source.own if source.own.rates else replace(source.own, rates=known.rates)
    assert development is not None
    if promise is None:
        return ChosenThreshold.at_equal_errors(development, source=origin)
    return ChosenThreshold.promised(
        development, promise, source=origin, held_out=source.held_out, seed=seed
    )


def _leave_files(evaluation: "Evaluation", out: Path) -> bool:
    """Leave scores, threshold and worst errors in the run folder; whether there is an error."""
    from sterling.cli._face_report import ERRORS_FILE
    from sterling.face.evaluation.evaluate import write_scores
    from sterling.face.evaluation.worst_errors import write_worst_errors
    from sterling.storage import write_atomically

    chosen = evaluation.chosen
    write_scores([evaluation.table()], out)
    write_atomically(out / THRESHOLD_FILE, json.dumps(chosen.to_dict(), indent=1) + "\n")
    items = [
        {
            "images": [] if one.thumbnail is None else [one.thumbnail],
            "text": f"{one.species}, score {one.score:.4g}: {shown(one.path or one.item)}",
        }
        for one in write_worst_errors(evaluation.scored.test, chosen.threshold, out)
    ]
    write_atomically(out / ERRORS_FILE, json.dumps(items, indent=1) + "\n")
    return bool(items)


def show_claims(claims: "list[Claim]") -> None:
    """Write claims on standard output, those that do not hold first and in capitals."""
    from sterling.study.report.page import RANKS

    for claim in sorted(claims, key=lambda one: RANKS.index(one.verdict)):
        loud = claim.verdict if claim.verdict == "holds" else claim.verdict.upper()
        measured = ""
        if claim.measured is not None:
            measured = f" {claim.measured:.4f}"
            if claim.low is not None and claim.high is not None:
                measured += f" ({claim.low:.4f} … {claim.high:.4f})"
            measured += f", to be {claim.bar};"
        typer.echo(shown(f"{loud}: {claim.claim}{measured} {claim.estimand}"))


def show_headlines(evaluation: "Evaluation") -> None:
    """Write the headline figures with both intervals on standard output, one a line."""
    from sterling.cli._face_report import headlines

    for name, figure in headlines(evaluation).items():
        plain, own = figure.presentation, figure.subject
        line = f"{name}: {figure.value:.4f}; by presentation {plain.low:.4f} … {plain.high:.4f}"
        line += f" (n = {figure.n}); by subject "
        if own is None:
            line += "not possible: no subjects"
        else:
            line += f"{own.low:.4f} … {own.high:.4f} ({figure.subjects} subjects)"
        typer.echo(shown(line))
