"""Three stages of training: demonstrations, offline single-step GRPO, online trajectory GRPO."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sterling.agent.browser.actions import Action
from sterling.agent.browser.environment import BrowserEnv
from sterling.agent.browser.episode import Episode, run_episodes
from sterling.agent.browser.features import Encoded, encode
from sterling.agent.browser.gui_rewards import episode_return, step_reward
from sterling.agent.browser.observation import Observation
from sterling.agent.browser.oracle import solve
from sterling.agent.browser.scorer import (
    FILL,
    HISTORY,
    Batch,
    Choice,
    ElementScorer,
    ScorerPolicy,
    action_of,
    choice_of,
    sampler,
)
from sterling.policy import advantages, grpo_loss

HARMLESS = {"input", "label", "select", "option", "li"}
"""Tags that an exploring step may click without ending the task."""


@dataclass(frozen=True, eq=False)
class Example:
    """One demonstrated decision.

    Attributes:
        seen: The page.
        encoded: The page as tensors, with the actions before.
        choice: The demonstrated choice.
    """

    seen: Observation
    encoded: Encoded
    choice: Choice


class ExploringOracle:
    """The scripted solution with detours, so that demonstrations also show the way back.

    Args:
        share: Probability that an action is a random click that does not end the task.
        seed: Seed of the detours.
    """

    def __init__(self, share: float, seed: int) -> None:
        self._share, self._seed = share, seed
        self._task = ""

    def begin(self, task: str, seed: int) -> None:
        """Seed the episode."""
        self._task = task
        self._rng = np.random.default_rng((self._seed, seed))

    def act(self, seen: Observation) -> tuple[Action, Any]:
        """Return the script's action, or a detour; the record says whether it is shown."""
        places = [one for one in seen.elements if one.tag in HARMLESS and not one.disabled]
        if places and self._rng.random() < self._share and self._task != "focus-text":
            one = places[int(self._rng.integers(len(places)))]
            kind = ("select", one.text or " ") if one.tag == "option" else ("click", "")
            return Action(kind[0], ref=one.ref, text=kind[1]), False  # type: ignore[arg-type]
        return solve(self._task, seen), True


def demonstrate(
    envs: Mapping[str, BrowserEnv], seeds: Iterable[int], *, share: float = 0.2, seed: int = 0
) -> list[Example]:
    """Record demonstrations of every task's script, with detours; successful ones are kept.

    Args:
        envs: Environment of each task.
        seeds: Seeds, of every task.
        share: Probability of a detour before an action.
        seed: Seed of the detours.
    """
    jobs = [(name, one) for one in seeds for name in envs]
    episodes = run_episodes(envs, jobs, lambda: ExploringOracle(share, seed))
    return [
        example
        for episode in episodes
        if episode.success
        for example in _examples(episode, lambda step: step.choice is True)
    ]


def kept_examples(episodes: Iterable[Episode]) -> list[Example]:
    """Return the decisions of successful episodes that had an effect, for the next round.

    An action that was refused or changed nothing is left out: what repaired it is kept.
    """
    return [
        example
        for episode in episodes
        if episode.success
        for example in _examples(
            episode, lambda step: not step.refused and step.before.digest != step.after.digest
        )
    ]


def _examples(episode: Episode, is_kept: Callable[[Any], bool]) -> list[Example]:
    found, history = [], tuple[Action, ...]()
    for step in episode.steps:
        encoded = encode(step.before, history)
        choice = choice_of(step.action, encoded)
        if choice is not None and is_kept(step):
            found.append(Example(step.before, encoded, choice))
        history = (*history, step.action)[-HISTORY:]
    return found


def fine_tune(
    model: ElementScorer,
    examples: Sequence[Example],
    *,
    steps: int,
    rng: np.random.Generator,
    rate: float = 1e-3,
    size: int = 32,
) -> None:
    """Train on demonstrated decisions: the cross-entropy of action, first and last token.

    Args:
        model: Trained in place.
        examples: Decisions.
        steps: Optimiser steps.
        rng: Draws the batches.
        rate: Learning rate.
        size: Decisions of a batch.
    """
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    for _ in range(steps):
        chosen = [examples[at] for at in rng.integers(len(examples), size=size)]
        scores = model(Batch.of([one.encoded for one in chosen]))
        rows = torch.arange(len(chosen))
        loss = -model.log_probs(scores, rows, [one.choice for one in chosen]).sum(dim=1).mean()
        _update(model, optimiser, loss)


