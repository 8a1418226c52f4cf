"""`sterling agent …`: prompts that are found by search, and agents on web pages (`gui`)."""

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from sterling.cli import agent_gui
from sterling.cli.studies import JsonFlag, show_json
from sterling.errors import InputError
from sterling.shown import shown

app = typer.Typer(no_args_is_help=True, help="Agents: prompts without labels, web pages.")
app.add_typer(agent_gui.app, name="gui")

API_KEY = "STERLING_API_KEY"


@app.command()
def prompt(
    questions: Annotated[Path, typer.Argument(help="A text file, one question a line.")],
    start: Annotated[str, typer.Option(help="The instruction that is to be improved.")],
    model: Annotated[
        str,
        typer.Option(
            help="Executes: smollm2, a folder, or the address of an OpenAI-compatible endpoint "
            f"(key in ${API_KEY})."
        ),
    ] = "smollm2",
    judge: Annotated[str | None, typer.Option(help="Judges; the executor by default.")] = None,
    optimiser: Annotated[str | None, typer.Option(help="Rewrites; the judge by default.")] = None,
    endpoint_model: Annotated[
        str | None, typer.Option(help="Model of the endpoint; only with an address.")
    ] = None,
    calls: Annotated[int, typer.Option(min=1, help="Budget of calls, of all three.")] = 300,
    expansions: Annotated[int, typer.Option(min=1, help="Prompts that are refined.")] = 8,
    answer_tokens: Annotated[int, typer.Option(min=1, help="Longest answer, in tokens.")] = 48,
    seed: Annotated[int, typer.Option(min=0, help="The same seed asks the same.")] = 0,
    out: Annotated[Path, typer.Option(help="Folder of search.json and ledger.jsonl.")] = Path(
        "runs/prompt"
    ),
    as_json: JsonFlag = False,
) -> None:
    """Search for a better instruction by pairwise judgements in both orders (UPA).

    When the budget ends in the middle, the best so far and the ledger are kept.
    """
    from sterling.agent.prompts import LanguageTask, SearchSettings, upa
    from sterling.lm import Budget, CallLedger, is_address, load
    from sterling.storage import write_atomically

    pool = _lines(questions)
    ledger = CallLedger(Budget(calls=calls))
    loaded: dict[str, Any] = {}
    for source in (model, judge or model, optimiser or judge or model):
        if source not in loaded:
            remote = is_address(source)
            loaded[source] = load(
                source,
                model=endpoint_model if remote else None,
                api_key=os.environ.get(API_KEY) if remote else None,
                ledger=ledger,
            )
    roles = (loaded[model], loaded[judge or model], loaded[optimiser or judge or model])
    task = LanguageTask(pool, *roles, ledger, answer_tokens)
    settings = SearchSettings(expansions=expansions, questions=min(3, len(pool)))
    try:
        search = upa(task, start, settings, seed=seed)
    finally:
        rows = "".join(json.dumps(row) + "\n" for row in ledger.rows())
        write_atomically(out / "ledger.jsonl", rows)
    told = {
        "best": search.best,
        "sure": search.sure,
        "ended": search.ended,
        "judge_leans_to_the_first_by": search.position_bias,
        "grades_that_were_none": task.unread,
        "ranking": [asdict(one) for one in search.ranking],
        "tree": [
            {
                "prompt": node.prompt,
                "parent": node.parent,
                "mean": node.mean,
                "variance": node.variance,
            }
            for node in search.tree
        ],
        "ledger": ledger.by_purpose(),
    }
    write_atomically(out / "search.json", json.dumps(told, indent=1))
    if as_json:
        show_json(told)
        return
    for one in search.ranking:
        low, high = one.interval.low, one.interval.high
        typer.echo(f"{one.strength:+.2f} ({low:+.2f} … {high:+.2f})\t{shown(one.prompt)}")
    sure = (
        ""
        if search.sure is None
        else f"; better than the second with probability {search.sure:.2f}"
    )
    typer.echo(f"best: {shown(search.best)}{sure}")
    typer.echo(
        f"ended: {search.ended} after {len(ledger.calls)} calls, {ledger.tokens} tokens; {out}"
    )


def _lines(path: Path) -> list[str]:
    from sterling.tables import read_lines

    found = [line.strip() for line in read_lines(path) if line.strip()]
    if not found:
        raise InputError(f"{path}: holds no question; write one a line")
    return found
