"""Group-relative advantages and numeric rewards: time, next to a loop and to TRL's formula.

Run ``python -m benchmarks.policy [--quick]``. Times are processor time of this process on one
thread, so that other work on the machine counts little; the actions of a line take turns, and
medians are printed. A ratio is the peer's time over ours: above 1, ours is faster. TRL's formula is
written again here as TRL 1.16 computes it, in PyTorch, for groups of equal size and without
diagnostics; TRL uses float32, and sterling float64.
"""

import argparse
import statistics
import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.policy import NumericReward, advantages, in_unit, tagged

Actions = dict[str, Callable[[], object]]
EPS = 1e-4
MEAN_SIZE = 10


def medians(actions: Actions, repetitions: int) -> dict[str, float]:
    """Median processor seconds of each action, after one warm-up."""
    times: dict[str, list[float]] = {name: [] for name in actions}
    for repetition in range(repetitions + 1):
        for name, action in actions.items():
            start = time.process_time()
            action()
            if repetition:
                times[name].append(time.process_time() - start)
    return {name: statistics.median(values) for name, values in times.items()}


def show(title: str, actions: Actions, repetitions: int) -> None:
    """Print one line: our time, and the ratio of each peer to it."""
    taken = medians(actions, repetitions)
    ours = taken.pop("ours")
    peers = "".join(f"   {name} {seconds / ours:6.2f}×" for name, seconds in taken.items())
    print(f"{title:44} ours {ours * 1e3:9.2f} ms{peers}", flush=True)


def loop(rewards: NDArray[np.float64], group: NDArray[Any]) -> NDArray[np.float64]:
    """GRPO as a Python loop over contiguous groups, float64."""
    starts = np.flatnonzero(np.concatenate([[True], group[1:] != group[:-1]]))
    values = np.zeros_like(rewards)
    for start, stop in zip(starts, [*starts[1:], len(rewards)], strict=True):
        own = rewards[start:stop]
        if len(own) > 1:
            values[start:stop] = (own - own.mean()) / (own.std(ddof=1) + EPS)
    return values


def trl(rewards: Tensor, size: int) -> Tensor:
    """GRPO as TRL computes it: a reshape, statistics that leave NaN out, and a zero-spread flag."""
    grouped = rewards.view(-1, size)
    mean = torch.nanmean(grouped, dim=1)
    count = (~grouped.isnan()).sum(dim=1)
    variance = torch.nanmean((grouped - mean[:, None]) ** 2, dim=1) * (count / (count - 1))
    spread = variance.sqrt().repeat_interleave(size)
    values = (rewards - mean.repeat_interleave(size)) / (spread + EPS)
    torch.isclose(spread, torch.zeros_like(spread))
    return torch.nan_to_num(values, nan=0.0)


def batches(groups: int, repetitions: int) -> None:
    """Advantages of ragged groups of 5 to 15 completions, in several orders and kinds."""
    rng = np.random.default_rng(0)
    sizes = rng.integers(5, 16, size=groups)
    group = np.repeat(np.arange(groups), sizes)
    rewards = rng.random(len(group))
    equal = torch.rand(groups * MEAN_SIZE)
    fixed = np.repeat(np.arange(groups), MEAN_SIZE)
    title = f"{len(group):,} rewards, {groups:,} ragged groups"
    peers: Actions = {
        "loop over groups": partial(loop, rewards, group),
        "TRL, equal groups": partial(trl, equal, MEAN_SIZE),
        "the same in float64": partial(trl, equal.double(), MEAN_SIZE),
    }
    show(title, {"ours": partial(advantages, rewards, group), **peers}, repetitions)
    del peers["loop over groups"]
    show(
        f"{groups * MEAN_SIZE:,} rewards, groups of {MEAN_SIZE}",
        {"ours": partial(advantages, equal, fixed), **peers},
        repetitions,
    )
    mixed = rng.permutation(len(group))
    show("  in random order", {"ours": partial(advantages, rewards[mixed], group[mixed])}, 3)
    names = [f"prompt-{each}" for each in group]
    show("  with a list of names", {"ours": partial(advantages, rewards, names)}, 3)
    show("  AP-GRPO", {"ours": partial(advantages, rewards, group, kind="ap_grpo")}, 3)


def round_off() -> None:
    """Largest advantage of equal rewards, by the eps of three trainers."""
    print("\nlargest |advantage| of equal rewards: float32 formula, sterling")
    cases = [(c / 100, size) for c in range(1, 100) for size in (3, 4, 5, 6, 7, 8, 12, 16)]
    for trainer, eps in (("TRL", 1e-4), ("verl", 1e-6), ("OpenRLHF", 1e-9)):
        theirs, ours = [], []
        for value, size in cases:
            same = torch.full((size,), value)
            theirs.append(float(((same - same.mean()) / (same.std() + eps)).abs().max()))
            ours.append(float(np.abs(advantages(same, [0] * size, eps=eps).values).max()))
        above = sum(each > 1e-3 for each in theirs)
        print(
            f"  eps of {trainer:9} {eps:.0e}   {max(theirs):.4f} ({above} of {len(cases)} above "
            f"0.001)   {max(ours):g}"
        )


def scoring(count: int, repetitions: int) -> None:
    """Completions scored per second on one core."""
    rng = np.random.default_rng(1)
    truth = rng.uniform(0.5, 20, count)
    guesses = truth * rng.lognormal(0, 0.2, count)
    thoughts = (
        "The camera is about 1.6 m high, the box is 40 cm wide and fills 3 % of the picture, so "
        "its distance follows from its size. I round to two digits."
    )
    short = [f"{guess:.2f}" for guess in guesses]
    tagged_answers = [f"{thoughts} <answer>{guess:.2f} m</answer>" for guess in guesses]
    plain = [f"{thoughts} It is {guess:.2f} m away." for guess in guesses]
    print()
    for title, reward, completions in (
        ("a number", NumericReward(), short),
        ("the last number of a sentence", NumericReward(), plain),
        ("a number in a tag", NumericReward(tagged("answer")), tagged_answers),
        ("a quantity in a tag", NumericReward(tagged("answer", in_unit("m"))), tagged_answers),
    ):
        rate = (
            count
            / medians({"ours": partial(score, reward, completions, truth)}, repetitions)["ours"]
        )
        print(f"{title:44} {rate:9,.0f} completions/s on one core")


def score(reward: NumericReward, completions: Sequence[str], truth: NDArray[np.float64]) -> object:
    """Score all completions."""
    return reward(completions, truth)


def main() -> None:
    """Print one line per task."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--quick", action="store_true", help="small sizes only")
    quick = parser.parse_args().quick
    torch.set_num_threads(1)
    batches(10_000 if quick else 100_000, 5 if quick else 11)
    round_off()
    scoring(10_000 if quick else 100_000, 3)


if __name__ == "__main__":
    main()
