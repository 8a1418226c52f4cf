"""Supervised training and C-GRPO of the policy, and training of the saliency network."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sterling.gaze import PointReward, PointTarget
from sterling.gaze.point_rewards import REWARDS, WEIGHTS
from sterling.policy import Schedule, advantages, grpo_loss
from sterling.policy.advantage import Kind
from sterling.studies.gaze.pre_map._frames import GazeSet
from sterling.studies.gaze.pre_map._policy import (
    BINS,
    COUNT,
    EVERYONE,
    PointPolicy,
    SaliencyNetwork,
    answer_mask,
    decode,
    encode,
)

PROFILE_RATE = 10
"""Learning rate of the profiles over that of the other weights."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Training:
    """Sizes of a training.

    Attributes:
        steps: Steps of Adam.
        frames: Frames in a batch.
        group: Answers for each prompt.
        rate: Learning rate.
    """

    steps: int
    frames: int
    group: int
    rate: float


def supervise(
    policy: PointPolicy, data: GazeSet, training: Training, rng: np.random.Generator, *, asked: bool
) -> PointPolicy:
    """Train a copy on answers of ten fixations, drawn at random for each answer.

    Args:
        policy: Policy to start from.
        data: Frames to learn from.
        training: Sizes.
        rng: Draws frames, profiles and fixations.
        asked: Whether a prompt has a profile, whose fixations answer it; else everybody's do.
    """
    learner = deepcopy(policy)
    optimiser = _optimiser(learner, training.rate)
    known = [
        {-1: data.everyone(frame)}
        | {one: data.fixations(frame, one) for one in data.seen_by(frame)}
        for frame in range(len(data))
    ]
    for _ in range(training.steps):
        frames = rng.integers(len(data), size=training.frames)
        prompts = np.stack([_profiles(data, int(frame), rng, training.group) for frame in frames])
        tokens = torch.tensor(
            [
                [_example(known[frame][one if asked else -1], data.size, rng) for one in row]
                for frame, row in zip(frames, prompts, strict=True)
            ]
        )
        profiles = torch.from_numpy(prompts + 1 if asked else np.full_like(prompts, EVERYONE))
        _, scores = learner(data.pictures[frames], profiles, tokens)
        mask = answer_mask(tokens)
        loss = -(scores * mask).sum() / mask.sum()
        optimiser.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimiser.step()
    if not asked:  # until profiles are trained, each answers as everyone does
        with torch.no_grad():
            learner.profile.weight[1:] = learner.profile.weight[EVERYONE]
    return learner


@dataclass(frozen=True)
class Recipe:
    """One variant of C-GRPO.

    Attributes:
        kind: Estimator of the advantages; "ap_grpo" multiplies by the spatial reward.
        without: Reward whose weight is 0.
        anneal: Whether the tolerance narrows from 0.25 to 0.05 of the diagonal; else it is 0.05.
    """

    kind: Kind = "grpo"
    without: str | None = None
    anneal: bool = True


def reinforce(
    policy: PointPolicy,
    data: GazeSet,
    targets: Mapping[tuple[int, int], PointTarget],
    recipe: Recipe,
    training: Training,
    seed: int,
) -> tuple[PointPolicy, Floats]:
    """Train a copy by C-GRPO: sample a group for each frame and profile, score, push.

    Args:
        policy: Policy to start from.
        data: Frames to learn from.
        targets: Targets of answers, by frame and profile.
        recipe: Variant.
        training: Sizes; the profiles of a frame share a batch, at most four of them.
        seed: Seed of frames and samples.

    Returns:
        The policy, and the mean of each reward in every step, (steps, 4).
    """
    learner = deepcopy(policy)
    optimiser = _optimiser(learner, training.rate)
    rng, generator = np.random.default_rng(seed), torch.Generator().manual_seed(seed)
    narrowing = Schedule.linear(0.25, 0.05, steps=max(1, training.steps - 1))
    reward = PointReward(COUNT, narrowing if recipe.anneal else 0.05)
    weights = [
        0.0 if name == recipe.without else weight
        for name, weight in zip(REWARDS, WEIGHTS, strict=True)
    ]
    most, history = min(4, len(data.profiles)), []
    for step in range(training.steps):
        frames = rng.choice(len(data), training.frames, replace=training.frames > len(data))
        asked = np.stack([_profiles(data, int(frame), rng, most) for frame in frames])
        profiles = torch.from_numpy(asked + 1).repeat_interleave(training.group, dim=1)
        with torch.no_grad():
            tokens, _ = learner(data.pictures[frames], profiles, generator=generator)
        prompts = [(int(f), int(p)) for f, row in zip(frames, asked, strict=True) for p in row]
        groups = tokens.view(len(prompts), training.group, -1).tolist()
        parts = np.concatenate(
            [
                reward([decode(one, data.size) for one in answers], targets[prompt], step=step)
                for prompt, answers in zip(prompts, groups, strict=True)
            ]
        )
        pushed = advantages(
            parts,
            np.repeat(np.arange(len(prompts)), training.group),
            kind=recipe.kind,
            weights=weights,
            multiplier=parts[:, 1] if recipe.kind == "ap_grpo" else None,
        )
        _, scores = learner(data.pictures[frames], profiles, tokens)
        loss = grpo_loss(
            scores.flatten(0, 1),
            torch.from_numpy(pushed.values).float(),
            answer_mask(tokens).flatten(0, 1),
        )
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(learner.parameters(), 1.0)
        optimiser.step()
        history.append(np.nan_to_num(parts, nan=0.5).mean(axis=0))
    return learner, np.array(history)


def train_saliency(
    data: GazeSet, training: Training, rng: np.random.Generator, seed: int
) -> SaliencyNetwork:
    """Train a saliency network on the places of everybody's fixations."""
    network = SaliencyNetwork(seed=seed)
    optimiser = torch.optim.Adam(network.parameters(), training.rate)
    looked = torch.zeros(len(data), BINS, BINS)
    for frame in range(len(data)):
        for x, y in np.floor(data.everyone(frame) / data.size * BINS).astype(int).clip(0, BINS - 1):
            looked[frame, y, x] += 1
    looked /= looked.sum(dim=(1, 2), keepdim=True)
    for _ in range(training.steps):
        frames = rng.integers(len(data), size=training.frames * training.group)
        loss = -(looked[frames] * network(data.pictures[frames])).sum(dim=(1, 2)).mean()
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    return network


def _optimiser(policy: PointPolicy, rate: float) -> torch.optim.Adam:
    """Adam, ten times as fast for the profiles, which start from nothing."""
    shared = [each for name, each in policy.named_parameters() if not name.startswith("profile")]
    own = list(policy.profile.parameters())
    groups: list[dict[str, Any]] = [
        {"params": shared},
        {"params": own, "lr": PROFILE_RATE * rate},
    ]
    return torch.optim.Adam(groups, rate)


def _profiles(data: GazeSet, frame: int, rng: np.random.Generator, count: int) -> NDArray[np.int64]:
    """Profiles of a frame in random order, repeated where there are fewer than asked."""
    seen = data.seen_by(frame)
    return np.resize(rng.permutation(seen), count)


def _example(known: Floats, size: tuple[int, int], rng: np.random.Generator) -> list[int]:
    """Tokens of ten fixations at random; again some where there are fewer."""
    return encode(known[np.resize(rng.permutation(len(known)), COUNT)], size)
