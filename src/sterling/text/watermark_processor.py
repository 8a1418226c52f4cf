"""Marking what a language model generates, step by step, inside ``generate`` of transformers."""

import torch
from torch import Tensor
from transformers import LogitsProcessor

from sterling.text.watermark import GREEN, RED, TripleSetWatermark

__all__ = ["WatermarkProcessor"]


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

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        """Logits (N, V) of the next tokens of texts (N, T), marked."""
        mark = self.watermark
        self.steps += len(scores)
        if input_ids.shape[1] < mark.context:
            self.unmarked += len(scores)
            return scores
        contexts = input_ids[:, input_ids.shape[1] - mark.context :]
        vocabulary = torch.arange(scores.shape[1], device=scores.device)
        colours = mark.colours(mark.states(contexts)[:, None], vocabulary)
        marked = scores + mark.bias * (colours == GREEN) if mark.bias else scores
        if mark.ratios[RED] == 0:
            return marked
        red = colours == RED
        left = 1 - scores.float().softmax(dim=-1).masked_fill(~red, 0).sum(dim=-1)
        marking = left >= mark.least_mass
        self.unmarked += int((~marking).sum())
        return torch.where(marking[:, None], marked.masked_fill(red, -torch.inf), scores)