def offline_grpo(
    model: ElementScorer,
    examples: Sequence[Example],
    *,
    steps: int,
    rng: np.random.Generator,
    group: int = 8,
    rate: float = 3e-4,
    size: int = 24,
) -> None:
    """Train on logged pages: draw actions, compare each with the demonstrated one.

    Args:
        model: Trained in place.
        examples: Logged pages with the demonstrated decision.
        steps: Optimiser steps.
        rng: Draws pages and actions.
        group: Actions drawn for each page.
        rate: Learning rate.
        size: Pages of a batch.
    """
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    draw = sampler(torch.Generator().manual_seed(int(rng.integers(2**31))))
    for _ in range(steps):
        chosen = [examples[at] for at in rng.integers(len(examples), size=size)]
        items = [one.encoded for one in chosen for _ in range(group)]
        choices = model.choose(items, draw)
        wanted = [action_of(one.choice, one.encoded, one.seen) for one in chosen]
        rewards = [
            step_reward(
                action_of(choice, items[at], chosen[at // group].seen),
                wanted[at // group],
                chosen[at // group].seen,
            )
            for at, choice in enumerate(choices)
        ]
        rows = torch.arange(len(chosen)).repeat_interleave(group)
        found = advantages(rewards, rows.numpy(), kind="grpo").values
        log_probs = model.log_probs(model(Batch.of([one.encoded for one in chosen])), rows, choices)
        loss = grpo_loss(log_probs, torch.tensor(found, dtype=torch.float32), _mask(choices))
        _update(model, optimiser, loss)


@dataclass
class Curriculum:
    """Running success of each task; those between 0.1 and 0.9 are drawn most.

    Attributes:
        success: Success of each task, a running mean.
    """

    success: dict[str, float] = field(default_factory=dict)

    def draw(self, tasks: Sequence[str], number: int, rng: np.random.Generator) -> list[str]:
        """Draw different tasks."""
        weights = np.array(
            [1.0 if 0.1 < self.success.get(one, 0.5) < 0.9 else 0.2 for one in tasks]
        )
        at = rng.choice(
            len(tasks), min(number, len(tasks)), replace=False, p=weights / weights.sum()
        )
        return [tasks[index] for index in at]

    def note(self, task: str, share: float) -> None:
        """Take note of a group's success."""
        self.success[task] = 0.5 * self.success.get(task, share) + 0.5 * share


def online_grpo(
    model: ElementScorer,
    envs: Mapping[str, BrowserEnv],
    demonstrations: Sequence[Example],
    *,
    rounds: int,
    iterations: int,
    tasks: int,
    rng: np.random.Generator,
    first_seed: int,
    group: int = 8,
    epochs: int = 2,
    rate: float = 3e-4,
    repeats: int = 30,
) -> list[Episode]:
    """Train on whole episodes in the browser, in rounds; each ends with training on its successes.

    Args:
        model: Trained in place.
        envs: Environment of each task.
        demonstrations: Mixed with the successes after each round.
        rounds: Number of rounds.
        iterations: Batches of episodes in a round.
        tasks: Tasks of a batch, drawn by the curriculum; every one is played `group` times.
        rng: Draws tasks, actions and batches.
        first_seed: Seed of the first batch's pages; each batch takes the next one.
        group: Episodes that are compared with each other.
        epochs: Optimiser steps on a batch.
        rate: Learning rate.
        repeats: Steps of `fine_tune` at the end of a round.

    Returns:
        All episodes.
    """
    optimiser = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.0)
    curriculum, played, seed = Curriculum(), list[Episode](), first_seed
    for _ in range(rounds):
        successes: list[Example] = []
        for _ in range(iterations):
            names = curriculum.draw(list(envs), tasks, rng)
            episodes = _play(model, envs, names, seed, group, rng)
            seed += 1
            for at, name in enumerate(names):
                own = episodes[at * group : (at + 1) * group]
                curriculum.note(name, float(np.mean([one.success for one in own])))
            _learn(model, optimiser, episodes, group, epochs)
            played += episodes
            successes += kept_examples(episodes)
        if successes and repeats:
            fine_tune(model, [*demonstrations, *successes], steps=repeats, rng=rng, rate=rate)
    return played


def _play(
    model: ElementScorer,
    envs: Mapping[str, BrowserEnv],
    names: Sequence[str],
    seed: int,
    group: int,
    rng: np.random.Generator,
) -> list[Episode]:
    numbers = count(int(rng.integers(2**30)))

    def policy() -> ScorerPolicy:
        return ScorerPolicy(model, sampler(torch.Generator().manual_seed(next(numbers))))

    return run_episodes(envs, [(name, seed) for name in names for _ in range(group)], policy)


def _learn(
    model: ElementScorer,
    optimiser: torch.optim.Optimizer,
    episodes: Sequence[Episode],
    group: int,
    epochs: int,
) -> None:
    """Take gradient steps on the groups whose returns differ; all actions share the advantage."""
    found = advantages(
        [episode_return(one) for one in episodes], np.arange(len(episodes)) // group, kind="grpo"
    )
    used = [
        (at, [step.choice for step in one.steps if step.choice is not None])
        for at, one in enumerate(episodes)
        if found.kept[at]
    ]
    used = [(at, steps) for at, steps in used if steps]
    if not used:
        return
    values = torch.tensor(found.values[[at for at, _ in used]], dtype=torch.float32)
    flat = [step for _, steps in used for step in steps]
    batch, choices = Batch.of([one for one, _ in flat]), [one for _, one in flat]
    lengths = [len(steps) for _, steps in used]
    mask = _by_episode(_mask(choices), lengths)
    old: Tensor | None = None
    for _ in range(epochs):
        parts = model.log_probs(model(batch), torch.arange(len(flat)), choices)
        log_probs = _by_episode(parts, lengths)
        loss = grpo_loss(log_probs, values, mask, old_log_probs=old)
        old = log_probs.detach() if old is None else old
        _update(model, optimiser, loss)


def _by_episode(parts: Tensor, lengths: Sequence[int]) -> Tensor:
    """Stack the parts of each episode's steps, (episodes, 3 × most steps), padded with 0."""
    rows = [part.flatten() for part in torch.split(parts, list(lengths))]
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)


def _mask(choices: Sequence[Choice]) -> Tensor:
    """True for the parts that a choice has, (N, 3)."""
    return torch.tensor([[True, *[one.operation == FILL] * 2] for one in choices])


def _update(model: ElementScorer, optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimiser.step()
