"""Binoculars: how surprising a text is, over how surprising one model finds another's predictions.

Hans et al., "Spotting LLMs With Binoculars", ICML 2024. Two models of one tokenizer are needed. The
second one by default is the first with its last layers taken off: ours, and weaker than the pair
of a base and a tuned model that the paper uses.
"""

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.lm import LocalModel
from sterling.text.detectors.scored import Scored, TrainingFree, too_short, unreadable
from sterling.text.detectors.token_metrics import MAX_TOKENS, pass_settings

KEPT = 0.8  # share of the layers that the observer keeps


def without_last_layers(model: LocalModel, kept: float = KEPT) -> LocalModel:
    """Return a model with its first layers only.

    Args:
        model: A decoder with ``model.layers``, as Llama has.
        kept: Share of layers to keep, above 0, at most 1; at least one is kept.

    Raises:
        InputError: The model has no such layers.
    """
    inner = getattr(model.model, "model", None)
    layers = getattr(inner, "layers", None)
    if layers is None:
        raise InputError(f"{model.name}: its layers are not model.layers; give a second model")
    count = max(1, round(kept * len(layers)))
    # Weights are shared, so that the copy costs no memory.
    memo = {id(one): one for one in model.model.parameters()}
    shorter = copy.deepcopy(model.model, memo)
    shorter.model.layers = shorter.model.layers[:count]
    shorter.config.num_hidden_layers = count
    return LocalModel(f"{model.name}-{count}-layers", shorter, model.tokenizer)


def mean_cross_entropy(observer: Tensor, performer: Tensor) -> Tensor:
    """Return -sum over tokens v of p_observer(v) ln p_performer(v) of logits (..., V), in nats."""
    overlap: Tensor = torch.linalg.vecdot(observer.softmax(-1), performer.log_softmax(-1))
    return -overlap


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    return (values * mask).sum(1) / mask.sum(1)


@dataclass(eq=False)
class Binoculars(TrainingFree):
    """Minus the ratio of log-perplexity and cross-perplexity: larger is more like a machine.

    The log-perplexity is a mean over the T tokens after the first, the cross-perplexity over all
    T + 1 positions, as in MGT-Eval's code.

    Attributes:
        performer: Model whose negative log-likelihood of the text is measured.
        observer: Model whose predictions it is compared with.
        max_tokens: Number of a text's first tokens that count.
    """

    performer: LocalModel
    observer: LocalModel
    max_tokens: int = MAX_TOKENS
    name: str = "binoculars"

    def __post_init__(self) -> None:
        if self.performer.tokenizer.get_vocab() != self.observer.tokenizer.get_vocab():
            raise InputError(
                f"binoculars: {self.performer.name} and {self.observer.name} have different "
                "tokenizers; give two models of one"
            )

    def score(self, texts: Sequence[str]) -> Scored:
        """Score by two forward passes over each text."""
        limit = min(self.max_tokens, self.performer.context, self.observer.context)
        reasons = [unreadable(text) for text in texts]
        ids = [
            torch.empty(0) if why else self.performer.encode(text, limit)
            for text, why in zip(texts, reasons, strict=True)
        ]
        reasons = [
            why or too_short(len(tokens) - 1) for why, tokens in zip(reasons, ids, strict=True)
        ]
        rows = [row for row, why in enumerate(reasons) if not why]
        values = np.full(len(texts), np.nan)
        chosen = [ids[row] for row in rows]
        # Both go through the texts in the same batches, whose order depends on lengths alone.
        pairs = zip(self.performer.passes(chosen), self.observer.passes(chosen), strict=True)
        for own, other in pairs:
            logits = own.logits.float()
            targets, mask = own.ids[:, 1:], own.mask[:, 1:]
            nll = -logits[:, :-1].log_softmax(-1).gather(-1, targets[..., None])[..., 0]
            # The last position predicts no token of the text and counts in the cross-entropy alone.
            cross = mean_cross_entropy(other.logits.float(), logits)
            ratio = _mean(nll, mask) / _mean(cross, own.mask)
            values[[rows[row] for row in own.rows]] = -ratio.cpu().double().numpy()
        return Scored.of(values, reasons)

    def settings(self) -> dict[str, Any]:
        """Return both models, truncation, prompt."""
        own = pass_settings(self.performer, self.max_tokens)
        return {**own, "observer": self.observer.name}
