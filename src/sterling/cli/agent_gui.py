"""`sterling agent gui …`: agents on web pages, played, recorded, replayed and measured."""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sterling.cli._run import OutOption, evidence_folder, leave_evidence
from sterling.cli.studies import JsonFlag, show_evidence, show_json, show_table
from sterling.errors import InputError
from sterling.shown import shown

if TYPE_CHECKING:
    from sterling.agent.browser import BrowserEnv, Episode
    from sterling.agent.browser.episode import Policy
    from sterling.study import Findings

app = typer.Typer(no_args_is_help=True, help="Agents on web pages: MiniWoB++ or your own site.")

API_KEY = "STERLING_API_KEY"
Task = Annotated[str, typer.Argument(help="MiniWoB++ task, or a task file (.yaml, .json).")]
PolicyOption = Annotated[
    str,
    typer.Option(
        help="oracle, random, a folder of a trained scorer, smollm2, or the address of an "
        f"OpenAI-compatible endpoint (key in ${API_KEY})."
    ),
]
ModelOption = Annotated[str | None, typer.Option(help="Name of the endpoint's model.")]
Faults = Annotated[
    float, typer.Option(min=0, max=1, help="Probability that a fault strikes an action.")
]
VerifierFlag = Annotated[
    bool, typer.Option("--verifier/--no-verifier", help="Judge and recover actions.")
]
Allow = Annotated[
    list[str] | None, typer.Option(help="Origin that own pages may ask; several times.")
]
Seeds = Annotated[int, typer.Option(min=1, help="Number of seeds, from --seed on.")]
Seed = Annotated[int, typer.Option(min=0, help="First seed.")]
Steps = Annotated[int | None, typer.Option(min=1, help="Actions of an episode at most.")]


@app.command()
def run(
    task: Task,
    policy: PolicyOption = "oracle",
    model: ModelOption = None,
    seed: Seed = 0,
    faults: Faults = 0.0,
    verifier: VerifierFlag = True,
    allow: Allow = None,
    max_steps: Steps = None,
    as_json: JsonFlag = False,
) -> None:
    """Play one episode and show every action; status 1 when the task is not solved."""
    with _environments([task], allow, faults, max_steps) as envs:
        (episode,) = _play(envs, [seed], _policy(policy, model, [task]), verifier=verifier)
    steps = [
        {
            "action": one.action.describe(),
            "role": one.role,
            "refused": one.refused,
            "fault": one.fault.kind if one.fault else None,
            "verdict": one.check.verdict if one.check else None,
        }
        for one in episode.steps
    ]
    if as_json:
        show_json({"task": task, "seed": seed, "success": episode.success, "steps": steps})
    else:
        for number, one in enumerate(episode.steps, 1):
            typer.echo(f"{number}\t{shown(one.caption())}")
        typer.echo(f"{'solved' if episode.success else 'not solved'}: {shown(episode.ended)}")
    if not episode.success:
        raise typer.Exit(1)


@app.command()
def record(
    task: Annotated[list[str], typer.Argument(help="MiniWoB++ tasks or task files.")],
    policy: PolicyOption = "oracle",
    model: ModelOption = None,
    seeds: Seeds = 3,
    seed: Seed = 0,
    faults: Faults = 0.0,
    verifier: VerifierFlag = False,
    allow: Allow = None,
    max_steps: Steps = None,
    mind2web: Annotated[
        Path | None, typer.Option(help="Also write successful episodes in Mind2Web's form.")
    ] = None,
    out: Annotated[Path, typer.Option(help="New folder for steps.parquet and pictures.")] = Path(
        "runs/gui-record"
    ),
) -> None:
    """Play episodes and keep every page, picture and action."""
    from sterling.agent.browser import Trajectories, write_mind2web

    if out.exists() and any(out.iterdir()):
        raise InputError(f"{out} is not empty; choose a new folder for the recording")
    numbers = range(seed, seed + seeds)
    with _environments(task, allow, faults, max_steps, screenshot=True) as envs:
        episodes = _play(envs, numbers, _policy(policy, model, task), verifier=verifier)
    recorded = Trajectories.of(episodes)
    recorded.write(out)
    solved = sum(one.success for one in episodes)
    typer.echo(f"{len(episodes)} episodes, {solved} solved, {recorded.frame.height} steps: {out}")
    if mind2web is not None:
        left_out = write_mind2web(recorded, mind2web)
        typer.echo(f"{mind2web}: {left_out} steps have no counterpart and were left out")


