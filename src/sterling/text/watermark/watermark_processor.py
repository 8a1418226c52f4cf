"""Marking what a language model generates, step by step, inside ``generate`` of transformers."""

import torch
from torch import Tensor
from transformers import LogitsProcessor

from sterling.text.watermark.keyed_hash import mixed_tokens, token_numbers
from sterling.text.watermark.triple_set import RED, TripleSetWatermark


class WatermarkProcessor(LogitsProcessor):  # type: ignore[misc]
    """Bans the red tokens of every step, and favours its green ones.

    Steps are left unmarked where the text is shorter than the context, and where green and yellow
    together are less probable than the watermark's `least_mass`.

    Attributes:
        steps: Tokens that were to be marked so far, over all texts.
        unmarked: How many of them were left unmarked.

    Args:
        watermark: Which one.
    """

    def __init__(self, watermark: TripleSetWatermark) -> None:
        self.watermark = watermark
        self.steps = self.unmarked = 0
        self._vocabulary = torch.empty(0, dtype=torch.int32)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Logits (N, V) of the next tokens of texts (N, T), marked."""
        mark = self.watermark
        self.steps += len(scores)
        if input_ids.shape[1] < mark.context:
            self.unmarked += len(scores)
            return scores
        states = mark.states(input_ids[:, input_ids.shape[1] - mark.context :])
        mixed = self._mixed(scores)
        # Row by row: what one row needs stays in the processor's cache.
        return torch.stack(
            [
                self._marked(row, token_numbers(state, mixed))
                for row, state in zip(scores, states, strict=True)
            ]
        )

    def _marked(self, scores: Tensor, numbers: Tensor) -> Tensor:
        mark = self.watermark
        marked = scores + mark.bias * mark.green(numbers) if mark.bias else scores
        if mark.ratios[RED] == 0:
            return marked
        red = mark.red(numbers)
        banned = scores.float().softmax(dim=-1).masked_fill_(~red, 0).sum()
        if 1 - banned < mark.least_mass:
            self.unmarked += 1
            return scores
        return marked.masked_fill(red, -torch.inf)

    def _mixed(self, scores: Tensor) -> Tensor:
        """Of the whole vocabulary, computed at the first step."""
        size, device = scores.shape[1], scores.device
        if len(self._vocabulary) != size or self._vocabulary.device != device:
            self._vocabulary = mixed_tokens(torch.arange(size, device=device)).to(torch.int32)
        return self._vocabulary
