"""Contract of watermarks."""

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from scipy import stats

from sterling.testing.guarantees import Repetition, judge


class _Detection(Protocol):
    @property
    def p_value(self) -> float: ...


class _Watermark(Protocol):
    def processor(self) -> Callable[[Any, Any], Any]: ...

    def detect(self, token_ids: Any, prompt_length: int = 0) -> _Detection: ...


def check_watermark(
    watermark: Callable[[int], _Watermark],
    *,
    alpha: float = 0.05,
    vocabulary: int = 200,
    length: int = 120,
    repeats: int = 300,
    seed: int = 0,
    false_alarm: float = 1e-4,
) -> list[Repetition]:
    """Check a text watermark: it accuses as seldom as it says, and finds what it marked.

    Texts without the mark are tokens drawn by Zipf's law, whole phrases said again and again, and
    texts marked with another key; the p-value may fall to alpha in a share of alpha of them. Texts
    generated from flat logits must be found in nine of ten cases.

    Args:
        watermark: From a key, an integer of 0 or more, to an object whose ``processor()`` is a
            `transformers` ``LogitsProcessor`` and whose ``detect(token_ids, prompt_length=0)``
            has a ``p_value``.
        alpha: Level to test at.
        vocabulary: Number of tokens.
        length: Tokens of a text.
        repeats: Texts of each kind, each with a key of its own.
        seed: Seed of texts and keys.
        false_alarm: Bound of the probability that a correct implementation fails, in (0, 1).

    Raises:
        AssertionError: Texts are accused too often or not found, or what was only the prompt is
            taken for marked.
    """
    rng = np.random.default_rng(seed)
    marks = [watermark(int(key)) for key in rng.integers(2**31, size=repeats)]
    frequency = 1 / np.arange(1, vocabulary + 1)
    frequency /= frequency.sum()
    phrases = rng.integers(vocabulary, size=(repeats, 10, 6))
    again = rng.integers(10, size=(repeats, length // 6))
    marked = [_marked(mark, vocabulary, length, rng) for mark in marks[:50]]
    null: dict[str, Any] = {
        "tokens by Zipf's law": rng.choice(vocabulary, (repeats, length), p=frequency),
        "phrases again and again": [
            one[rows].ravel() for one, rows in zip(phrases, again, strict=True)
        ],
    }
    accused = {
        name: [mark.detect(text).p_value <= alpha for mark, text in zip(marks, texts, strict=True)]
        for name, texts in null.items()
    }
    others = [watermark(int(key)) for key in rng.integers(2**31, size=len(marked))]
    accused["marked with another key"] = [
        mark.detect(text).p_value <= alpha for mark, text in zip(others, marked, strict=True)
    ]
    outcomes = [
        Repetition(
            name,
            float(np.mean(found)),
            alpha,
            len(found),
            float(stats.binom.sf(sum(found) - 1, len(found), alpha)),
        )
        for name, found in accused.items()
    ]
    missed = [mark.detect(text).p_value > alpha for mark, text in zip(marks, marked, strict=False)]
    chance = float(stats.binom.sf(sum(missed) - 1, len(missed), 0.1))
    outcomes.append(Repetition("marked texts missed", float(np.mean(missed)), 0.1, 50, chance))
    if marks[0].detect(marked[0], prompt_length=length).p_value <= alpha:
        raise AssertionError("a text that is all prompt is taken for marked")
    judge(outcomes, false_alarm, "goes wrong")
    return outcomes


def _marked(
    mark: _Watermark, vocabulary: int, length: int, rng: np.random.Generator
) -> NDArray[np.intp]:
    """Tokens drawn from flat logits under a mark."""
    processor = mark.processor()
    ids = [int(rng.integers(vocabulary))]
    while len(ids) < length:
        scores = processor(torch.tensor([ids]), torch.zeros(1, vocabulary))
        chance = scores[0].double().softmax(dim=-1).numpy()
        ids.append(int(rng.choice(vocabulary, p=chance / chance.sum())))
    return np.array(ids)
