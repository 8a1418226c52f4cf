"""Detectors that let a model continue or rewrite the text: DNA-GPT and RAIDAR.

DNA-GPT (Yang et al., ICLR 2024), black-box form: shared n-grams of regenerated second halves and
the text's own. Half, lengths of n-grams and their weights are recalled from the paper; the rest is
ours. The released code differs: it counts stemmed tokens, divides by the sum of the n that have a
match, and weighs n by (3n - 2) ln(3n - 2) instead of n ln n, since its table of n-grams holds three
keys for each n; at n = 3 that is 4.1 times the weight. We keep the paper's weights. RAIDAR (Mao et
al., ICLR 2024): a model that is asked to rewrite a text changes less of what a machine wrote. The
paper weighs several edit statistics of several prompts by a classifier; here one prompt of ours and
one statistic are the score, and the calibration does the rest.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import SequenceMatcher
from typing import Any

import numpy as np

from sterling.lm import LanguageModel, Message, Sampling
from sterling.runs import derive_seed
from sterling.text.corpus.records import content_id
from sterling.text.detectors.scored import Scored, TrainingFree, score_words

SHORTEST, LONGEST = 3, 25  # n-grams of DNA-GPT
SAMPLING = Sampling(temperature=0.7, top_p=1.0)
PROMPT = "Rewrite this text so that it reads well. Answer with the text alone.\n\n"
MAX_WORDS = 300  # of a text to rewrite; an answer to more would be cut anyway


def overlap(own: Sequence[str], other: Sequence[str]) -> float:
    """Return weighed shares of n-grams that a regenerated text shares with the own continuation.

    Sum over n from 3 to 25 of n ln n |grams_n(other) & grams_n(own)| / (|other| |grams_n(own)|),
    0 or more; grams are distinct ones.

    Args:
        own: Words of the text's continuation.
        other: Words of the regenerated continuation.
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
class DnaGpt(TrainingFree):
    """Mean overlap over regenerated continuations; larger is more like this model's text.

    Attributes:
        model: Model that continues the first half.
        continuations: Number of continuations, 1 or more; the paper takes 10 to 20.
        seed: Seed of the sampling.
        name: "dna_gpt".
    """

    model: LanguageModel
    continuations: int = 10
    seed: int = 0
    name: str = "dna_gpt"

    def score(self, texts: Sequence[str]) -> Scored:
        """Score by generating `continuations` second halves of each text."""
        return score_words(texts, self._overlap)

    def _overlap(self, text: str, words: list[str]) -> float:
        half = len(words) // 2
        answers = self.model.generate(
            [" ".join(words[:half])] * self.continuations,
            replace(SAMPLING, max_new_tokens=2 * (len(words) - half)),
            seed=derive_seed(self.seed, content_id(text)) % 2**31,
            purpose="dna_gpt",
        )
        return float(np.mean([overlap(words[half:], one.text.split()) for one in answers]))

    def settings(self) -> dict[str, Any]:
        """Return model, number of continuations, seed, prompt."""
        return {
            "model": self.model.name,
            "continuations": self.continuations,
            "seed": self.seed,
            "prompt": "the text's first half of words",
        }


def kept_share(before: Sequence[str], after: Sequence[str]) -> float:
    """Return the share of words that both have in the same order, in [0, 1].

    Twice the matching words over all words of both (Ratcliff and Obershelp).
    """
    return SequenceMatcher(None, before, after, autojunk=False).ratio()


@dataclass(eq=False)
class Raidar(TrainingFree):
    """Share of the text's words that a rewriting keeps; larger is more like a machine.

    Attributes:
        model: Model that rewrites; it needs a chat template.
        rewritings: Number of rewritings, 1 or more; their mean is the score.
        seed: Seed of the sampling.
        name: "raidar".
    """

    model: LanguageModel
    rewritings: int = 3
    seed: int = 0
    name: str = "raidar"

    def score(self, texts: Sequence[str]) -> Scored:
        """Score by having every text rewritten."""
        return score_words(texts, self._kept, lambda text: text.split()[:MAX_WORDS])

    def _kept(self, text: str, words: list[str]) -> float:
        message = Message(role="user", content=PROMPT + " ".join(words))
        answers = self.model.chat(
            [[message]] * self.rewritings,
            Sampling(max_new_tokens=2 * len(words), temperature=0.7),
            seed=derive_seed(self.seed, content_id(text)) % 2**31,
            purpose="raidar",
        )
        return float(np.mean([kept_share(words, one.text.split()) for one in answers]))

    def settings(self) -> dict[str, Any]:
        """Return model, rewritings, truncation, seed, prompt."""
        return {
            "model": self.model.name,
            "copies": self.rewritings,
            "max_words": MAX_WORDS,
            "seed": self.seed,
            "prompt": PROMPT.strip(),
        }
