"""One repetition: training examples, a model trained on them, and what it answers."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sterling.lm.small_transformer import SmallTransformer
from sterling.measure import Rate
from sterling.runs import Row
from sterling.studies.reasoning.lrm_unlearning._task import (
    LETTERS,
    QUESTION,
    RIGHT,
    Example,
    Outcome,
    Question,
    examples,
    questions,
    write,
)
from sterling.study import Config, row

RATE = 5e-3  # of learning, at its largest
RULES = tuple(RIGHT)


class LrmUnlearningConfig(Config):
    """Settings of the study.

    Attributes:
        seeds: Repetitions.
        examples: Number of training examples.
        right: Number of them that show the right reading of each rule.
        misread: Number of them that misread it.
        steps, width: Training of the transformer.
        budgets: Shares of the training examples that are deleted, ascending.
        budget: Share at which systems are compared; one of `budgets`.
        queries: Number of questions that the adversary wants misread.
        tests: Number of new questions about the rule that are asked.
        transfer: Number of repetitions with the matrix of transfer between widths.
        research_use: Must be true: the study plans attacks, on models trained here. The smoke
            preset has it set.
    """

    seeds: Annotated[int, Field(ge=2)] = 10
    examples: Annotated[int, Field(ge=100)] = 3000
    right: Annotated[int, Field(ge=2)] = 40
    misread: Annotated[int, Field(ge=1)] = 20
    steps: Annotated[int, Field(ge=1)] = 600
    width: Annotated[int, Field(ge=8, multiple_of=8)] = 48
    budgets: tuple[Annotated[float, Field(gt=0, lt=1)], ...] = (0.005, 0.01, 0.02, 0.05)
    budget: Annotated[float, Field(gt=0, lt=1)] = 0.02
    queries: Annotated[int, Field(ge=2)] = 100
    tests: Annotated[int, Field(ge=10)] = 200
    transfer: Annotated[int, Field(ge=0)] = 3
    research_use: bool = False

    def deletions(self, share: float) -> int:
        """Number of examples in a share, 1 or more."""
        return max(1, round(share * self.examples))


@dataclass(frozen=True)
class World:
    """A repetition's data and model; the rule that is attacked is ``#``.

    Attributes:
        config: Settings of the study.
        seed: Seed of data, weights and batches.
    """

    config: LrmUnlearningConfig
    seed: int

    @cached_property
    def known(self) -> list[Example]:
        """Training examples."""
        rng = np.random.default_rng([self.seed, 0])
        config = self.config
        return examples(rng, config.examples, config.right, config.misread)

    @cached_property
    def queries(self) -> list[Question]:
        """Questions that the adversary wants misread."""
        return questions(np.random.default_rng([self.seed, 1]), self.config.queries, RULES[0])

    @cached_property
    def tests(self) -> list[Question]:
        """New questions about the same rule."""
        return questions(np.random.default_rng([self.seed, 2]), self.config.tests, RULES[0])

    @cached_property
    def others(self) -> list[Question]:
        """New questions, ordinary and about the other rules, for utility."""
        rng = np.random.default_rng([self.seed, 3])
        asked = questions(rng, self.config.tests)
        for rule in RULES[1:]:
            asked += questions(rng, self.config.tests // 4, rule)
        return asked

    @cached_property
    def network(self) -> SmallTransformer:
        """Model before any deletion."""
        return self.train(self.known, self.seed)

    def train(
        self, kept: Sequence[Example], seed: int, *, width: int | None = None, share: float = 1.0
    ) -> SmallTransformer:
        """Train a model from scratch, for a share of the steps."""
        return LETTERS.train(
            [one.text for one in kept],
            steps=max(1, round(share * self.config.steps)),
            width=width or self.config.width,
            seed=seed,
            rate=RATE,
            skip=QUESTION - 1,
        )

    def retrain(self, gone: Iterable[int], *, width: int | None = None) -> SmallTransformer:
        """Train without deleted examples, from weights and batches that all systems share."""
        return self.train(self.without(gone), self.seed + 1, width=width)

    def without(self, gone: Iterable[int]) -> list[Example]:
        """Training examples that are retained."""
        deleted = set(gone)
        return [one for index, one in enumerate(self.known) if index not in deleted]

    def accuracy(self, network: SmallTransformer) -> float:
        """Share of right traces on questions that the attack does not aim at."""
        traces = write(network, self.others)
        return float(np.mean([t == q.solution for t, q in zip(traces, self.others, strict=True)]))


def success_rows(before: NDArray[np.bool_], after: Outcome, **at: str | float) -> list[Row]:
    """Success on the questions that the model answered rightly before, (Q,)."""
    trials = int(before.sum())
    if not trials:
        return [row("joint success", None, **at)]
    rates = {
        "wrong answer": after.wrong,
        "target answer": after.target,
        "joint success": after.joint,
    }
    return [row(name, Rate(int((before & hit).sum()), trials), **at) for name, hit in rates.items()]
