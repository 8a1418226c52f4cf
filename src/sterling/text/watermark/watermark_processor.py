"""Marking of generated text, step by step, inside ``generate`` of transformers."""

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
        steps: Number of tokens to mark so far, over all texts.
        unmarked: Number of those that were left unmarked.

    Args:
        watermark: Watermark to apply.
    """

    def __init__(self, watermark: TripleSetWatermark) -> None:
        self.watermark = watermark
        self.steps = self.unmarked = 0
        self._vocabulary = torch.empty(0, dtype=torch.int32)

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Mark logits (N, V) of the next tokens of texts (N, T)."""
        mark = self.watermark
        self.steps += len(scores)
        if input_ids.shape[1] < mark.context:
            self.unmarked += len(scores)
            return scores
        states = mark.states(input_ids[:, input_ids.shape[1] - mark.context :])
        mixed = self._mixed(scores)
        # Row by row: the data of one row stay in the processor's cache.
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
        """Return the mixed tokens of the vocabulary, computed at the first step."""
        size, device = scores.shape[1], scores.device
        if len(self._vocabulary) != size or self._vocabulary.device != device:
            self._vocabulary = mixed_tokens(torch.arange(size, device=device)).to(torch.int32)
        return self._vocabulary
