"""`sterling policy …`: reinforcement learning with group-relative advantages."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from sterling.cli._options import given_command
from sterling.cli._run import OutOption, evidence_folder
from sterling.cli.studies import JsonFlag, show_json
from sterling.shown import shown

app = typer.Typer(
    no_args_is_help=True,
    help="Rewards and advantages: does this signal teach a model anything?",
)


@app.callback()
def group() -> None:
    """Keep `diagnose` a subcommand although it is the only one."""


@app.command()
def diagnose(
    context: typer.Context,
    log: Annotated[
        Path,
        typer.Argument(help="Rewards, one row per completion: .jsonl, .csv, .parquet or a folder."),
    ],
    group: Annotated[
        str | None, typer.Option(help="Column of the prompt or its id. Default: by its name.")
    ] = None,
    reward: Annotated[
        list[str] | None,
        typer.Option(help="Column of a reward, several times. Default: every other number."),
    ] = None,
    step: Annotated[
        str | None, typer.Option(help="Column of the training step. Default: by its name.")
    ] = None,
    advantage: Annotated[
        str | None, typer.Option(help="Column of the trainer's advantage. Default: by its name.")
    ] = None,
    group_size: Annotated[
        int | None,
        typer.Option(help="Completions per prompt, where one prompt occurs twice in a step."),
    ] = None,
    eps: Annotated[
        float,
        typer.Option(help="Added to the standard deviation: TRL 1e-4, verl 1e-6, OpenRLHF 1e-9."),
    ] = 1e-4,
    out: OutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Say why the loss is zero, or why training stalls, from a log of rewards.

    Reads what TRL writes with log_completions=True as it is.
    """
    from sterling.cli._policy_report import diagnosis_findings
    from sterling.policy.diagnosis import diagnose as find_causes
    from sterling.policy.reward_log import read_reward_log
    from sterling.runs import open_run
    from sterling.storage import fingerprint_of
    from sterling.study import finish_run
    from sterling.study.report import render_report

    out = evidence_folder(out, "policy-diagnose")
    rewards = read_reward_log(
        log,
        group=group,
        rewards=tuple(reward or ()),
        step=step,
        advantage=advantage,
        group_size=group_size,
    )
    found = find_causes(rewards, eps=eps)
    used = asdict(rewards.columns)
    config = {"log": str(log), "columns": used, "group_size": group_size, "eps": eps}
    identity = {"study": "policy-diagnose", "config": config, "data": fingerprint_of(log)}
    with open_run(out, identity=identity, seed=0) as run:
        finish_run(
            run,
            diagnosis_findings(found, rewards),
            study="policy-diagnose",
            command=given_command(context),
            config=config,
        )
    render_report([out], out / "report.html")
    causes = {name: (one, one.sentence) for name, one in found.findings.items()}
    if as_json:
        show_json(
            {
                "columns": used,
                "completions": len(rewards),
                "causes": {
                    name: {
                        "found": one.found,
                        "sentence": sentence,
                        "advice": one.advice if one.found else None,
                        **asdict(one),  # type: ignore[call-overload]  # each is a dataclass
                    }
                    for name, (one, sentence) in causes.items()
                },
            }
        )
        return
    sizes = rewards.group_sizes
    typer.echo(shown(f"columns: {', '.join(_named(used))}"))
    typer.echo(
        f"{len(rewards)} completions in {len(sizes)} groups of {sizes.min()} to {sizes.max()}; "
        "--group-size cuts a prompt that occurs twice in a step"
    )
    for applies in (True, False):
        for name, (one, sentence) in causes.items():
            if one.found is applies:
                mark = "FOUND" if applies else "fine"
                typer.echo(shown(f"{mark}: {name.replace('_', ' ')}: {sentence}"))
                if applies:
                    typer.echo(f"  do: {one.advice}")
    typer.echo(f"Report: {out / 'report.html'}")


def _named(used: dict[str, Any]) -> list[str]:
    """Columns by their role, as: group prompt, rewards format + snra."""
    return [
        f"{what} {' + '.join(name) if isinstance(name, tuple) else name or '-'}"
        for what, name in used.items()
    ]
