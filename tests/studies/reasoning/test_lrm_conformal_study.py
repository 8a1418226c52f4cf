"""Parts of the study of reasoning sets: the solver, the baselines, planted examples."""

from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from sterling.reasoning import arithmetic_holds
from sterling.runs import Cell
from sterling.studies.reasoning.lrm_conformal import _cells as cells
from sterling.studies.reasoning.lrm_conformal._planted import TEACHERS, World, attribute
from sterling.studies.reasoning.lrm_conformal._solver import (
    LETTERS,
    follows,
    problem,
    solve,
    train_solver,
)


def test_solutions_of_problems_are_valid_and_follow_their_question() -> None:
    rng = np.random.default_rng(0)
    for _ in range(200):
        text, solution, answer, level = problem(rng)
        assert arithmetic_holds(solution)
        assert follows(text, solution)
        assert solution.endswith(f"={answer}")
        assert level in ("small", "large")
        assert LETTERS.encode([text + solution]).shape == (1, LETTERS.length)
    assert not follows("2+3*4?", "2*3=6 4+6=10")
    assert not follows("2+3*4?", "3*4=12 2+13=15")
    assert follows("2+3*4?", "3*4=13 2+13=15")  # it follows, and its arithmetic is wrong
    assert not arithmetic_holds("3*4=13 2+13=15")


def test_the_solver_draws_what_it_is_asked_for() -> None:
    network = train_solver(50, 5, 16, seed=0)
    first, again = (solve(network, 3, 4, 1.2, seed=0) for _ in range(2))
    assert first == again
    assert all(len(one.traces) == 4 for one in first)
    assert all(one.quality is not None and max(one.quality) < 0 for one in first)


def test_a_fixed_number_is_certified_by_the_binomial_test() -> None:
    config = cells.LrmConformalConfig(eps=0.2, delta=0.1)
    signals = cells.simulated_signals(0, 400, 16)
    count = cells._fixed(signals, config)
    assert count is not None
    right = signals.correct & signals.valid
    assert (~right[:, :count].any(1)).mean() < 0.2
    assert (~right[:, : count - 1].any(1)).mean() > 0.15  # and no larger than it must be


def test_the_best_solution_of_each_answer_is_kept() -> None:
    signals = cells.simulated_signals(1, 50, 8)
    held = cells._best_of(signals, np.ones_like(signals.correct))
    for row in range(50):
        for answer in set(signals.answer[row].tolist()):
            at = np.flatnonzero(signals.answer[row] == answer)
            best = at[signals.quality[row, at].argmax()]
            assert held[row, at].sum() == 1
            assert held[row, best]


def test_answers_by_frequency_cover_answers_as_split_conformal_promises() -> None:
    covered = []
    for seed in range(30):
        signals = cells.simulated_signals(seed, 600, 8)
        known, rest = signals.rows(slice(0, 300)), signals.rows(slice(300, None))
        held = cells._by_frequency(known, rest, 0.2)
        covered.append((held & rest.correct).any(1).mean())
    assert np.mean(covered) > 0.79


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_planted_examples_and_steps_are_found(seed: int) -> None:
    rows: Any = attribute(100, cast(Cell, SimpleNamespace(seed=seed)))
    found = {row["metric"]: row["value"] for row in rows}
    assert found["recall of planted examples"] >= 0.7
    assert found["teaching step ahead"] >= 0.9
    assert found["subset certified"] == 1
    world = World(seed)
    rest = np.ones((200, 2), bool)
    rest[:TEACHERS] = False
    assert world.value(rest) < 0.5  # nobody else knows the rule
