"""Cells of the study: one repetition calibrates every system on resplits of its questions."""

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from sterling.guarantee import fixed_sequence
from sterling.guarantee.risk_tests import binomial_p_values
from sterling.measure import Rate
from sterling.reasoning import ReasoningSets, Signals, signals_of
from sterling.reasoning.limits import chosen, solutions_drawn
from sterling.reasoning.recorded import read_recorded
from sterling.runs import Cell, Row
from sterling.studies.reasoning.lrm_conformal._solver import solve, train_solver, valid_rows
from sterling.study import Config, row

SETS, ANSWERS, FIXED = "reasoning sets", "answer sets", "fixed number"
LAC, VOTE = "answers by frequency", "self-consistency"
SYSTEMS = (SETS, ANSWERS, LAC, FIXED, VOTE)
SIMULATED, SOLVER, RECORDED = "simulated sampler", "small transformer", "recorded solutions"
POOL = 4000  # questions of the simulated sampler, whose risk is taken for the true one


class LrmConformalConfig(Config):
    """Settings of the study.

    Attributes:
        seeds: Repetitions.
        eps: Allowed risk.
        recorded_eps: Allowed risk on recorded solutions, which are few for each question.
        delta: Allowed probability that the risk is larger.
        resplits: Calibration sets of each repetition.
        calibration: Questions in each.
        questions: Questions that the transformer solves, of which some calibrate.
        solutions: Solutions of each question.
        points: Quantiles of each limit.
        examples, steps, width: Training of the transformer.
        temperature: Temperature of its solutions.
        permutations: Orders in which Shapley values are taken.
    """

    seeds: Annotated[int, Field(ge=2)] = 10
    eps: Annotated[float, Field(gt=0, lt=1)] = 0.2
    recorded_eps: Annotated[float, Field(gt=0, lt=1)] = 0.45
    delta: Annotated[float, Field(gt=0, lt=1)] = 0.1
    resplits: Annotated[int, Field(ge=1)] = 20
    calibration: Annotated[int, Field(ge=20)] = 300
    questions: Annotated[int, Field(ge=40)] = 700
    solutions: Annotated[int, Field(ge=2)] = 16
    points: Annotated[int, Field(ge=2)] = 8
    examples: Annotated[int, Field(ge=10)] = 1000
    steps: Annotated[int, Field(ge=1)] = 700
    width: Annotated[int, Field(ge=8)] = 64
    temperature: Annotated[float, Field(gt=0)] = 1.2
    permutations: Annotated[int, Field(ge=2)] = 200


def simulated_signals(seed: int, questions: int, solutions: int) -> Signals:
    """A sampler that solves a question with a probability drawn from Beta(2, 1.2)."""
    rng = np.random.default_rng(seed)
    shape = (questions, solutions)
    correct = rng.random(shape) < rng.beta(2, 1.2, (questions, 1))
    valid = rng.random(shape) < np.where(correct, 0.9, 0.3)
    similarity = rng.beta(2, 4, (*shape, solutions))
    similarity = (similarity + similarity.swapaxes(1, 2)) / 2
    return Signals(
        rng.normal(size=shape) + 1.2 * (correct & valid),
        similarity,
        np.where(correct, 0, rng.integers(1, 5, shape)),
        correct,
        valid,
        named=True,
    )


def measure_simulated(config: LrmConformalConfig, cell: Cell) -> list[Row]:
    """Every system on a sampler whose true risk is known."""
    signals = simulated_signals(cell.seed, POOL + config.calibration, config.solutions)
    return _resplit(signals, config, cell.seed, SIMULATED)


def measure_solver(config: LrmConformalConfig, cell: Cell) -> list[Row]:
    """Every system on solutions of a transformer that is trained here."""
    network = train_solver(config.examples, config.steps, config.width, cell.seed)
    questions = solve(network, config.questions, config.solutions, config.temperature, cell.seed)
    signals = signals_of(questions)
    signals = replace(signals, valid=signals.valid & valid_rows(questions))
    rows = [
        row("right answers", float(signals.correct.mean()), data=SOLVER),
        row(
            "right answers with valid steps",
            float((signals.correct & signals.valid).mean()),
            data=SOLVER,
        ),
    ]
    groups = np.array([one.group for one in questions])
    return rows + _resplit(signals, config, cell.seed, SOLVER, groups)


