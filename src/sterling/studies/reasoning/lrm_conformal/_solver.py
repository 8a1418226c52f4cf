"""A small transformer that solves sums with written steps, and errs."""

from collections.abc import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

from sterling.lm.small_transformer import SmallTransformer
from sterling.reasoning import Question

LETTERS = "0123456789+*=? \n"
"""Letters of the texts; a line feed ends one and fills the rest."""

END = LETTERS.index("\n")
LARGEST = 12  # of the numbers
LENGTH = 32  # letters of question and solution
LEVELS = ("small", "large")


def problem(rng: np.random.Generator) -> tuple[str, str, str, str]:
    """Question ``a+b*c?``, its solution in two steps, its answer, and its difficulty."""
    a, b, c = rng.integers(2, LARGEST + 1, 3).tolist()
    product = b * c
    solution = f"{b}*{c}={product} {a}+{product}={a + product}"
    return f"{a}+{b}*{c}?", solution, str(a + product), LEVELS[int(product > LARGEST**2 / 4)]


def train_solver(
    examples: int, steps: int, width: int, seed: int, *, batch: int = 64
) -> SmallTransformer:
    """Train a transformer on problems that are all solved rightly."""
    rng = np.random.default_rng([seed, 0])
    tokens = torch.stack([encode("".join(problem(rng)[:2])) for _ in range(examples)])
    torch.manual_seed(seed)
    network = SmallTransformer(len(LETTERS), context=LENGTH, width=width, layers=2)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    draws = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        rows = tokens[torch.randint(len(tokens), (batch,), generator=draws)]
        logits = network(rows[:, :-1])
        loss = F.cross_entropy(logits.flatten(0, 1), rows[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        schedule.step()
    return network.eval()


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
    start = [LETTERS.index(one) for one in text]
    rows = torch.tensor(start).repeat(solutions, 1)
    scores: list[Tensor] = []
    ended = torch.zeros(solutions, dtype=torch.bool)
    counted = []
    for _ in range(LENGTH - len(start)):
        logits = network(rows)[:, -1]
        drawn = torch.multinomial((logits / temperature).softmax(-1), 1, generator=draws)
        scores.append(logits.log_softmax(-1).gather(1, drawn)[:, 0])
        counted.append(~ended)
        drawn = torch.where(ended[:, None], END, drawn)
        rows = torch.cat([rows, drawn], dim=1)
        ended |= drawn[:, 0] == END
        if ended.all():
            break
    kept = torch.stack(counted).float()
    mean = (torch.stack(scores) * kept).sum(0) / kept.sum(0)
    texts = ["".join(LETTERS[i] for i in row[len(start) :]).split("\n")[0] for row in rows.tolist()]
    return texts, mean.tolist()


def encode(text: str) -> Tensor:
    """A text as numbers of letters, (LENGTH,), filled with ends."""
    numbers = [LETTERS.index(one) for one in text]
    return torch.tensor(numbers + [END] * (LENGTH - len(numbers)))


def follows(question: str, trace: str) -> bool:
    """Whether a trace multiplies and adds the question's own numbers."""
    a, rest = question.rstrip("?").split("+")
    first, _, second = trace.partition(" ")
    return first.startswith(f"{rest}=") and second.startswith(f"{a}+{first.partition('=')[2]}=")


def valid_rows(questions: Sequence[Question]) -> NDArray[np.bool_]:
    """Whether each trace follows its question, (n, K)."""
    return np.array([[follows(one.text, trace) for trace in one.traces] for one in questions])
