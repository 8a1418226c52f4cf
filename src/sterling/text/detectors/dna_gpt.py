"""DNA-GPT: does the model go on from the text's first half as the text does?

Yang et al., ICLR 2024, black-box form: shared n-grams of regenerated second halves and the text's
own. Half, lengths of n-grams and their weights are recalled from the paper; the rest is ours.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from sterling.lm import LanguageModel, Sampling
from sterling.runs import derive_seed
from sterling.text.corpus.records import content_id
from sterling.text.detectors.scored import LEAST_TOKENS, Scored, unreadable

SHORTEST, LONGEST = 3, 25
SAMPLING = Sampling(temperature=0.7, top_p=1.0)


def overlap(own: Sequence[str], other: Sequence[str]) -> float:
    """Weighed shares of n-grams that a regenerated text shares with the text's own continuation.

    Sum over n from 3 to 25 of n ln n |grams_n(other) & grams_n(own)| / (|other| |grams_n(own)|),
    0 or more; grams are distinct ones.

    Args:
        own: Words of the text's continuation.
        other: Words of the regenerated one.
    """
    total = 0.0
    for n in range(SHORTEST, min(LONGEST, len(own), len(other)) + 1):
        mine, theirs = (
            {tuple(words[at : at + n]) for at in range(len(words) - n + 1)}
            for words in (own, other)
        )
        total += n * math.log(n) * len(mine & theirs) / (len(other) * len(mine))
    return total


@dataclass(eq=False)
class DnaGpt:
    """Mean overlap over regenerated continuations; larger is more like this model's text.

    Attributes:
        model: Goes on from the first half.
        continuations: How many, 1 or more; the paper takes 10 to 20.
        seed: Of the sampling.
        name: "dna_gpt".
    """

    model: LanguageModel
    continuations: int = 10
    seed: int = 0
    name: str = "dna_gpt"

    def fit(self, texts: Sequence[str], labels: NDArray[np.intp]) -> None:
        """Nothing is learned."""

    def score(self, texts: Sequence[str]) -> Scored:
        """Generates `continuations` second halves of each text."""
        reasons = [unreadable(text) for text in texts]
        values = np.full(len(texts), np.nan)
        for row, text in enumerate(texts):
            words = text.split()
            if not reasons[row] and len(words) < LEAST_TOKENS:
                reasons[row] = f"too short: {len(words)} words, {LEAST_TOKENS} are needed"
            if reasons[row]:
                continue
            half = len(words) // 2
            prompts = [" ".join(words[:half])] * self.continuations
            sampling = replace(SAMPLING, max_new_tokens=2 * (len(words) - half))
            seed = derive_seed(self.seed, content_id(text)) % 2**31
            answers = self.model.generate(prompts, sampling, seed=seed, purpose="dna_gpt")
            values[row] = np.mean(
                [overlap(words[half:], answer.text.split()) for answer in answers]
            )
        return Scored.of(values, reasons)

    def settings(self) -> dict[str, Any]:
        """Model, number of continuations, seed, prompt."""
        return {
            "model": self.model.name,
            "continuations": self.continuations,
            "seed": self.seed,
            "prompt": "the text's first half of words",
        }

    def state(self) -> dict[str, Tensor]:
        """Nothing was learned."""
        return {}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Nothing was learned."""
