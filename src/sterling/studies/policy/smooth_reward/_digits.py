"""The digit policy: eight features to a number of three digits, one digit after the other."""

import copy
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from sterling.policy.activations import Floats
from sterling.runs import Cell, Coordinate, Row
from sterling.studies.policy.smooth_reward._rewards import (
    ADVANTAGES,
    AP,
    EXPONENTIAL,
    GRPO,
    SHAPES,
    SNRA,
    THRESHOLD,
    Signal,
    SmoothRewardConfig,
    accuracy_rows,
    mean_relative_accuracy,
)
from sterling.study import row

FEATURES, DIGITS = 8, 3
CENTRE, REACH = 500, 450  # answers are 50 to 950
WARM, WARM_STEPS, WARM_RATE, WARM_BATCH = 300, 150, 1e-3, 64
RATE = 3e-4
EPS = 1e-4


@dataclass(frozen=True)
class Setting:
    """One way to train.

    Attributes:
        reward: Name of a reward.
        advantage: Name of an advantage.
        eps: Added to the standard deviation.
        size: Completions of one prompt; prompts make up for it, so that samples are equal.
    """

    reward: str
    advantage: str
    eps: float = EPS
    size: int = 8


def settings() -> list[Setting]:
    """Every reward once, then advantages, epsilons and group sizes of the main ones."""
    found = [Setting(reward, GRPO) for reward in SHAPES]
    found += [Setting(reward, AP) for reward in (THRESHOLD, EXPONENTIAL, SNRA)]
    found += [Setting(SNRA, name) for name in ADVANTAGES if name not in (GRPO, AP)]
    for reward in (THRESHOLD, SNRA):
        for advantage in (GRPO, AP):
            found.append(Setting(reward, advantage, size=4))
    found += [Setting(SNRA, advantage, eps=0.1) for advantage in (GRPO, AP)]
    return found


class DigitPolicy(nn.Module):
    """Distribution of each digit given the features and the digits before it.

    Args:
        width: Width of the trunk.
        head: Width of the layer before each digit.
    """

    def __init__(self, width: int = 192, head: int = 96) -> None:
        super().__init__()
        self.trunk = nn.Sequential(
            nn.Linear(FEATURES, width), nn.Tanh(), nn.Linear(width, width), nn.Tanh()
        )
        self.heads = nn.ModuleList(nn.Linear(width, head) for _ in range(DIGITS))
        self.before = nn.ModuleList(nn.Embedding(10**place, head) for place in range(DIGITS))
        self.out = nn.ModuleList(nn.Linear(head, 10) for _ in range(DIGITS))

    def forward(self, features: Tensor, size: int = 1) -> "Iterator[_Digit]":
        """Yield the distribution of each digit for `size` answers a prompt; send the digits back.

        Args:
            features: (B, 8).
            size: Answers of each prompt.
        """
        hidden = self.trunk(features)
        prefix = torch.zeros(len(features) * size, dtype=torch.long)
        for place in range(DIGITS):
            own = self.heads[place](hidden).repeat_interleave(size, 0)
            logits = self.out[place]((own + self.before[place](prefix)).relu())
            digit = _Digit(logits.log_softmax(1))
            yield digit
            prefix = prefix * 10 + digit.chosen


class _Digit:
    """Log-probabilities of a digit (N, 10), and the digit that the caller chooses (N,)."""

    def __init__(self, log_probs: Tensor) -> None:
        self.log_probs = log_probs
        self.chosen = torch.zeros(len(log_probs), dtype=torch.long)

    def log_prob(self) -> Tensor:
        """Log-probability of the chosen digit, (N,)."""
        return self.log_probs.gather(1, self.chosen[:, None])[:, 0]


@dataclass(frozen=True)
class Problem:
    """A hidden function of eight features: y = 500 + 450 tanh(v · tanh(W x)).

    Attributes:
        inner: W, (6, 8).
        outer: v, (6,).
    """

    inner: Floats
    outer: Floats

    @classmethod
    def draw(cls, rng: np.random.Generator) -> "Problem":
        """Draw a function."""
        return cls(rng.normal(size=(6, 8)) / 8**0.5, 1.2 * rng.normal(size=6) / 6**0.5)

    def sample(self, rng: np.random.Generator, count: int) -> tuple[Tensor, Floats]:
        """Draw features (count, 8) and their answers (count,), whole numbers."""
        x = rng.normal(size=(count, FEATURES))
        y = np.round(CENTRE + REACH * np.tanh(np.tanh(x @ self.inner.T) @ self.outer))
        return torch.tensor(x, dtype=torch.float32), y


