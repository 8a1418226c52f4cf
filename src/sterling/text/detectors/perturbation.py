"""DetectGPT and NPR: is the text likelier than slightly changed copies of it?

Mitchell et al., ICML 2023; Su et al., EMNLP 2023. Texts are changed by the span attack (30 % of the
words, spans of two, as the platform does). Without a refilling model "span-lite" stands in for T5:
ours, and weaker.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError
from sterling.lm import LocalModel, SignalStore
from sterling.runs import derive_seed
from sterling.text.attacks import AttackTools, attack_text
from sterling.text.attacks.rewriting_rules import followers
from sterling.text.corpus.records import content_id
from sterling.text.detectors.scored import Scored
from sterling.text.detectors.token_metrics import (
    MAX_TOKENS,
    likelihood,
    log_rank,
    pass_settings,
    token_signals,
)

SHARE = 0.3


@dataclass(eq=False)
class PerturbationDetector:
    """A text against changed copies of itself.

    "detect_gpt" is (l(x) - mean l(x~)) / sd l(x~) with l the mean log-probability of a token;
    "npr" is mean r(x~) / r(x) with r the mean logarithm of the rank.

    Attributes:
        name: Name of the score.
        model: Model that scores the tokens.
        tools: Tools that change the texts; a model in it refills the spans, else "span-lite" does.
        copies: Number of changed copies of each text, 2 or more; the platform takes 100.
        seed: Seed of the changes, which depend on the text alone.
        max_tokens: Number of a text's first tokens that count.
        store: Store of earlier passes.
    """

    name: Literal["detect_gpt", "npr"]
    model: LocalModel
    tools: AttackTools
    copies: int = 100
    seed: int = 0
    max_tokens: int = MAX_TOKENS
    store: SignalStore | None = None

    def fit(self, texts: Sequence[str], labels: NDArray[np.intp]) -> None:
        """Learn the words that follow each word, where no model refills spans."""
        del labels
        if self.tools.model is None and self.tools.known is None:
            self.tools = replace(self.tools, known=followers(texts))

    def _copies(self, text: str) -> list[str]:
        attack = "span-lite" if self.tools.model is None else "span"
        return [
            attack_text(
                text,
                attack,
                np.random.default_rng(derive_seed(self.seed, content_id(text), copy)),
                share=SHARE,
                tools=self.tools,
            ).text
            for copy in range(self.copies)
        ]

    def score(self, texts: Sequence[str]) -> Scored:
        """Score by ``1 + copies`` forward passes over each text."""
        if self.tools.model is None and self.tools.known is None:
            raise InputError(f"{self.name}: fit it first, or give a model that refills spans")
        own, reasons = token_signals(
            self.model, texts, max_tokens=self.max_tokens, store=self.store
        )
        values = np.full(len(texts), math.nan)
        for row, (text, stats) in enumerate(zip(texts, own, strict=True)):
            if reasons[row]:
                continue
            changed, why = token_signals(
                self.model, self._copies(text), max_tokens=self.max_tokens, store=self.store
            )
            kept = [one for one, reason in zip(changed, why, strict=True) if not reason]
            if len(kept) < 2:
                reasons[row] = "too short to be changed"
            elif self.name == "npr":
                floor = math.log(2) / len(stats.rank)  # as for the LRR
                own_rank = max(-log_rank(stats), floor)
                values[row] = -np.mean([log_rank(one) for one in kept]) / own_rank
            else:
                others = np.array([likelihood(one) for one in kept])
                values[row] = (likelihood(stats) - others.mean()) / max(others.std(ddof=1), 1e-6)
        return Scored.of(values, reasons)

    def settings(self) -> dict[str, Any]:
        """Return model, truncation, prompt, and how texts are changed."""
        refill = None if self.tools.model is None else self.tools.model.name
        return {
            **pass_settings(self.model, self.max_tokens),
            "copies": self.copies,
            "share": SHARE,
            "changed_by": refill or "span-lite",
            "seed": self.seed,
        }

    def state(self) -> dict[str, Tensor]:
        """Return the words that follow each word, as the bytes of a JSON object."""
        if self.tools.known is None:
            return {}
        text = json.dumps({word: list(after) for word, after in self.tools.known.items()})
        return {"known": torch.frombuffer(bytearray(text.encode()), dtype=torch.uint8)}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take the words that follow each word."""
        if "known" in state:
            known = json.loads(state["known"].numpy().tobytes())
            self.tools = replace(self.tools, known=known)
