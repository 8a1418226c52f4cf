"""RAIDAR: a model that is asked to rewrite a text changes less of what a machine wrote.

Mao et al., ICLR 2024. The paper weighs several edit statistics of several prompts by a classifier;
here one prompt of ours and one statistic are the score, and the calibration does the rest.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sterling.lm import LanguageModel, Message, Sampling
from sterling.runs import derive_seed
from sterling.text.corpus.records import content_id
from sterling.text.detectors.scored import LEAST_TOKENS, Scored, unreadable

PROMPT = "Rewrite this text so that it reads well. Answer with the text alone.\n\n"
MAX_WORDS = 300  # of a text; an answer to more would be cut anyway


def kept_share(before: Sequence[str], after: Sequence[str]) -> float:
    """Share of words that stand in both in the same order, in [0, 1].

    Twice the matching words over all words of both (Ratcliff and Obershelp).
    """
    return SequenceMatcher(None, before, after, autojunk=False).ratio()


@dataclass(eq=False)
class Raidar:
    """Share of the text's words that a rewriting keeps; larger is more like a machine.

    Attributes:
        model: Rewrites; it needs a chat template.
        rewritings: How many, 1 or more; their mean is the score.
        seed: Of the sampling.
        name: "raidar".
    """

    model: LanguageModel
    rewritings: int = 3
    seed: int = 0
    name: str = "raidar"

    def fit(self, texts: Sequence[str], labels: NDArray[np.intp]) -> None:
        """Nothing is learned."""

    def score(self, texts: Sequence[str]) -> Scored:
        """Has every text rewritten."""
        reasons = [unreadable(text) for text in texts]
        values = np.full(len(texts), np.nan)
        for row, text in enumerate(texts):
            words = text.split()[:MAX_WORDS]
            if not reasons[row] and len(words) < LEAST_TOKENS:
                reasons[row] = f"too short: {len(words)} words, {LEAST_TOKENS} are needed"
            if reasons[row]:
                continue
            message = Message(role="user", content=PROMPT + " ".join(words))
            answers = self.model.chat(
                [[message]] * self.rewritings,
                Sampling(max_new_tokens=2 * len(words), temperature=0.7),
                seed=derive_seed(self.seed, content_id(text)) % 2**31,
                purpose="raidar",
            )
            values[row] = np.mean([kept_share(words, one.text.split()) for one in answers])
        return Scored.of(values, reasons)

    def settings(self) -> dict[str, Any]:
        """Model, rewritings, truncation, seed, prompt."""
        return {
            "model": self.model.name,
            "copies": self.rewritings,
            "max_words": MAX_WORDS,
            "seed": self.seed,
            "prompt": PROMPT.strip(),
        }

    def state(self) -> dict[str, Tensor]:
        """Nothing was learned."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Nothing was learned."""