def sample(
    policy: DigitPolicy, features: Tensor, size: int, generator: torch.Generator
) -> tuple[Floats, Tensor]:
    """Sample `size` answers per prompt: the numbers (N,) and their log-probabilities (N,)."""
    numbers, log_probs = torch.zeros(len(features) * size, dtype=torch.long), []
    for digit in policy(features, size):
        probabilities = digit.log_probs.detach().exp()
        digit.chosen = torch.multinomial(probabilities, 1, generator=generator)[:, 0]
        log_probs.append(digit.log_prob())
        numbers = numbers * 10 + digit.chosen
    return numbers.numpy().astype(np.float64), torch.stack(log_probs).sum(0)


@torch.no_grad()
def answer(policy: DigitPolicy, features: Tensor) -> Floats:
    """Most likely digit after digit, (B,)."""
    numbers = torch.zeros(len(features), dtype=torch.long)
    for digit in policy(features):
        digit.chosen = digit.log_probs.argmax(1)
        numbers = numbers * 10 + digit.chosen
    return numbers.numpy().astype(np.float64)


def warm_start(problem: Problem, seed: int) -> DigitPolicy:
    """Train a policy on 300 answers with cross-entropy."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)  # torch.nn draws initial weights from the global state
        policy = DigitPolicy()
    rng = np.random.default_rng([seed, 1])
    x, y = problem.sample(rng, WARM)
    digits = [torch.tensor(y // 10 ** (2 - place) % 10).long() for place in range(DIGITS)]
    optimizer = torch.optim.Adam(policy.parameters(), WARM_RATE)
    for _ in range(WARM_STEPS):
        batch = torch.tensor(rng.integers(WARM, size=WARM_BATCH))
        losses = []
        for digit, right in zip(policy(x[batch]), digits, strict=True):
            digit.chosen = right[batch]
            losses.append(F.nll_loss(digit.log_probs, digit.chosen))
        optimizer.zero_grad()
        torch.stack(losses).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return policy


def improve(
    policy: DigitPolicy,
    problem: Problem,
    setting: Setting,
    *,
    steps: int,
    samples: int,
    seed: int,
) -> Signal:
    """Train a policy in place on its own samples, one update a batch.

    Args:
        policy: The policy.
        problem: Source of the prompts.
        setting: Reward, advantage, epsilon and group size.
        steps: Number of steps.
        samples: Answers sampled in each step.
        seed: Seed of prompts and answers.
    """
    rng, generator = np.random.default_rng([seed, 2]), torch.Generator().manual_seed(seed)
    shape, advantage = SHAPES[setting.reward], ADVANTAGES[setting.advantage]
    schedule, signal = shape.sharpness(steps), Signal()
    optimizer = torch.optim.Adam(policy.parameters(), RATE)
    prompts = samples // setting.size
    group = np.repeat(np.arange(prompts), setting.size)
    for step in range(steps):
        x, y = problem.sample(rng, prompts)
        numbers, log_probs = sample(policy, x, setting.size, generator)
        errors = relative_errors(numbers, np.repeat(y, setting.size))
        found = advantage(shape(errors, schedule, step), group, setting.eps)
        signal.add(errors, found)
        # The samples are the policy's own, so every ratio is 1 and nothing is clipped.
        loss = -(torch.tensor(found.values, dtype=torch.float32) * log_probs).mean()
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return signal


def relative_errors(numbers: Floats, targets: Floats) -> Floats:
    """Error relative to the target, (N,)."""
    return np.abs(numbers - targets) / targets


def digit_cell(config: SmoothRewardConfig, cell: Cell) -> list[Row]:
    """One hidden function, one warm start, and every setting from it."""
    problem = Problem.draw(np.random.default_rng([cell.seed, 0]))
    start = warm_start(problem, cell.seed)
    x, y = problem.sample(np.random.default_rng([cell.seed, 3]), config.tests)
    begin = mean_relative_accuracy(relative_errors(answer(start, x), y))
    rows = [row("MRA at the start", begin, policy="digits")]
    for setting in settings():
        policy = copy.deepcopy(start)
        signal = improve(
            policy,
            problem,
            setting,
            steps=config.steps,
            samples=config.samples,
            seed=cell.seed,
        )
        at: dict[str, Coordinate] = {
            "policy": "digits",
            "reward": setting.reward,
            "advantage": setting.advantage,
            "eps": setting.eps,
            "size": setting.size,
        }
        errors = relative_errors(answer(policy, x), y)
        rows += [*accuracy_rows(errors, **at), *signal.rows(**at)]
    return rows
