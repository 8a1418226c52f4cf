"""`sterling privacy …`: audits of the user's own models."""

import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Literal

import typer

from sterling.cli.studies import JsonFlag, show_json
from sterling.errors import NothingMeasuredError

__all__ = ["app"]

app = typer.Typer(no_args_is_help=True, help="Privacy of training data: membership inference.")


@app.callback()
def _group() -> None:
    """Keep `mia` a command of its own while it is the only one."""


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
        Literal["bh", "by", "storey", "ebh"], typer.Option(help="The procedure; bh is the paper's.")
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
    from sterling.privacy.membership import MembershipFDR, audit
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
    outcome = None if asked.member is None else audit(mask, asked.member)
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
                "method": method,
                "guarantee": asdict(promise),
                "warnings": warned,
                "audit": None if outcome is None else asdict(outcome),
            }
        )
        return int(wrapper.shift_refuted)
    for line in declared:
        typer.echo(f"{line['record']}\tadjusted p {line['adjusted_p']:.4g}")
    typer.echo(f"{len(declared)} of {len(asked)} records declared members")
    for name, text in promise.rows():
        typer.echo(f"{name}: {text}")
    if outcome is not None:
        typer.echo(f"truth: false discovery proportion {outcome.fdp:.4f}")
    for message in warned:
        typer.echo(f"warning: {message}", err=True)
    return int(wrapper.shift_refuted)
