"""`sterling face challenge …`: files of scores judged by one rule, and a leaderboard to verify."""

import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from sterling.cli._crops import crops_of
from sterling.cli.studies import JsonFlag, show_json
from sterling.shown import shown

app = typer.Typer(
    no_args_is_help=True,
    help="A challenge: score, start a leaderboard, evaluate, submit, verify.",
)

BoardArgument = Annotated[Path, typer.Argument(help="The leaderboard, a .json file.")]
ScoresArgument = Annotated[
    Path, typer.Argument(help="One line 'item score' per picture; 1 is bona fide, 0 an attack.")
]
ListsOption = Annotated[
    Path, typer.Option(help="Manifest (.csv, .parquet) with the splits dev and test.")
]
ThresholdOption = Annotated[
    Literal["dev", "held_back", "bounded"],
    typer.Option(
        help="Equal error on dev, as in the challenge (can be steered by whoever submits); equal "
        "error on held-out captures of test; or a bound on the BPCER of those."
    ),
]
ShareOption = Annotated[
    float, typer.Option(min=0, max=0.9, help="Share of the test subjects that are held out.")
]
HeldSeedOption = Annotated[int, typer.Option("--seed", min=0, help="Chooses those subjects.")]
BpcerOption = Annotated[float, typer.Option(help="The bound, with confidence 95 %.")]


@app.command()
def start(
    leaderboard: BoardArgument,
    lists: ListsOption,
    title: Annotated[str, typer.Option(help="Name of the challenge.")] = "Presentation attacks",
    scope: Annotated[
        str,
        typer.Option(
            help="Presentations that the figures hold for; say whether captures are simulated."
        ),
    ] = "the captures of the lists, and no others",
    threshold: ThresholdOption = "held_back",
    share: ShareOption = 0.25,
    seed: HeldSeedOption = 0,
    bpcer: BpcerOption = 0.1,
) -> None:
    """Make an empty leaderboard; the lists lie in its folder or below."""
    from sterling.face.challenge.challenge import Rule
    from sterling.face.challenge.leaderboard import start_board

    rule = Rule(threshold=threshold, share=share, seed=seed, bpcer=bpcer)
    start_board(leaderboard, lists, rule, title=title, scope=scope)
    typer.echo(f"next: sterling face challenge submit {leaderboard} SCORES --name NAME")


@app.command()
def score(
    detector: Annotated[Path, typer.Argument(help="Folder of a trained detector.")],
    lists: ListsOption,
    out: Annotated[Path, typer.Option(help="The file of scores.")],
) -> None:
    """Score dev and test with a detector; where no face is found, the score is 0 (attack)."""
    import numpy as np

    from sterling.errors import InputError
    from sterling.face.challenge.challenge import require_lists, write_submission
    from sterling.face.data import Manifest
    from sterling.face.evaluation.evaluate import count_reasons
    from sterling.face.pad import Detector

    trained = Detector.from_pretrained(detector)
    wanted = require_lists(Manifest.read(lists))
    loaded = crops_of(wanted, trained.model, trained.preprocessing)
    scores = trained.score(loaded.faces.images, present=loaded.faces.present)
    low, high = scores.min(), scores.max()
    if low < 0 or high > 1:
        raise InputError(
            f"{detector}: scores from {low:.3g} to {high:.3g}, and a submission's lie from 0 to 1; "
            "take a network that answers with a probability"
        )
    values = np.zeros(len(wanted))
    values[np.isin(wanted.column("item"), loaded.faces.manifest.column("item"))] = scores
    write_submission(out, wanted, values)
    typer.echo(
        f"{out}: {len(wanted)} scores; 0 for want of a face: {count_reasons(loaded.non_responses)}"
    )


@app.command()
def evaluate(
    scores: ScoresArgument,
    lists: ListsOption,
    threshold: ThresholdOption = "dev",
    share: ShareOption = 0.0,
    seed: HeldSeedOption = 0,
    bpcer: BpcerOption = 0.1,
    as_json: JsonFlag = False,
) -> None:
    """APCER of every species, BPCER and ACER of a file of scores."""
    from sterling.face.challenge.challenge import Rule, judge, read_submission, require_lists
    from sterling.face.data import Manifest

    wanted = require_lists(Manifest.read(lists))
    rule = Rule(threshold=threshold, share=share, seed=seed, bpcer=bpcer)
    found = judge(read_submission(scores, wanted), wanted, rule)
    if as_json:
        show_json(
            {
                "rule": rule.model_dump(),
                "threshold": found.threshold.value,
                "metrics": [metric.model_dump() for metric in found.metrics()],
            }
        )
        return
    _show(found.metrics())
    typer.echo(
        f"threshold: {found.threshold.value:.4f}, {found.threshold.rule}, {found.threshold.source}"
    )
    if threshold == "dev":
        typer.echo(
            "note: dev scores are part of a submission, so that this threshold can be put "
            "anywhere; --threshold held_back cannot"
        )


@app.command()
def submit(
    leaderboard: BoardArgument,
    scores: ScoresArgument,
    name: Annotated[str, typer.Option(help="Name of the entry.")],
    command: Annotated[
        str, typer.Option("--command", help="Command that gives the scores again.")
    ] = "",
    seed: Annotated[int | None, typer.Option(min=0, help="Seed of the initial weights.")] = None,
) -> None:
    """Judge a file of scores, in the leaderboard's folder or below, and add it as an entry."""
    from sterling.face.challenge.leaderboard import submit as add

    entry = add(leaderboard, scores, name=name, command=command, seed=seed)
    _show(entry.metrics)
    typer.echo(f"next: sterling face challenge verify {leaderboard}")


@app.command()
def verify(
    leaderboard: BoardArgument,
    rerun: Annotated[
        bool, typer.Option("--rerun", help="Also train every entry with a recipe again.")
    ] = False,
    as_json: JsonFlag = False,
) -> int:
    """Compute every figure again. Exit status: 0 all agree, 1 something differs."""
    from sterling.face.challenge.leaderboard import verify as check

    with tempfile.TemporaryDirectory() as folder:

        def again(recipe: Mapping[str, Any]) -> Any:
            from sterling.studies.face.hifimask_challenge import rerun as train_again

            return train_again(recipe, Path(tempfile.mkdtemp(dir=folder)))

        checks = check(leaderboard, rerun=again if rerun else None)
    wrong = [one for one in checks if one.problem]
    if as_json:
        show_json({"checks": [one._asdict() for one in checks], "holds": not wrong})
    else:
        for one in wrong:
            typer.echo(shown(f"{one.entry or 'leaderboard'}: {one.what}: {one.problem}"))
        trained = "trained again" if rerun else "not trained again (--rerun)"
        outcome = "all agree" if not wrong else f"{len(wrong)} DIFFER"
        typer.echo(f"{len(checks)} checks, {outcome}; {trained}")
    return 1 if wrong else 0


def _show(metrics: Any) -> None:
    for metric in metrics:
        interval = f"({metric.low:.4f} … {metric.high:.4f})"
        typer.echo(f"{shown(metric.name)}: {metric.value:.4f} {interval}")
