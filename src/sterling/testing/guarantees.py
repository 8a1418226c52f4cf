"""Contracts of conformal classifiers and false discovery procedures."""

from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from sterling.guarantee import conformal_p_values, hoeffding_bentkus_p_values

Floats = NDArray[np.float64]
PredictSets = Callable[[Floats, NDArray[np.intp], Floats, int], ArrayLike]
Procedure = Callable[[Floats, float], ArrayLike]
Dependence = Literal["independent", "conformal", "arbitrary"]


@dataclass(frozen=True)
class Repetition:
    """Outcome of one scenario of a statistical check.

    Attributes:
        scenario: Scenario that was repeated.
        rate: Share of failures, or mean false discovery proportion.
        allowed: Largest rate that the guarantee allows.
        repeats: Number of independent repetitions.
        p_value: P-value of "the promise is kept"; the check fails below its share of
            ``false_alarm``.
    """

    scenario: str
    rate: float
    allowed: float
    repeats: int
    p_value: float


def check_conformal(
    predict_sets: PredictSets,
    alpha: float,
    *,
    classes: int = 5,
    repeats: int = 1500,
    seed: int = 0,
    false_alarm: float = 1e-4,
) -> list[Repetition]:
    """Check a conformal classifier: miscoverage at most alpha, on easy and on hostile data.

    The scenarios: probabilities that are right, overconfident ones, ones that are all equal (ties),
    and too few calibration items for the level (there an exception is right, too). Calibration
    sets have about 2 / alpha items, where a quantile that forgets the test item shows.

    Args:
        predict_sets: ``(probabilities (n, C), labels (n,), new probabilities (1, C), seed)`` to
            label sets, bool (1, C). The seed is for methods that randomise.
        alpha: The level that ``predict_sets`` works at.
        classes: C.
        repeats: Repetitions per scenario, one new item each.
        seed: Seed of the data.
        false_alarm: Bound of the probability that a correct implementation fails, in (0, 1).

    Raises:
        AssertionError: The coverage is broken, the sets have the wrong form, or NaN is accepted.
    """
    rng = np.random.default_rng(seed)
    n = round(2 / alpha)

    def right(size: int) -> tuple[Floats, NDArray[np.intp]]:
        probabilities = rng.dirichlet(np.full(classes, 0.5), size=size)
        return probabilities, _labels(probabilities, rng)

    def overconfident(size: int) -> tuple[Floats, NDArray[np.intp]]:
        probabilities, labels = right(size)
        sharper = probabilities**3
        return sharper / sharper.sum(axis=1, keepdims=True), labels

    def equal(size: int) -> tuple[Floats, NDArray[np.intp]]:
        return np.full((size, classes), 1 / classes), rng.integers(0, classes, size=size)

    scenarios = {
        "right probabilities": (right, n),
        "overconfident probabilities": (overconfident, n),
        "equal probabilities": (equal, n),
        "too few calibration items": (right, 3),
    }
    outcomes = []
    for name, (draw, size) in scenarios.items():
        missed = 0
        for repeat in range(repeats):
            probabilities, labels = draw(size + 1)
            try:
                answer = predict_sets(probabilities[:-1], labels[:-1], probabilities[-1:], repeat)
            except Exception:
                if size < n:
                    break
                raise
            sets = np.asarray(answer)
            if sets.shape != (1, classes) or sets.dtype != np.bool_:
                raise AssertionError(
                    f"sets are {sets.dtype} of shape {sets.shape}; expected bool (1, {classes})"
                )
            missed += int(not sets[0, labels[-1]])
        else:
            p = float(stats.binom.sf(missed - 1, repeats, alpha))
            outcomes.append(Repetition(name, missed / repeats, alpha, repeats, p))
    judge(outcomes, false_alarm, "misses the true label")
    probabilities, labels = right(n + 1)
    probabilities[0, 0] = np.nan
    try:
        predict_sets(probabilities[:-1], labels[:-1], probabilities[-1:], 0)
    except Exception:
        return outcomes
    raise AssertionError("a NaN among the calibration probabilities is accepted without a word")


