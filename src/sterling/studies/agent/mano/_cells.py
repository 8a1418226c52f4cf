"""Cells of the study: one repetition trains the three stages and tests each on held-out seeds."""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated

import numpy as np
from pydantic import Field

from sterling.agent.browser.changes import find_changes
from sterling.agent.browser.chromium import Browser
from sterling.agent.browser.episode import Guard, Policy, run_episodes
from sterling.agent.browser.faults import FaultPlan
from sterling.agent.browser.miniwob import MiniWobEnv
from sterling.agent.browser.oracle import OraclePolicy, RandomPolicy
from sterling.agent.browser.scorer import ElementScorer, ScorerPolicy
from sterling.agent.browser.stages import demonstrate, fine_tune, offline_grpo, online_grpo
from sterling.agent.browser.verifier import (
    LearnedTier,
    Verifier,
    effect_features,
    true_verdict,
)
from sterling.measure import Rate
from sterling.runs import Cell, Row
from sterling.studies.agent.mano._tests import (
    OFF,
    ON,
    landed_rows,
    play,
    struck_rows,
    success_rows,
    verifier_rows,
)
from sterling.study import Config, row

TRAINED = (
    "click-checkboxes",
    "enter-text",
    "click-option",
    "choose-list",
    "click-tab",
    "login-user",
    "use-autocomplete",
    "enter-password",
    "click-button",
    "click-dialog",
    "click-test-2",
    "focus-text",
)
LEFT_OUT = ("click-link", "click-dialog-2", "focus-text-2", "click-test")
DEMONSTRATIONS, OFFLINE, ONLINE = "demonstrations", "offline GRPO", "online GRPO"
ORACLE, RANDOM = "oracle", "random"
SYSTEMS = (RANDOM, DEMONSTRATIONS, OFFLINE, ONLINE, ORACLE)
HELD_OUT = 10**7
"""Seeds of test pages begin here; training uses smaller ones."""
ONLINE_SEEDS, FAULT_SEEDS = 10**6, 5 * 10**6


class ManoConfig(Config):
    """Settings of the study.

    Attributes:
        seeds: Repetitions.
        tasks: Trained tasks, the first ones of the list.
        left_out: Tasks that are only tested.
        demonstrations: Demonstrations of each trained task.
        tuning: Optimiser steps on demonstrations.
        offline: Optimiser steps of single-step GRPO on the same pages.
        rounds, iterations, batch, group: Online GRPO: rounds, batches of a round, tasks of a batch
            and episodes of each task.
        tests: Held-out seeds of each task.
        fault_rate: Probability that a fault strikes an action.
        learned: Seeds of each trained task whose faults fit the verifier's learned tier.
        repeats: Repeats of one seed of each trained task, for flakiness.
    """

    seeds: Annotated[int, Field(ge=2)] = 5
    tasks: Annotated[int, Field(ge=1, le=len(TRAINED))] = len(TRAINED)
    left_out: Annotated[int, Field(ge=1, le=len(LEFT_OUT))] = len(LEFT_OUT)
    demonstrations: Annotated[int, Field(ge=1)] = 3
    tuning: Annotated[int, Field(ge=1)] = 100
    offline: Annotated[int, Field(ge=0)] = 60
    rounds: Annotated[int, Field(ge=1)] = 2
    iterations: Annotated[int, Field(ge=1)] = 8
    batch: Annotated[int, Field(ge=1)] = 6
    group: Annotated[int, Field(ge=2)] = 8
    tests: Annotated[int, Field(ge=1)] = 8
    fault_rate: Annotated[float, Field(gt=0, le=1)] = 0.25
    learned: Annotated[int, Field(ge=1)] = 4
    repeats: Annotated[int, Field(ge=2)] = 50


