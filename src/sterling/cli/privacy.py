"""`sterling privacy …`: audits of the user's own models."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from sterling.cli._run import OutOption, evidence_folder, leave_evidence
from sterling.cli._verdicts import claims_status, nothing_declared, show_undecided
from sterling.cli.studies import JsonFlag, show_evidence, show_json, show_metrics
from sterling.errors import InputError, NothingMeasuredError
from sterling.extras import require
from sterling.shown import shown

if TYPE_CHECKING:
    from sterling.privacy.membership.score_file import ScoreFile
    from sterling.privacy.unlearning_attacks.signals import Signals
    from sterling.study import Findings

app = typer.Typer(
    no_args_is_help=True, help="Privacy of training data: membership inference, unlearning."
)


@app.command()
def mia(
    context: typer.Context,
    scores: Annotated[
        Path,
        typer.Option(
            help="Records in question: .csv, .parquet, .jsonl with a column score, and record."
        ),
    ],
    calibration: Annotated[
        Path, typer.Option(help="The same of known non-members, scored by the same model.")
    ],
    alpha: Annotated[float, typer.Option(help="False discovery rate, such as 0.1.")] = 0.1,
    method: Annotated[
        Literal["bh", "by", "storey", "ptdi", "ptdi_jkbb", "ebh"],
        typer.Option(help="The procedure; bh is the paper's."),
    ] = "bh",
    members: Annotated[
        Path | None, typer.Option(help="Known training records, which may not calibrate.")
    ] = None,
    holdout: Annotated[
        Path | None, typer.Option(help="Further known non-members, to diagnose a shift.")
    ] = None,
    scored_by: Annotated[
        Literal["target", "surrogate"], typer.Option(help="Who scored the calibration records.")
    ] = "target",
    lower_is_member: Annotated[bool, typer.Option(help="The scores are losses.")] = False,
    model: Annotated[
        Path | None,
        typer.Option(
            help="Score by the losses of this ONNX model: the files are .npz with x and label."
        ),
    ] = None,
    smooth: Annotated[bool, typer.Option(help="Break ties between scores at random.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the tie-breaks.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Run folder for evidence and a report; none by default.")
    ] = None,
    as_json: JsonFlag = False,
) -> int:
    """Declare members of a training set with a bounded false discovery rate.

    Scores are higher for members, from any attack. With a column group in both files, calibration
    is within groups; with a column member in the scores, the list is held against that truth.
    Status 1: the shift diagnostic refutes the guarantee.
    """
    from sterling.findings.privacy import members_findings
    from sterling.privacy.membership.member_list import declare_members
    from sterling.privacy.membership.score_file import (
        read_record_ids,
        read_score_file,
        score_records,
    )

    if out is not None:
        require("report", "--out")
    if model is not None and lower_is_member:
        raise InputError("--lower-is-member: belongs to files of scores, not to --model")

    def read(path: Path) -> "ScoreFile":
        if model is not None:
            return score_records(model, path)
        return read_score_file(path, lower_is_member=lower_is_member)

    asked, known = read(scores), read(calibration)
    if not len(asked):
        raise NothingMeasuredError(f"{scores} holds no record")
    found = declare_members(
        asked,
        known,
        alpha=alpha,
        method=method,
        members=None if members is None else read_record_ids(members),
        holdout=None if holdout is None else read(holdout),
        scored_by=scored_by,
        smooth=smooth,
        seed=seed,
    )
    if out is not None:
        leave_evidence(context, out, "privacy-mia", lambda: members_findings(found), seed=seed)
    if as_json:
        show_json(found.to_dict())
        return int(found.refuted)
    for line in found.declared:
        typer.echo(f"{shown(str(line['record']))}\tadjusted p {line['adjusted_p']:.4g}")
    typer.echo(f"{len(found.declared)} of {found.tested} records declared members")
    if not found.declared:
        typer.echo(nothing_declared("records", found.guarantee.n, *found.resolution))
    for name, text in found.guarantee.rows():
        typer.echo(f"{name}: {text}")
    if found.audit is not None:
        typer.echo(f"truth: false discovery proportion {found.audit.fdp:.4f}")
    for message in found.warnings:
        typer.echo(f"warning: {message}", err=True)
    return int(found.refuted)


@app.command()
def audit(
    context: typer.Context,
    forget: Annotated[
        Path,
        typer.Option(
            help="Records to be forgotten: .csv, .parquet, .jsonl, .npz with loss, or label, p0 ..."
        ),
    ],
    holdout: Annotated[Path, typer.Option(help="The same of records that no model was given.")],
    retain: Annotated[
        Path | None, typer.Option(help="The same of records to be kept, for utility.")
    ] = None,
    retrained_forget: Annotated[
        Path | None, typer.Option(help="Answers to --forget of a model retrained without them.")
    ] = None,
    retrained_holdout: Annotated[Path | None, typer.Option(help="Its answers to --holdout.")] = (
        None
    ),
    model: Annotated[
        Path | None,
        typer.Option(
            "--model", "--onnx", help="Ask this ONNX model: the files are .npz with x and label."
        ),
    ] = None,
    retrained_model: Annotated[
        Path | None,
        typer.Option(
            "--retrained-model",
            "--retrained-onnx",
            help="Ask this retrained model about the same files.",
        ),
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Distance of areas that still passes.")] = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the bootstrap.")] = 0,
    out: OutOption = None,
    as_json: JsonFlag = False,
) -> int:
    """Did an unlearned model forget? From its losses, best beside a truly retrained model.

    Status 1: the records can be told apart; 4: undecided, there are too few to say.
    """
    from sterling.findings.privacy import forgetting_findings
    from sterling.privacy.unlearning_attacks.audit import audit_forgetting
    from sterling.privacy.unlearning_attacks.signals import ask_onnx, read_signals

    out = evidence_folder(out, "privacy-audit")
    if (retrained_forget is None) != (retrained_holdout is None):
        raise InputError("--retrained-forget and --retrained-holdout: give both or none")
    if retrained_model is not None and (model is None or retrained_forget is not None):
        raise InputError("--retrained-model: give it with --model, and without --retrained-forget")

    def read(path: Path) -> "Signals":
        return read_signals(path) if model is None else ask_onnx(model, path)

    def find() -> "Findings":
        retrained = None
        if retrained_model is not None:
            retrained = (ask_onnx(retrained_model, forget), ask_onnx(retrained_model, holdout))
        elif retrained_forget is not None and retrained_holdout is not None:
            retrained = (read_signals(retrained_forget), read_signals(retrained_holdout))
        return forgetting_findings(
            audit_forgetting(
                read(forget),
                read(holdout),
                retain=None if retain is None else read(retain),
                retrained=retrained,
                tolerance=tolerance,
                seed=seed,
            )
        )

    evidence = leave_evidence(context, out, "privacy-audit", find, seed=seed)
    if as_json:
        show_evidence(evidence)
    else:
        show_metrics(evidence.metrics)
        typer.echo(f"{evidence.outcome}. Report: {out / 'report.html'}")
        show_undecided(evidence)
    return claims_status(evidence)