def check_fdr(
    procedure: Procedure,
    alpha: float,
    *,
    dependence: Collection[Dependence] = ("independent", "conformal"),
    hypotheses: int = 40,
    repeats: int = 1500,
    seed: int = 0,
    false_alarm: float = 1e-4,
) -> list[Repetition]:
    """Check a procedure on p-values: false discovery rate at most alpha.

    Args:
        procedure: ``(p (T,), alpha)`` to the rejections, bool (T,).
        alpha: Level to test at.
        dependence: Kinds of dependence under which the level is promised. ``"independent"``;
            ``"conformal"``: p-values that share one calibration set; ``"arbitrary"``: also the
            adversarial one of Guo and Rao (2008), which breaks Benjamini-Hochberg.
        hypotheses: T.
        repeats: Repetitions per scenario.
        seed: Seed of the data.
        false_alarm: Bound of the probability that a correct implementation fails, in (0, 1).

    Raises:
        AssertionError: The rate is too high, or the rejections have the wrong form.
    """
    rng = np.random.default_rng(seed)
    half = np.arange(hypotheses) % 2 == 0
    every = np.ones(hypotheses, dtype=np.bool_)
    draws: dict[str, tuple[Callable[[], Floats], NDArray[np.bool_]]] = {}
    if "independent" in dependence:
        draws["independent, all null"] = (lambda: rng.random(hypotheses), every)
        draws["independent, half null"] = (
            lambda: np.where(half, rng.random(hypotheses), rng.beta(0.05, 10, hypotheses)),
            half,
        )
    if "conformal" in dependence:
        draws["conformal, all null"] = (
            lambda: conformal_p_values(rng.normal(size=200), rng.normal(size=hypotheses)),
            every,
        )
        draws["conformal, half null"] = (
            lambda: conformal_p_values(
                rng.normal(size=200), rng.normal(size=hypotheses) - 4.0 * ~half
            ),
            half,
        )
    if "arbitrary" in dependence:
        draws["adversarial, all null"] = (lambda: _adversarial(hypotheses, alpha, rng), every)
    outcomes = []
    for name, (draw, null) in draws.items():
        proportions = np.empty(repeats)
        for repeat in range(repeats):
            p = draw()
            rejected = np.asarray(procedure(p, alpha))
            if rejected.shape != p.shape or rejected.dtype != np.bool_:
                raise AssertionError(
                    f"rejections are {rejected.dtype} of shape {rejected.shape}; expected bool "
                    f"({hypotheses},)"
                )
            proportions[repeat] = (rejected & null).sum() / max(1, rejected.sum())
        if null.all():  # then each proportion is 0 or 1
            value = float(stats.binom.sf(proportions.sum() - 1, repeats, alpha))
        else:
            value = float(hoeffding_bentkus_p_values(1 - proportions[:, None], 1 - alpha)[0])
        outcomes.append(Repetition(name, float(proportions.mean()), alpha, repeats, value))
    judge(outcomes, false_alarm, "discovers falsely")
    return outcomes


def _labels(probabilities: Floats, rng: np.random.Generator) -> NDArray[np.intp]:
    drawn = (rng.random(len(probabilities))[:, None] > np.cumsum(probabilities, axis=1)).sum(axis=1)
    return np.asarray(np.minimum(drawn, probabilities.shape[1] - 1))


def _adversarial(n: int, alpha: float, rng: np.random.Generator) -> Floats:
    """Uniform null p-values on which Benjamini-Hochberg rejects with probability alpha H_n.

    With probability alpha / j, j of them lie together in (alpha (j - 1) / n, alpha j / n].
    """
    ranks = np.arange(1, n + 1)
    chances = alpha / ranks
    if chances.sum() > 1:
        raise ValueError(f"alpha {alpha} is too large for {n} hypotheses in this construction")
    p = alpha + (1 - alpha) * (1 - rng.random(n))
    drawn = int(np.searchsorted(np.cumsum(chances), rng.random())) + 1
    if drawn <= n:
        p[rng.permutation(n)[:drawn]] = alpha * (drawn - rng.random()) / n
    return p


def judge(outcomes: list[Repetition], false_alarm: float, what: str) -> None:
    """Raise ``AssertionError`` where a repeated check fails, each at its share of `false_alarm`."""
    for one in outcomes:
        if one.p_value < false_alarm / len(outcomes):
            raise AssertionError(
                f"{one.scenario}: {what} at a rate of {one.rate:.4f} over {one.repeats} "
                f"repetitions; promised {one.allowed:g} (p = {one.p_value:.1e})"
            )
