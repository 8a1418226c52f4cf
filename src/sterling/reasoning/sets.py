"""Sets of reasoning and answer that hold a right answer with valid reasoning, with a guarantee.

::

    sets = ReasoningSets(eps=0.2, delta=0.05).calibrate(read_questions(Path("samples.jsonl")))
    print(sets.guarantee.statement)
    sets.predict(read_questions(Path("new.jsonl"), gold=False))[0].traces

Solutions are taken in the order in which they were drawn. One is skipped if its quality is below a
limit, or if it is too similar to one that was kept; drawing stops when the set is confident enough.
The three limits are chosen by Learn then Test: with confidence ``1 - delta`` at most a share
``eps`` of new questions gets a set without a valid trace to the right answer.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from sterling.checks import Count, Level, check_fields
from sterling.errors import InputError
from sterling.guarantee import Assumption, Guarantee, fixed_sequence
from sterling.guarantee.risk_tests import binomial_p_values
from sterling.guarantee.statement import INDEPENDENT
from sterling.measure import Rate
from sterling.reasoning.limits import (
    Confidence,
    Setting,
    chosen,
    evaluate_grid,
    grid_of,
    losses,
    solutions_drawn,
)
from sterling.reasoning.samples import Question, Signals, signals_of
from sterling.reasoning.validity import Checker, JudgedChecker, arithmetic_holds
from sterling.storage import write_atomically
from sterling.tables import read_bytes

CHECKERS: Mapping[str, Checker] = {"arithmetic": arithmetic_holds, "none": lambda _trace: True}
"""Checkers of valid reasoning by name; "none" accepts every trace."""


def smallest_calibration(eps: float, delta: float) -> int:
    """Fewest questions with which any setting can be certified: ``(1 - eps)^n <= delta``.

    Examples:
        >>> smallest_calibration(0.1, 0.05)
        29
    """
    return math.ceil(math.log(delta) / math.log1p(-eps))


@dataclass(frozen=True)
class ReasoningSet:
    """Answer to one question.

    Attributes:
        traces: Reasoning of the kept solutions.
        answers: Answers of the kept solutions.
        drawn: Number of solutions that were drawn.
        abstained: No setting was certified, so nothing is promised and nothing answered.
    """

    traces: tuple[str, ...]
    answers: tuple[str, ...]
    drawn: int
    abstained: bool = False


@dataclass(frozen=True)
class FailingPart:
    """Failures by part of a set, on the calibration questions.

    Attributes:
        answer: Share of sets without the right answer.
        reasoning: Share of sets without a valid trace, among those with the right answer.
    """

    answer: Rate
    reasoning: Rate


@dataclass(eq=False)
class ReasoningSets:
    """Calibrates sets of reasoning and answer, as a scikit-learn estimator calibrates.

    Half of the questions choose the order in which settings are tested, the other half tests them.

    Args:
        eps: Largest allowed share of questions whose set has no valid trace to the right answer.
        delta: Probability, over the draw of the calibration questions, that it is exceeded.
        solutions: Number of solutions drawn at most; None takes as many as every calibration
            question has. New questions must have as many.
        confidence: When to stop: "agreement" is the number of kept solutions with the most common
            answer, "max" the best quality, "sum" the sum of 1 / (1 + exp(-quality)). The last two
            need a quality, and are refused without.
        checker: Whether a trace is valid.
        points: Number of quantiles tried for each limit.
        seed: Seed of the split.

    Raises:
        InputError: A setting is out of range.

    Source: Learn then Test over the sample, reject and stop rule of conformal language modelling
    (Quach et al., ICLR 2024), with the loss of arXiv 2604.13395: no accepted trace with the right
    answer. The configurations and the split are our choice.

    Examples:
        >>> sets = ReasoningSets(eps=0.2, delta=0.05).calibrate(questions)
        >>> sets.predict(new)[0].answers
    """

    eps: Level
    delta: Level
    solutions: Count | None = None
    confidence: Confidence = "agreement"
    checker: Checker = arithmetic_holds
    points: Count = 25
    seed: int = 0
    drawn_at_most: int | None = field(init=False, default=None)
    setting: Setting | None = field(init=False, default=None)
    guarantee: Guarantee | None = field(init=False, default=None)
    fails: FailingPart | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        check_fields(self)

    def calibrate(self, questions: Sequence[Question]) -> Self:
        """Choose the cheapest certified setting; without one, `predict` abstains.

        Args:
            questions: Questions with gold answers and sampled solutions, drawn independently.

        Raises:
            InputError: A question has no gold answer or too few solutions, or there are too few
                questions for ``eps`` and ``delta``; the message names how many would do.
        """
        for index, one in enumerate(questions):
            if one.gold is None:
                raise InputError(f"question {index + 1} has no gold answer; calibration needs it")
        return self.calibrate_signals(
            signals_of(questions, solutions=self.solutions, checker=self.checker)
        )

    def calibrate_signals(self, signals: Signals) -> Self:
        """Calibrate on measured signals; see `calibrate`."""
        self._require_quality(signals, self.confidence != "agreement")
        least = smallest_calibration(self.eps, self.delta)
        half = len(signals) // 2
        if len(signals) - half < least:
            raise InputError(
                f"{len(signals)} questions: eps {self.eps:g} and delta {self.delta:g} need "
                f"{2 * least} or more, half of which choose the order"
            )
        order = np.random.default_rng(self.seed).permutation(len(signals))
        tuning, testing = signals.rows(order[:half]), signals.rows(order[half:])
        front = self._front(tuning)
        lost = losses(testing, front, confidence=self.confidence)
        safe = np.flatnonzero(fixed_sequence(binomial_p_values(lost, self.eps), self.delta))
        self.setting, self.fails, self.drawn_at_most = None, None, signals.solutions
        if len(safe):
            self.setting = front[int(safe[-1])]
            self.fails = self._fails(testing)
        self.guarantee = self._stated(testing, lost, len(safe))
        return self

    def predict(self, questions: Sequence[Question]) -> list[ReasoningSet]:
        """Return the set of each question.

        Args:
            questions: Questions with sampled solutions; gold answers are not used.

        Raises:
            InputError: Not calibrated yet, a question has fewer solutions than calibration drew,
                or has no scores where the limits need them. The promise would not hold.
        """
        if self.guarantee is None:
            raise InputError("ReasoningSets: calibrate first")
        if self.setting is None:
            return [ReasoningSet((), (), 0, abstained=True) for _ in questions]
        signals = signals_of(questions, solutions=self.drawn_at_most, checker=CHECKERS["none"])
        needed = self.confidence != "agreement" or math.isfinite(self.setting.quality)
        self._require_quality(signals, needed)
        held = chosen(signals, self.setting, self.confidence)
        drawn = solutions_drawn(signals, self.setting, self.confidence)
        made = []
        for row, one in enumerate(questions):
            at = np.flatnonzero(held[row]).tolist()
            made.append(
                ReasoningSet(
                    tuple(one.traces[k] for k in at),
                    tuple(one.answers[k] for k in at),
                    int(drawn[row]),
                )
            )
        return made

    def save(self, path: Path) -> None:
        """Write the limits and the guarantee as JSON."""
        write_atomically(path, (json.dumps(self.to_dict(), indent=1) + "\n").encode())

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: The file is missing or holds something else.
        """
        try:
            stored = json.loads(read_bytes(path))
            sets = cls(
                stored["eps"],
                stored["delta"],
                confidence=stored["confidence"],
            )
            sets.drawn_at_most = int(stored["solutions"])
            setting = stored["setting"]
            if setting is not None:
                limits = {name: float(value) for name, value in setting.items()}
                sets.setting = Setting(**limits)
            promise = stored["guarantee"]
            assumed = tuple(Assumption(**one) for one in promise.pop("assumptions"))
            sets.guarantee = Guarantee(**promise, assumptions=assumed)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            if isinstance(error, InputError):
                raise
            raise InputError(
                f"{path}: not the limits that `sterling reasoning calibrate` writes"
            ) from error
        return sets

    def to_dict(self) -> dict[str, Any]:
        """Settings, limits and guarantee as JSON knows them; an infinite limit as text."""
        return {
            "eps": self.eps,
            "delta": self.delta,
            "solutions": self.drawn_at_most,
            "confidence": self.confidence,
            "setting": None
            if self.setting is None
            else {
                name: value if math.isfinite(value) else str(value)
                for name, value in self.setting._asdict().items()
            },
            "guarantee": None if self.guarantee is None else asdict(self.guarantee),
            "fails": None if self.fails is None else asdict(self.fails),
        }

    def rows(self) -> list[tuple[str, str]]:
        """Guarantee, limits and failing parts, for people."""
        said: list[tuple[str, str]] = []
        if self.guarantee is not None:
            said += [(str(name), str(text)) for name, text in self.guarantee.rows()]
        if self.setting is not None:
            quality, diversity, stop = self.setting
            skips = [
                text
                for text, used in (
                    (f"quality below {quality:.4g}", math.isfinite(quality)),
                    (f"more similar than {diversity:.4g} to a kept one", diversity < 1),
                )
                if used
            ]
            reached = f"{self.confidence} of {stop:.4g}" if math.isfinite(stop) else "never"
            said += [("skip a solution", ", or ".join(skips) or "never"), ("stop at", reached)]
        if self.fails is not None:
            for name, rate in (
                ("sets without the right answer", self.fails.answer),
                ("of the others, without valid reasoning", self.fails.reasoning),
            ):
                interval = rate.interval()
                said.append(
                    (
                        name,
                        f"{rate.value:.3f} ({interval.low:.3f} … {interval.high:.3f}), "
                        f"{rate.errors} of {rate.trials}",
                    )
                )
        return said

    def _require_quality(self, signals: Signals, needed: bool) -> None:
        if needed and not signals.named:
            raise InputError(
                f"the limits (confidence {self.confidence}) need scores or logprobs of every "
                "trace; write them, or calibrate without and with confidence agreement"
            )

    def _front(self, tuning: Signals) -> list[Setting]:
        """Settings that no other beats in risk and cost on the tuning half, by rising risk."""
        grid = grid_of(tuning, self.points, self.confidence)
        outcome = evaluate_grid(tuning, grid, confidence=self.confidence)
        risk = outcome.risk.ravel()
        cost = (outcome.size + outcome.drawn).ravel()
        order = np.lexsort((cost, risk))
        cheapest = np.minimum.accumulate(np.append(np.inf, cost[order]))
        settings = grid.settings()
        return [settings[i] for i, least in zip(order, cheapest, strict=False) if cost[i] < least]

    def _fails(self, testing: Signals) -> FailingPart:
        assert self.setting is not None
        held = chosen(testing, self.setting, self.confidence)
        answered = (held & testing.correct).any(1)
        valid = (held & testing.correct & testing.valid).any(1)
        return FailingPart(
            Rate(int((~answered).sum()), len(testing)),
            Rate(int((answered & ~valid).sum()), int(answered.sum())),
        )

    def _stated(self, testing: Signals, lost: NDArray[np.bool_], safe: int) -> Guarantee:
        assumed = [
            INDEPENDENT,
            Assumption(
                "the sampler draws new questions' solutions as it drew these, and the checker is "
                "the same"
            ),
        ]
        if isinstance(self.checker, JudgedChecker):
            size = 0.0 if self.setting is None else self._size(testing)
            assumed.append(
                Assumption(
                    "validity is the judge's word; counting its false accepts of "
                    f"{self.checker.false_accept:g} a trace, the share is at most "
                    f"{min(1.0, self.eps + self.checker.false_accept * size):.3g}, given "
                    f"{size:.3g} solutions a set"
                )
            )
        if not safe:
            best = float(lost.mean(0).min())
            statement = (
                f"No setting is certified at eps {self.eps:g} and delta {self.delta:g}: the "
                f"best has risk {best:.3g} on {len(testing)} questions. Nothing is promised; "
                "sets abstain."
            )
        else:
            statement = (
                f"With confidence {1 - self.delta:g} over the draw of the calibration questions, "
                f"at most {self.eps:g} of new questions get a set without a valid trace to the "
                "right answer."
            )
        return Guarantee(statement, tuple(assumed), len(testing), self.eps, 1 - self.delta)

    def _size(self, signals: Signals) -> float:
        assert self.setting is not None
        return float(chosen(signals, self.setting, self.confidence).sum(1).mean())