@app.command()
def replay(
    folder: Annotated[Path, typer.Argument(help="Folder that record wrote.")],
    faults: Faults = 0.0,
    allow: Allow = None,
    as_json: JsonFlag = False,
) -> None:
    """Do recorded actions again and compare every page; status 1 when one differs."""
    from dataclasses import asdict

    from sterling.agent.browser import Trajectories
    from sterling.agent.browser import replay as again

    recorded = Trajectories.read(folder)
    tasks = recorded.frame["task"].unique(maintain_order=True).to_list()
    most = int(recorded.frame["step"].max() or 0) + 1  # type: ignore[arg-type]
    with _environments(tasks, allow, faults, max(20, most)) as envs:
        found = again(recorded, envs)
    differ = [one for one in found if one.difference is not None]
    if as_json:
        show_json({"episodes": [asdict(one) for one in found]})
    else:
        for one in differ:
            typer.echo(f"episode {one.episode} differs from step {one.difference} on")
        typer.echo(f"{len(found) - len(differ)} of {len(found)} episodes repeat exactly")
    if differ:
        raise typer.Exit(1)


@app.command()
def evaluate(
    context: typer.Context,
    task: Annotated[list[str], typer.Argument(help="MiniWoB++ tasks or task files.")],
    policy: PolicyOption = "oracle",
    model: ModelOption = None,
    seeds: Seeds = 10,
    seed: Seed = 0,
    faults: Faults = 0.0,
    verifier: VerifierFlag = True,
    allow: Allow = None,
    max_steps: Steps = None,
    out: OutOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Measure success, steps, refusals, alarms and repairs; the report shows steps as pictures."""
    from sterling.agent.browser import Trajectories
    from sterling.cli._gui_report import gui_findings, picture_steps

    out = evidence_folder(out, "gui-evaluate")
    with _environments(task, allow, faults, max_steps, screenshot=True) as envs:
        chosen = _policy(policy, model, task)

        def find() -> "Findings":
            episodes = _play(envs, range(seed, seed + seeds), chosen, verifier=verifier)
            Trajectories.of(episodes).write(out)
            return gui_findings(episodes, policy, [picture_steps(episodes, out)])

        evidence = leave_evidence(context, out, "gui-evaluate", find, seed=seed)
    if as_json:
        show_evidence(evidence)
        return
    for table in evidence.tables:
        show_table(table)
    typer.echo(f"Report: {out / 'report.html'}; steps: {out / 'steps.parquet'}")


@contextmanager
def _environments(
    tasks: Sequence[str],
    allow: Sequence[str] | None,
    faults: float,
    max_steps: int | None,
    *,
    screenshot: bool = False,
) -> "Iterator[dict[str, BrowserEnv]]":
    """Open one page for each task in a browser of its own."""
    from sterling.agent.browser.chromium import require_gui

    require_gui()
    from sterling.agent.browser import Browser, FaultPlan, MiniWobEnv, PageEnv
    from sterling.agent.browser.miniwob import MiniWobTask
    from sterling.agent.browser.own_pages import PageTask

    options: dict[str, Any] = {"faults": FaultPlan(faults) if faults else None}
    options |= {"screenshot": screenshot}
    options |= {"max_steps": max_steps} if max_steps is not None else {}
    origins = tuple(allow or ())
    for task in tasks:  # what is wrong with a task is told before a browser starts
        PageTask(Path(task), allow=origins) if _is_file(task) else MiniWobTask(task)
    with Browser() as browser:
        yield {
            task: PageEnv(Path(task), allow=origins, browser=browser, **options)
            if _is_file(task)
            else MiniWobEnv(task, browser=browser, **options)
            for task in dict.fromkeys(tasks)
        }


def _is_file(task: str) -> bool:
    return task.lower().endswith((".yaml", ".yml", ".json"))


def _play(
    envs: "dict[str, BrowserEnv]",
    seeds: Sequence[int],
    policy: "Callable[[], Policy]",
    *,
    verifier: bool,
) -> "list[Episode]":
    from sterling.agent.browser import Guard, Verifier, run_episodes
    from sterling.runs import track

    guard: Guard | None = Guard(Verifier()) if verifier else None
    jobs = [(name, seed) for name in envs for seed in seeds]
    with track("episodes", len(jobs)) as advance:
        return run_episodes(envs, jobs, policy, guard=guard, progress=advance)


def _policy(name: str, model: str | None, tasks: Sequence[str]) -> "Callable[[], Policy]":
    from sterling.agent.browser import ElementScorer, OraclePolicy, RandomPolicy, ScorerPolicy
    from sterling.agent.browser.oracle import SOLUTIONS
    from sterling.errors import unknown_name

    if name == "random":
        return RandomPolicy
    if name == "oracle":
        for task in tasks:
            if task not in SOLUTIONS:
                raise unknown_name("task with a script for --policy oracle", task, SOLUTIONS)
        return OraclePolicy
    folder = Path(name)
    if folder.is_dir() and not (folder / "config.json").exists():
        scorer = ElementScorer.from_pretrained(folder)
        return lambda: ScorerPolicy(scorer)
    return _language_model(name, model)


def _language_model(name: str, model: str | None) -> "Callable[[], Policy]":
    from sterling.agent.browser import ChatPolicy
    from sterling.lm import is_address, load

    key = os.environ.get(API_KEY) if is_address(name) else None
    loaded = load(name, model=model if is_address(name) else None, api_key=key)
    return lambda: ChatPolicy(loaded)
