"""Train every system of one repetition, and score its answers on other frames."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from sterling.errors import InputError
from sterling.gaze import PointTarget
from sterling.gaze.datasets import read_gaze_folder
from sterling.gaze.point_rewards import REWARDS, blurred
from sterling.runs import Cell, Row
from sterling.studies.gaze.pre_map._frames import (
    GazeSet,
    draw_ads,
    draw_points,
    read_frames,
)
from sterling.studies.gaze.pre_map._policy import (
    BINS,
    COUNT,
    EVERYONE,
    PointPolicy,
    SaliencyNetwork,
    decode,
)
from sterling.studies.gaze.pre_map._scores import GRID, SCORES, Truth, by_viewer, map_rows, score
from sterling.studies.gaze.pre_map._training import (
    Recipe,
    Training,
    reinforce,
    supervise,
    train_saliency,
)
from sterling.study import Config, row

POOLED, ASKED = "pooled SFT", "profile SFT"
C_GRPO, AP = "C-GRPO", "C-GRPO, AP advantages"
AFTER_ASKED = "C-GRPO after profile SFT"
FIXED = "C-GRPO, tolerance not annealed"
RECIPES = {
    C_GRPO: Recipe(),
    AP: Recipe(kind="ap_grpo"),
    FIXED: Recipe(anneal=False),
    **{f"C-GRPO without {name}": Recipe(without=name) for name in REWARDS},
}
"""Variants of C-GRPO that start from the pooled SFT."""
RANDOM, CENTRE, SALIENCY = "random points", "centre bias", "saliency network"
OTHERS, TRUTH = "all other viewers", "own density"
CEILING = f"{OTHERS}, map"
ON_DATA = (C_GRPO, AP, AFTER_ASKED)
"""Variants that real gaze is given to."""

RATE, REWARDED_RATE = 3e-3, 1e-3
"""Learning rates of supervised training and of C-GRPO."""

Floats = NDArray[np.float64]


class PreMapConfig(Config):
    """Configuration of the study.

    Attributes:
        data: Folder of real gaze (see `sterling.gaze.datasets`) with known viewers, who take the
            place of profiles; replaces the synthetic advertisements.
        seeds: Repetitions, each with other frames (of real gaze, another split), weights, samples.
        frames: Synthetic advertisements to train on.
        test_frames: Synthetic advertisements to test on.
        supervised_steps: Steps of the pooled SFT, and of the saliency network.
        steps: Steps of C-GRPO. The SFT with profiles that it is compared with has three times as
            many, which take about as long.
        batch: Frames in a batch.
        group: Answers that are sampled for each frame and profile, G.
        answers: Answers for each frame and profile in the test.
    """

    seeds: int = Field(default=10, ge=1)
    frames: int = Field(default=200, ge=4)
    test_frames: int = Field(default=40, ge=2)
    supervised_steps: int = Field(default=150, ge=1)
    steps: int = Field(default=50, ge=1)
    batch: int = Field(default=8, ge=1)
    group: int = Field(default=8, ge=2)
    answers: int = Field(default=4, ge=1)


def load(config: PreMapConfig, rng: np.random.Generator) -> tuple[GazeSet, GazeSet]:
    """Frames to train and to test on; real gaze is divided by frame, a fifth for the test."""
    if config.data is None:
        return draw_ads(config.frames, rng), draw_ads(config.test_frames, rng)
    whole = read_frames(read_gaze_folder(Path(config.data)))
    order = rng.permutation(len(whole)).tolist()
    held_out = max(2, len(whole) // 5)
    return whole.only(sorted(order[held_out:])), whole.only(sorted(order[:held_out]))


def repetition(config: PreMapConfig, cell: Cell) -> list[Row]:
    """Train and score all systems of one repetition."""
    rng = np.random.default_rng(cell.seed)
    train, test = load(config, rng)
    if config.batch > len(train):
        raise InputError(f"batch {config.batch}: there are {len(train)} frames; lower it")
    targets = {
        (frame, profile): PointTarget.of(
            train.fixations(frame, profile), train.size, pooled=train.everyone(frame), count=COUNT
        )
        for frame in range(len(train))
        for profile in train.seen_by(frame)
    }
    salient = train_saliency(
        train,
        Training(config.supervised_steps, 2 * config.batch, 1, RATE),
        np.random.default_rng(cell.seed + 3),
        cell.seed,
    )
    start = PointPolicy(len(train.profiles), salient.encoder, seed=cell.seed)
    policies, rows = _trained(config, cell.seed, start, train, targets)
    truths = [Truth.of(test, frame) for frame in range(len(test))]
    answers: dict[str, Callable[[int, int], list[str]]] = {
        name: _asker(policy, test, config, cell.seed, profiled=name != POOLED)
        for name, policy in policies.items()
    }
    maps = _baseline_maps(salient, train, test)
    draws = np.random.default_rng(cell.seed + 1)
    for name, densities in maps.items():
        answers[name] = _drawer(densities, test, config, draws)
    kept = []
    for name, ask in answers.items():
        scored = score(test, truths, ask)
        kept += [{"system": name, "repetition": cell.repetition, **each} for each in scored.rows]
        rows += [row(metric, scored.mean(metric), system=name) for metric in SCORES]
    for name, densities in maps.items():
        rows += map_rows(name, densities, truths)
    if test.densities is None:
        cell.keep_scores(by_viewer(CEILING, kept, maps[OTHERS], test, truths, cell.repetition))
    return rows


def _trained(
    config: PreMapConfig,
    seed: int,
    start: PointPolicy,
    train: GazeSet,
    targets: Mapping[tuple[int, int], PointTarget],
) -> tuple[dict[str, PointPolicy], list[Row]]:
    """Policies by system, and the mean rewards of C-GRPO by step."""
    first = Training(config.supervised_steps, config.batch, config.group, RATE)
    pooled = supervise(start, train, first, np.random.default_rng(seed), asked=False)
    more = replace(first, steps=3 * config.steps)
    asked = supervise(pooled, train, more, np.random.default_rng(seed + 1), asked=True)
    policies, rows = {POOLED: pooled, ASKED: asked}, []
    rewarded = replace(first, steps=config.steps, rate=REWARDED_RATE)
    variants = {name: (pooled, recipe) for name, recipe in RECIPES.items()}
    variants[AFTER_ASKED] = (asked, Recipe())
    for name, (before, recipe) in variants.items():
        if train.densities is None and name not in ON_DATA:
            continue
        policies[name], history = reinforce(before, train, targets, recipe, rewarded, seed)
        for step in sorted({0, *range(9, config.steps, 10), config.steps - 1}):
            means = history[max(0, step - 4) : step + 1].mean(axis=0)
            rows += [
                row(f"reward: {reward}", value, system=name, step=step + 1)
                for reward, value in zip(REWARDS, means, strict=True)
            ]
    return policies, rows


def _asker(
    policy: PointPolicy, test: GazeSet, config: PreMapConfig, seed: int, *, profiled: bool
) -> Callable[[int, int], list[str]]:
    """Answers of a policy to a frame and a profile, all sampled at once."""
    number = len(test.profiles)
    asked = torch.arange(number) + 1 if profiled else torch.full((number,), EVERYONE)
    profiles = asked.repeat_interleave(config.answers).expand(len(test), -1)
    with torch.no_grad():
        tokens, _ = policy(
            test.pictures, profiles, generator=torch.Generator().manual_seed(seed + 2)
        )
    by_profile = tokens.view(len(test), number, config.answers, -1)
    return lambda frame, profile: [
        decode(one, test.size) for one in by_profile[frame, profile].tolist()
    ]


def _drawer(
    densities: Floats, test: GazeSet, config: PreMapConfig, rng: np.random.Generator
) -> Callable[[int, int], list[str]]:
    """Answers with points drawn from a density of each frame and profile."""

    def draw(frame: int, profile: int) -> list[str]:
        density = densities[frame, profile]
        scale = np.array(test.size) / density.shape[::-1]
        points = [draw_points(density, COUNT, rng) * scale for _ in range(config.answers)]
        return [f'{{"points": {one.tolist()}}}' for one in points]

    return draw


def _baseline_maps(network: SaliencyNetwork, train: GazeSet, test: GazeSet) -> dict[str, Floats]:
    """Densities by baseline, (frames, profiles, H, W)."""
    everywhere = np.concatenate([train.everyone(frame) for frame in range(len(train))])
    centre = blurred(everywhere, train.size, train.sigma, cells=GRID)
    with torch.no_grad():
        places = network(test.pictures).exp().double().numpy()
    salient = np.stack([_blurred_places(one, test) for one in places])
    shape = (len(test), len(test.profiles), *centre.shape)
    found = {
        RANDOM: np.full(shape, 1 / centre.size),
        CENTRE: np.broadcast_to(centre, shape),
        SALIENCY: np.broadcast_to(salient[:, None], shape),
    }
    if test.densities is None:
        return {**found, OTHERS: _of_others(test, shape)}
    pooled = test.densities.mean(axis=1, keepdims=True)
    return {**found, "pooled density": np.broadcast_to(pooled, shape), TRUTH: test.densities}


def _blurred_places(places: Floats, data: GazeSet) -> Floats:
    """The network's 32 × 32 places as a density on the scoring grid, blurred as fixations are."""
    y, x = np.mgrid[0:BINS, 0:BINS] + 0.5
    at = np.stack([x.ravel(), y.ravel()], axis=1) / BINS * data.size
    return blurred(at, data.size, data.sigma, cells=GRID, weights=places.ravel())


def _of_others(test: GazeSet, shape: tuple[int, ...]) -> Floats:
    """Density of all other viewers of each frame: the human ceiling."""
    found = np.zeros(shape)
    for frame in range(len(test)):
        seen = test.seen_by(frame)
        for profile in seen:
            others = [test.fixations(frame, each) for each in seen if each != profile]
            found[frame, profile] = blurred(
                np.concatenate(others), test.size, test.sigma, cells=GRID
            )
    return found
