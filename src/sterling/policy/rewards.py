"""Numeric rewards: parse an answer, measure its error, turn the error into a reward in [0, 1]."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sterling.checks import Count, Natural, check_numbers, check_values
from sterling.errors import InputError, quoted
from sterling.policy.activations import Activation, snra
from sterling.policy.feedback import relative_squared
from sterling.policy.groups import RewardsLike, as_rewards
from sterling.policy.parsers import NumberParser, last_number
from sterling.policy.schedules import Schedule

Floats = NDArray[np.float64]
Feedback = Callable[[ArrayLike, ArrayLike], Floats]


@dataclass(frozen=True)
class NumericReward:
    """Reward of completions that answer with a number.

    Attributes:
        parser: Finds the number in a completion; None where there is none, which earns 0.
        feedback: Error of predictions against targets, 0 or more.
        activation: Turns errors and a sharpness into rewards in [0, 1].
        sharpness: A number, or a schedule.

    Examples:
        >>> reward = NumericReward(sharpness=100)
        >>> reward(["It is 9 m.", "10", "no idea"], [10, 10, 10]).round(3).tolist()
        [0.538, 1.0, 0.0]
    """

    parser: NumberParser = last_number
    feedback: Feedback = relative_squared
    activation: Activation = snra
    sharpness: float | Schedule = 100.0

    def __call__(
        self, completions: Sequence[Any], targets: RewardsLike, *, step: int | None = None
    ) -> Floats:
        """Score completions.

        Args:
            completions: Texts or lists of messages, (N,); of messages, the last one counts.
            targets: Right answers, (N,); None or NaN where there is none.
            step: Training step, for the schedule; its own step by default.

        Returns:
            Rewards in [0, 1], float64 (N,); NaN where there is no target.

        Raises:
            InputError: A completion is no text, the lengths differ, a target is not a number, or
                the step is beyond the schedule.
        """
        truth = as_rewards("targets", targets)
        if truth.shape != (len(completions),):
            raise InputError(
                f"targets have shape {truth.shape}: give one for each of {len(completions)} "
                "completions"
            )
        return self.of_predictions(self.predictions(completions), truth, step=step)

    def predictions(self, completions: Sequence[Any]) -> Floats:
        """Return the number in each completion, float64 (N,); NaN where there is none.

        Raises:
            InputError: A completion is no text.
        """
        found = map(self.parser, texts_of(completions))
        return np.array([np.nan if value is None else value for value in found], dtype=np.float64)

    def of_predictions(
        self, predictions: ArrayLike, targets: RewardsLike, *, step: int | None = None
    ) -> Floats:
        """Score numbers that are parsed already, as `__call__` does.

        Raises:
            InputError: The shapes differ, or the step is beyond the schedule.
        """
        guess, truth = np.asarray(predictions, np.float64), as_rewards("targets", targets)
        if guess.shape != truth.shape:
            raise InputError(f"predictions {guess.shape} and targets {truth.shape}: give pairs")
        known = ~np.isnan(truth)
        rewards = np.full(truth.shape, np.nan)
        errors = self.feedback(guess[known], truth[known])
        rewards[known] = self.activation(errors, self._sharpness(step))
        return rewards

    def _sharpness(self, step: int | None) -> float:
        if not isinstance(self.sharpness, Schedule):
            return self.sharpness
        return self.sharpness.value if step is None else self.sharpness.at(step)


def texts_of(completions: Sequence[Any]) -> list[str]:
    """Return the text of each completion.

    Args:
        completions: Texts, or lists of messages with "content", of which the last counts. Content
            is a text, or a list of parts, whose texts are joined.

    Raises:
        InputError: A completion is neither; the message names the first.

    Examples:
        >>> texts_of(["5", [{"role": "assistant", "content": "6"}]])
        ['5', '6']
    """
    if isinstance(completions, (str, bytes)):
        raise InputError("completions: give a list of texts, not one text")
    return [
        completion if type(completion) is str else _text(index, completion)
        for index, completion in enumerate(completions)
    ]


def overlong_penalty(lengths: ArrayLike, *, longest: Count, cache: Natural) -> Floats:
    """Return DAPO's soft penalty of long completions, in [-1, 0].

    0 up to `longest` − `cache` tokens, then falling in a line to −1 at `longest`.

    Args:
        lengths: Tokens of each completion, (N,).
        longest: Number of tokens from which on the penalty is −1.
        cache: Tokens over which it falls, at most `longest`.

    Raises:
        InputError: A number is out of its range.

    Source: DAPO (arXiv 2503.14476).

    Examples:
        >>> overlong_penalty([10, 15, 30], longest=20, cache=10).tolist()
        [0.0, -0.5, -1.0]
    """
    check_values({"longest": longest, "cache": cache}, overlong_penalty)
    check_numbers(at_most=longest, cache=cache)
    over = np.asarray(lengths, np.float64) - (longest - cache)
    share = (over > 0).astype(np.float64) if cache == 0 else np.clip(over / cache, 0.0, 1.0)
    penalty: Floats = 0.0 - share
    return penalty


def _text(index: int, completion: Any) -> str:
    if isinstance(completion, str):
        return completion
    if isinstance(completion, Sequence) and completion and isinstance(completion[-1], Mapping):
        content = completion[-1].get("content")
        if isinstance(content, str):
            return content
        if isinstance(content, Sequence) and all(isinstance(part, Mapping) for part in content):
            texts = [part.get("text", "") for part in content]
            if all(isinstance(text, str) for text in texts):
                return "".join(texts)
    raise InputError(
        f"completion {index} is {quoted(completion)}: give a text, or a list of messages with "
        "the text in content"
    )