def measure_recorded(config: LrmConformalConfig, cell: Cell) -> list[Row]:
    """Every system on solutions that others recorded."""
    assert config.data is not None
    signals = signals_of(read_recorded(Path(config.data)))
    changed = {
        "calibration": min(config.calibration, len(signals) // 2),
        "eps": config.recorded_eps,
    }
    return _resplit(signals, config.model_copy(update=changed), cell.seed, RECORDED)


def _resplit(
    signals: Signals,
    config: LrmConformalConfig,
    seed: int,
    data: str,
    groups: NDArray[np.str_] | None = None,
) -> list[Row]:
    """Calibrate each system on resplits; measure on the questions that are left."""
    rng = np.random.default_rng([seed, 2])
    measured: dict[str, list[tuple[float, float, float]]] = {name: [] for name in SYSTEMS}
    by_group: list[list[float]] = []
    abstained = 0
    for split in range(config.resplits):
        order = rng.permutation(len(signals))
        known = signals.rows(order[: config.calibration])
        rest = signals.rows(order[config.calibration :])
        right = rest.correct & rest.valid
        for name, held, drawn in _sets(known, rest, config, split):
            if held is None:
                abstained += name == SETS
                continue
            lost: NDArray[np.bool_] = np.asarray(~(held & right).any(1))
            measured[name].append((float(lost.mean()), float(held.sum(1).mean()), drawn))
            if name == SETS and groups is not None:
                of = groups[order[config.calibration :]]
                by_group.append([float(lost[of == one].mean()) for one in sorted(set(of))])
    rows = []
    for name, values in measured.items():
        if not values:
            continue
        risk, size, drawn = np.mean(values, axis=0).tolist()
        # Share of all calibration sets: one that certifies nothing breaks no promise.
        exceeded = Rate(sum(one[0] > config.eps for one in values), config.resplits)
        at = {"system": name, "data": data}
        rows += [
            row("risk", risk, **at),
            row("risk exceeded", exceeded, **at),
            row("solutions in a set", size, **at),
            row("solutions drawn", drawn, **at),
        ]
    rows.append(row("abstained", Rate(abstained, config.resplits), data=data, system=SETS))
    if by_group and groups is not None:
        for level, value in zip(sorted(set(groups)), np.mean(by_group, axis=0), strict=True):
            rows.append(row("risk by difficulty", float(value), data=data, level=str(level)))
    return rows


Held = tuple[str, NDArray[np.bool_] | None, float]


def _sets(known: Signals, rest: Signals, config: LrmConformalConfig, seed: int) -> list[Held]:
    """Name, sets (n, K) and solutions drawn of every system."""
    made: list[Held] = []
    blind = replace(known, valid=np.ones_like(known.valid))
    for name, signals in ((SETS, known), (ANSWERS, blind)):
        rule = ReasoningSets(config.eps, config.delta, points=config.points, seed=seed)
        rule.calibrate_signals(signals)
        if rule.setting is None:
            made.append((name, None, 0.0))
        else:
            drawn = float(solutions_drawn(rest, rule.setting).mean())
            made.append((name, chosen(rest, rule.setting), drawn))
    made.append((LAC, _by_frequency(known, rest, config.eps), float(rest.solutions)))
    count = _fixed(known, config)
    first = np.arange(rest.solutions) < (count or 0)
    held = None if count is None else np.broadcast_to(first, rest.correct.shape)
    made.append((FIXED, held, float(count or 0)))
    made.append((VOTE, _best_of(rest, _shares(rest) == _most(rest)), float(rest.solutions)))
    return made


def _fixed(known: Signals, config: LrmConformalConfig) -> int | None:
    """Smallest certified number of first solutions that are all kept."""
    right = known.correct & known.valid
    found = np.logical_or.accumulate(right, axis=1)
    lost = ~found[:, ::-1]  # the most cautious first
    safe = int(fixed_sequence(binomial_p_values(lost, config.eps), config.delta).sum())
    return known.solutions - safe + 1 if safe else None


def _shares(signals: Signals) -> NDArray[np.float64]:
    """Share of the question's solutions that give the same answer, (n, K)."""
    same = signals.answer[:, :, None] == signals.answer[:, None, :]
    return np.asarray(same.mean(2), dtype=np.float64)


def _most(signals: Signals) -> NDArray[np.float64]:
    return np.asarray(_shares(signals).max(1, keepdims=True))


def _by_frequency(known: Signals, rest: Signals, alpha: float) -> NDArray[np.bool_]:
    """Answers whose share reaches the split-conformal threshold, one solution each (LAC)."""
    right = np.where(known.correct, _shares(known), 0).max(1)
    scores = np.sort(1 - right)
    rank = int(np.ceil((len(scores) + 1) * (1 - alpha)))
    threshold = scores[rank - 1] if rank <= len(scores) else np.inf
    return _best_of(rest, 1 - _shares(rest) <= threshold)


def _best_of(signals: Signals, allowed: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return the mask of each allowed answer's best solution, bool (n, K)."""
    better = (signals.quality[:, None, :] > signals.quality[:, :, None]) | (
        (signals.quality[:, None, :] == signals.quality[:, :, None])
        & (
            np.arange(signals.solutions)[None, None, :]
            < np.arange(signals.solutions)[None, :, None]
        )
    )
    same = signals.answer[:, :, None] == signals.answer[:, None, :]
    return np.asarray(allowed & ~(better & same).any(2))