def train_and_test(config: ManoConfig, cell: Cell) -> list[Row]:
    """Train the stages one after the other, and test after each."""
    trained, left_out = TRAINED[: config.tasks], LEFT_OUT[: config.left_out]
    rng = np.random.default_rng(cell.seed)
    start = 1000 * (cell.seed % 1000)
    seeds = range(HELD_OUT + start, HELD_OUT + start + config.tests)
    rows: list[Row] = []
    with Browser() as browser:
        envs = {name: MiniWobEnv(name, browser=browser) for name in (*trained, *left_out)}
        pages = {name: envs[name] for name in trained}
        model = ElementScorer(seed=cell.seed)

        def policy() -> Policy:
            return ScorerPolicy(model)

        def test(system: str, chosen: Callable[[], Policy] | None = None) -> None:
            episodes = play(envs, seeds, chosen or policy)
            rows.extend(success_rows(episodes, trained, system=system))

        test(ORACLE, OraclePolicy)
        test(RANDOM, RandomPolicy)
        shown = demonstrate(pages, range(start, start + config.demonstrations), seed=cell.seed)
        fine_tune(model, shown, steps=config.tuning, rng=rng)
        test(DEMONSTRATIONS)
        offline_grpo(model, shown, steps=config.offline, rng=rng)
        test(OFFLINE)
        played = online_grpo(
            model,
            pages,
            shown,
            rounds=config.rounds,
            iterations=config.iterations,
            tasks=min(config.batch, len(pages)),
            group=config.group,
            rng=rng,
            first_seed=ONLINE_SEEDS + start,
        )
        test(ONLINE)
        rows.append(row("episodes played online", float(len(played))))
        plan = FaultPlan(config.fault_rate)
        first = FAULT_SEEDS + start
        tier = fit_tier(pages, range(first, first + config.learned), plan, policy)
        guard = Guard(Verifier(tier))
        calm = play(envs, seeds, policy, guard=guard)
        struck = play(envs, seeds, policy, plan=plan)
        guarded = play(envs, seeds, policy, plan=plan, guard=guard)
    for episodes, faults, verifier in ((calm, OFF, ON), (struck, ON, OFF), (guarded, ON, ON)):
        rows += success_rows(episodes, trained, system=ONLINE, faults=faults, verifier=verifier)
    rows += struck_rows(struck, OFF) + struck_rows(guarded, ON) + landed_rows(struck)
    return rows + verifier_rows(guarded, calm)


def fit_tier(
    envs: Mapping[str, MiniWobEnv],
    seeds: Sequence[int],
    plan: FaultPlan,
    policy: Callable[[], Policy],
) -> LearnedTier | None:
    """Fit the verifier's learned tier on training pages with faults; None without two verdicts."""
    steps = [
        step
        for episode in play(envs, seeds, policy, plan=plan)
        for step in episode.steps
        if not step.late and not step.refused
    ]
    verdicts = [true_verdict(one.fault, one.action, one.before, one.after) for one in steps]
    if len(set(verdicts)) < 2:
        return None
    changes = [find_changes(one.action, one.before, one.after) for one in steps]
    features = [effect_features(one.action, each) for one, each in zip(steps, changes, strict=True)]
    return LearnedTier.fit(features, verdicts)


def repeat_one_seed(config: ManoConfig, cell: Cell) -> list[Row]:
    """Play one seed of each task again and again, and count the repeats that differ."""
    trained = TRAINED[: config.tasks]
    rows = []
    with Browser() as browser:
        envs = {name: MiniWobEnv(name, browser=browser) for name in trained}
        jobs = [(name, cell.seed) for name in trained for _ in range(config.repeats)]
        episodes = run_episodes(envs, jobs, OraclePolicy)
    for name in trained:
        own = [one for one in episodes if one.task == name]
        first = [step.after.digest for step in own[0].steps]
        differ = sum([step.after.digest for step in one.steps] != first for one in own[1:])
        rows.append(row("repeats that differ", Rate(differ, len(own) - 1), task=name))
    return rows
