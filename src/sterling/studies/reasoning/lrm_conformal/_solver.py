"""A small transformer that solves sums with written steps, and errs."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.lm.small_transformer import SmallTransformer
from sterling.reasoning import Question
from sterling.studies.reasoning._letters import Letters

LETTERS = Letters("0123456789+*=? \n", length=32)
LARGEST = 12  # of the numbers
LEVELS = ("small", "large")


def problem(rng: np.random.Generator) -> tuple[str, str, str, str]:
    """Question ``a+b*c?``, its solution in two steps, its answer, and its difficulty."""
    a, b, c = rng.integers(2, LARGEST + 1, 3).tolist()
    product = b * c
    solution = f"{b}*{c}={product} {a}+{product}={a + product}"
    return f"{a}+{b}*{c}?", solution, str(a + product), LEVELS[int(product > LARGEST**2 / 4)]


def train_solver(examples: int, steps: int, width: int, seed: int) -> SmallTransformer:
    """Train a transformer on problems that are all solved rightly."""
    rng = np.random.default_rng([seed, 0])
    texts = ["".join(problem(rng)[:2]) for _ in range(examples)]
    return LETTERS.train(texts, steps=steps, width=width, seed=seed)


@torch.no_grad()
def solve(
    network: SmallTransformer, count: int, solutions: int, temperature: float, seed: int
) -> list[Question]:
    """Draw solutions of new problems."""
    rng = np.random.default_rng([seed, 1])
    asked = [problem(rng) for _ in range(count)]
    draws = torch.Generator().manual_seed(seed)
    made = []
    for text, _, gold, level in asked:
        traces, quality = _continued(network, text, solutions, temperature, draws)
        answers = tuple(trace.rsplit("=", 1)[-1] for trace in traces)
        made.append(Question(text, tuple(traces), answers, tuple(quality), gold, level))
    return made


def _continued(
    network: SmallTransformer, text: str, solutions: int, temperature: float, draws: torch.Generator
) -> tuple[list[str], list[float]]:
    """Solutions of one problem, and their mean log-probabilities a letter."""
    rows = LETTERS.encode([text] * solutions)[:, : len(text)]
    scores: list[Tensor] = []
    ended = torch.zeros(solutions, dtype=torch.bool)
    counted = []
    for _ in range(LETTERS.length - len(text)):
        logits = network(rows)[:, -1]
        drawn = torch.multinomial((logits / temperature).softmax(-1), 1, generator=draws)
        scores.append(logits.log_softmax(-1).gather(1, drawn)[:, 0])
        counted.append(~ended)
        drawn = torch.where(ended[:, None], LETTERS.end, drawn)
        rows = torch.cat([rows, drawn], dim=1)
        ended |= drawn[:, 0] == LETTERS.end
        if ended.all():
            break
    kept = torch.stack(counted).float()
    mean = (torch.stack(scores) * kept).sum(0) / kept.sum(0)
    return LETTERS.decode(rows[:, len(text) :]), mean.tolist()


def follows(question: str, trace: str) -> bool:
    """Whether a trace multiplies and adds the question's own numbers."""
    a, rest = question.rstrip("?").split("+")
    first, _, second = trace.partition(" ")
    return first.startswith(f"{rest}=") and second.startswith(f"{a}+{first.partition('=')[2]}=")


def valid_rows(questions: Sequence[Question]) -> NDArray[np.bool_]:
    """Whether each trace follows its question, (n, K)."""
    return np.array([[follows(one.text, trace) for trace in one.traces] for one in questions])
