"""Planted data: few of many examples teach a rule, and one step of each does."""

import numpy as np
from numpy.typing import NDArray

from sterling.guarantee.risk_tests import binomial_p_values
from sterling.reasoning import Shapley, shapley_values, sufficient_subset
from sterling.runs import Cell, Row
from sterling.study import row

EXAMPLES, TEACHERS = 200, 20
FEATURES = 6
RIDGE = 1e-2
TOLERANCE = 0.75  # an answer this far off is wrong
EPS, DELTA = 0.1, 0.05
TRUTH = np.array([1.0, -1.0, 0.5, 2.0, -0.5, 3.0])  # the last one is the rule
FIRST, SECOND = 0, 1  # steps of an example; only the second of a teacher shows the rule


class World:
    """Examples of two steps each, and questions: a linear rule with noise."""

    def __init__(self, seed: int) -> None:
        rng = np.random.default_rng(seed)
        self.steps = rng.normal(size=(EXAMPLES, 2, FEATURES))
        self.steps[TEACHERS:, :, -1] = 0
        self.steps[:, FIRST, -1] = 0
        self.values = self.steps @ TRUTH + rng.normal(0, 0.2, (EXAMPLES, 2))
        self.tuning, self.testing = rng.normal(size=(2, 600, FEATURES))

    def fit(self, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        """Weights of ridge regression on some steps, bool (examples, 2)."""
        x, y = self.steps[kept], self.values[kept]
        found = np.linalg.solve(x.T @ x + RIDGE * np.eye(FEATURES), x.T @ y)
        return np.asarray(found, dtype=np.float64)

    def wrong(
        self, weights: NDArray[np.float64], questions: NDArray[np.float64]
    ) -> NDArray[np.bool_]:
        """Return the mask of wrong answers."""
        return np.asarray(np.abs(questions @ (weights - TRUTH)) > TOLERANCE)

    def value(self, kept: NDArray[np.bool_]) -> float:
        """Share of right answers on tuning questions; of no step at all, those of weights 0."""
        return 1 - float(self.wrong(self.fit(kept), self.tuning).mean())


def attribute(permutations: int, cell: Cell) -> list[Row]:
    """Shapley values of examples and of steps, and the subset that suffices."""
    world = World(cell.seed)

    def of_examples(kept: NDArray[np.bool_]) -> float:
        return world.value(np.repeat(kept[:, None], 2, axis=1))

    found = shapley_values(
        of_examples, EXAMPLES, permutations=permutations, tolerance=0.005, seed=cell.seed
    )
    top = np.argsort(-found.values, kind="stable")[:TEACHERS]
    teachers = np.flatnonzero(np.arange(EXAMPLES) < TEACHERS)
    rows = [
        row("recall of planted examples", float(np.isin(teachers, top).mean())),
        row("models trained", found.calls),
    ]
    rows += _steps(world, permutations, cell.seed)
    return rows + _subset(world, found)


def _steps(world: World, permutations: int, seed: int) -> list[Row]:
    """Share of teachers whose rule-bearing step gets more than the other one."""
    ahead = []
    for example in range(TEACHERS):

        def of_steps(kept: NDArray[np.bool_], example: int = example) -> float:
            # Without the other teachers, or no single step would matter.
            whole = np.ones((EXAMPLES, 2), dtype=bool)
            whole[:TEACHERS] = False
            whole[example] = kept
            return world.value(whole)

        one = shapley_values(of_steps, 2, permutations=max(2, permutations // 10), seed=seed)
        ahead.append(one.values[SECOND] > one.values[FIRST])
    return [row("teaching step ahead", float(np.mean(ahead)))]


def _subset(world: World, found: Shapley) -> list[Row]:
    """Train on the subset that the values call sufficient, and test its risk on new questions."""
    risk = 1 - found.whole
    kept = sufficient_subset(found.values, max(0.0, EPS - risk) / 2)
    weights = world.fit(np.repeat(kept[:, None], 2, axis=1))
    lost = world.wrong(weights, world.testing)
    p = float(binomial_p_values(lost[:, None], EPS)[0])
    return [
        row("examples kept", float(kept.mean())),
        row("risk of the subset", float(lost.mean())),
        row("subset certified", float(p <= DELTA)),
    ]
