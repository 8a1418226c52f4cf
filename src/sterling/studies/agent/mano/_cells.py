"""Cells of the study: one repetition trains the three stages and tests each on held-out seeds."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

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
from sterling.studies.agent.mano._config import (
    DEMONSTRATIONS,
    FAULT_SEEDS,
    HANGING,
    HELD_OUT,
    LEFT_OUT,
    OFF,
    OFFLINE,
    ON,
    ONLINE,
    ONLINE_SEEDS,
    ORACLE,
    RANDOM,
    TRAINED,
    ManoConfig,
)
from sterling.studies.agent.mano._tests import (
    landed_rows,
    play,
    struck_rows,
    success_rows,
    verifier_rows,
)
from sterling.study import row


def train_and_test(config: ManoConfig, cell: Cell) -> list[Row]:
    """Train the stages one after the other, and test after each."""
    trained, left_out = TRAINED[: config.tasks], LEFT_OUT[: config.left_out]
    rng = np.random.default_rng(cell.seed)
    start = 1000 * (cell.seed % 1000)
    seeds = range(HELD_OUT + start, HELD_OUT + start + config.tests)
    rows: list[Row] = []
    with Browser() as browser:
        envs = {
            name: MiniWobEnv(name, browser=browser, limit=HANGING) for name in (*trained, *left_out)
        }
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
        envs = {name: MiniWobEnv(name, browser=browser, limit=HANGING) for name in trained}
        jobs = [(name, cell.seed) for name in trained for _ in range(config.repeats)]
        episodes = run_episodes(envs, jobs, OraclePolicy)
    for name in trained:
        own = [one for one in episodes if one.task == name]
        first = [step.after.digest for step in own[0].steps]
        differ = sum([step.after.digest for step in one.steps] != first for one in own[1:])
        rows.append(row("repeats that differ", Rate(differ, len(own) - 1), task=name))
    return rows
