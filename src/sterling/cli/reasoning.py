"""`sterling reasoning …`: sets of reasoning and answer with a guarantee, on the user's samples."""

from pathlib import Path
from typing import Annotated, Literal

import typer

from sterling.cli.studies import JsonFlag, show_json
from sterling.shown import shown

app = typer.Typer(no_args_is_help=True, help="Reasoning: sets of solutions with a guarantee.")

SAMPLES = "JSONL, a question a line: question, traces, answers; logprobs or scores"


@app.command()
def calibrate(
    samples: Annotated[Path, typer.Argument(help=f"{SAMPLES}; gold.")],
    out: Annotated[Path, typer.Option(help="Receives the calibrated limits as JSON.")],
    eps: Annotated[
        float, typer.Option(help="Largest share of questions without a right solution in the set.")
    ] = 0.1,
    delta: Annotated[
        float, typer.Option(help="Probability that this share is exceeded all the same.")
    ] = 0.05,
    solutions: Annotated[
        int | None, typer.Option(min=1, help="Solutions drawn at most; all that there are.")
    ] = None,
    confidence: Annotated[
        Literal["agreement", "max", "sum"],
        typer.Option(help="When to stop: equal answers, best quality, or sum of qualities."),
    ] = "agreement",
    validity: Annotated[
        Literal["arithmetic", "none"],
        typer.Option(help="Valid reasoning: every written equation holds; or any trace."),
    ] = "arithmetic",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the split.")] = 0,
    as_json: JsonFlag = False,
) -> int:
    """Choose when to skip a solution and when to stop, with a bounded risk.

    Status 1: nothing could be certified.
    """
    from sterling.reasoning import ReasoningSets, read_questions
    from sterling.reasoning.sets import CHECKERS

    questions = read_questions(samples)
    sets = ReasoningSets(
        eps,
        delta,
        solutions=solutions,
        confidence=confidence,
        checker=CHECKERS[validity],
        seed=seed,
    ).calibrate(questions)
    sets.save(out)
    said = sets.to_dict()
    if as_json:
        show_json(said)
    else:
        for name, value in sets.rows():
            typer.echo(f"{name}: {value}")
        typer.echo(f"limits: {out}")
    return 0 if sets.setting is not None else 1


@app.command()
def predict(
    samples: Annotated[Path, typer.Argument(help=f"{SAMPLES}.")],
    limits: Annotated[Path, typer.Option(help="File from `sterling reasoning calibrate`.")],
    as_json: JsonFlag = False,
) -> int:
    """Return the set of each question. Status 1: nothing was certified, so all abstain."""
    from sterling.reasoning import ReasoningSets, read_questions

    sets = ReasoningSets.load(limits)
    questions = read_questions(samples, gold=False)
    made = sets.predict(questions)
    abstained = sum(one.abstained for one in made)
    if as_json:
        show_json(
            {
                "guarantee": sets.to_dict()["guarantee"],
                "sets": [
                    {
                        "question": question.text,
                        "answers": list(one.answers),
                        "traces": list(one.traces),
                        "drawn": one.drawn,
                        "abstained": one.abstained,
                    }
                    for question, one in zip(questions, made, strict=True)
                ],
            }
        )
    else:
        for question, one in zip(questions, made, strict=True):
            answers = ", ".join(dict.fromkeys(one.answers)) or "abstains"
            typer.echo(f"{shown(question.text)}\t{shown(answers)}\tdrawn {one.drawn}")
        if sets.guarantee is not None:
            typer.echo(sets.guarantee.statement)
    return 1 if abstained else 0
