"""`sterling privacy …`: audits of the user's own models."""

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from sterling.cli._verdicts import claims_status, nothing_declared, show_undecided
from sterling.cli.studies import JsonFlag, show_evidence, show_json, show_metrics
from sterling.errors import InputError, NothingMeasuredError
from sterling.shown import shown

app = typer.Typer(
    no_args_is_help=True, help="Privacy of training data: membership inference, unlearning."
)


@app.command()
def mia(
    scores: Annotated[
        Path,
        typer.Option(help="Records in question: .csv or .parquet with a column score, and record."),
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
    smooth: Annotated[bool, typer.Option(help="Break ties between scores at random.")] = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the tie-breaks.")] = 0,
    as_json: JsonFlag = False,
) -> int:
    """Declare members of a training set with a bounded false discovery rate.

    Scores are higher for members, from any attack. With a column group in both files, calibration
    is within groups; with a column member in the scores, the list is held against that truth.
    Status 1: the shift diagnostic refutes the guarantee.
    """
    from sterling.privacy.membership import MembershipFDR
    from sterling.privacy.membership import audit as audit_list
    from sterling.privacy.membership.score_file import read_record_ids, read_score_file

    asked, known = (
        read_score_file(path, lower_is_member=lower_is_member) for path in (scores, calibration)
    )
    if not len(asked):
        raise NothingMeasuredError(f"{scores} holds no record")
    by_name = asked.named and known.named
    wrapper = MembershipFDR(method, smooth=smooth, random_state=seed).calibrate(
        known.scores,
        groups=known.groups,
        ids=known.ids if known.named else None,
        scored_by=scored_by,
        members=None if members is None else read_record_ids(members),
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        mask = wrapper.select(
            asked.scores, alpha, groups=asked.groups, ids=asked.ids if by_name else None
        )
        if holdout is not None:
            further = read_score_file(holdout, lower_is_member=lower_is_member)
            named = further.named and known.named
            wrapper.diagnose(further.scores, ids=further.ids if named else None)
    p = wrapper.p_values(asked.scores, groups=asked.groups)
    adjusted = wrapper.adjusted_p_values(asked.scores, groups=asked.groups)
    promise = wrapper.guarantee(alpha)
    outcome = None if asked.member is None else audit_list(mask, asked.member)
    declared = [
        {
            "record": str(asked.ids[row]),
            "score": float(asked.scores[row]),
            "p": float(p[row]),
            "adjusted_p": float(adjusted[row]),
        }
        for row in adjusted.argsort(kind="stable")
        if mask[row]
    ]
    warned = [str(one.message) for one in caught]
    if as_json:
        show_json(
            {
                "declared": declared,
                "tested": len(asked),
                "calibration_for_one": wrapper.resolution(len(asked), alpha)[1],
                "method": method,
                "guarantee": asdict(promise),
                "warnings": warned,
                "audit": None if outcome is None else asdict(outcome),
            }
        )
        return int(wrapper.shift_refuted)
    for line in declared:
        typer.echo(f"{shown(str(line['record']))}\tadjusted p {line['adjusted_p']:.4g}")
    typer.echo(f"{len(declared)} of {len(asked)} records declared members")
    if not declared:
        resolution = wrapper.resolution(len(asked), alpha)
        typer.echo(nothing_declared("records", promise.n, *resolution))
    for name, text in promise.rows():
        typer.echo(f"{name}: {text}")
    if outcome is not None:
        typer.echo(f"truth: false discovery proportion {outcome.fdp:.4f}")
    for message in warned:
        typer.echo(f"warning: {message}", err=True)
    return int(wrapper.shift_refuted)


@app.command()
def audit(
    forget: Annotated[
        Path,
        typer.Option(
            help="Records to be forgotten: .csv, .parquet or .npz with loss, or label, p0, p1, ..."
        ),
    ],
    holdout: Annotated[Path, typer.Option(help="The same of records that no model was given.")],
    retain: Annotated[
        Path | None, typer.Option(help="The same of records to be kept, for utility.")
    ] = None,
    retrained_forget: Annotated[
        Path | None, typer.Option(help="What a model retrained without them says to --forget.")
    ] = None,
    retrained_holdout: Annotated[Path | None, typer.Option(help="And to --holdout.")] = None,
    onnx: Annotated[
        Path | None, typer.Option(help="Ask this model: the files are .npz with x and label.")
    ] = None,
    retrained_onnx: Annotated[
        Path | None, typer.Option(help="Ask this retrained model about the same files.")
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Distance of areas that still passes.")] = 0.05,
    seed: Annotated[int, typer.Option(min=0, help="Of the bootstrap.")] = 0,
    out: Annotated[Path, typer.Option(help="Run folder for evidence and report.")] = Path(
        "runs/privacy-audit"
    ),
    as_json: JsonFlag = False,
) -> int:
    """Did an unlearned model forget? From its losses, best beside a truly retrained model.

    Status 1: the records can be told apart; 4: undecided, there are too few to say.
    """
    from sterling.cli._privacy_report import forgetting_findings
    from sterling.privacy.unlearning_attacks.audit import audit_forgetting
    from sterling.privacy.unlearning_attacks.signals import ask_onnx, read_signals
    from sterling.runs import open_run
    from sterling.study import finish_run
    from sterling.study.report import render_report

    if (retrained_forget is None) != (retrained_holdout is None):
        raise InputError("--retrained-forget and --retrained-holdout: give both or none")
    if retrained_onnx is not None and (onnx is None or retrained_forget is not None):
        raise InputError("--retrained-onnx: give it with --onnx, and without --retrained-forget")
    signals = [
        None if path is None else read_signals(path) if onnx is None else ask_onnx(onnx, path)
        for path in (forget, holdout, retain)
    ]
    retrained = None
    if retrained_onnx is not None:
        retrained = (ask_onnx(retrained_onnx, forget), ask_onnx(retrained_onnx, holdout))
    elif retrained_forget is not None and retrained_holdout is not None:
        retrained = (read_signals(retrained_forget), read_signals(retrained_holdout))
    asked, unseen, kept = signals
    if asked is None or unseen is None:
        raise NothingMeasuredError("no records to audit")
    findings = forgetting_findings(
        audit_forgetting(
            asked, unseen, retain=kept, retrained=retrained, tolerance=tolerance, seed=seed
        )
    )
    given = {
        "forget": forget,
        "holdout": holdout,
        "retain": retain,
        "retrained-forget": retrained_forget,
        "retrained-holdout": retrained_holdout,
        "onnx": onnx,
        "retrained-onnx": retrained_onnx,
    }
    config = {name: str(path) for name, path in given.items() if path is not None}
    command = " ".join(f"--{name} {path}" for name, path in config.items())
    identity = {
        "study": "privacy-audit",
        "seed": seed,
        "config": {**config, "tolerance": tolerance},
    }
    with open_run(out, identity=identity, seed=seed) as run:
        evidence = finish_run(
            run,
            findings,
            study="privacy-audit",
            command=f"sterling privacy audit {command} --tolerance {tolerance} --seed {seed}",
            config={**config, "tolerance": tolerance},
        )
    render_report([out], out / "report.html")
    if as_json:
        show_evidence(evidence)
    else:
        show_metrics(evidence.metrics)
        typer.echo(f"{evidence.outcome}. Report: {out / 'report.html'}")
        show_undecided(evidence)
    return claims_status(evidence)
