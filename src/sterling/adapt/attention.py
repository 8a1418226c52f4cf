"""Attention to channels for a meta-learner (AML; Qin et al., arXiv 1811.07545).

The paper weighs features by an attention computed from them. Its exact layers could not be
established: these layers, and their start as the identity, are ours.
"""

from typing import Literal, get_args

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.errors import InputError, unknown_name

Form = Literal["softmax", "sigmoid"]


class ChannelAttention(nn.Module):
    """Weights of channels by a small network on the channels' means over places.

    With z = W₂ relu(W₁ g + b₁) + b₂ the weights are C · softmax(z), whose mean is 1, or
    2 · sigmoid(z). W₂ and b₂ start at 0, so that both start as the identity.

    Args:
        channels: Number C of channels of features (N, C, ...).
        hidden: Hidden units of the small network; half the channels by default.
        form: "softmax" lets channels compete, "sigmoid" does not.
        seed: Seed of W₁.

    Raises:
        InputError: A value is unknown or out of range.
    """

    def __init__(
        self, channels: int, hidden: int | None = None, form: Form = "softmax", *, seed: int = 0
    ) -> None:
        super().__init__()
        if form not in get_args(Form):
            raise unknown_name("form of attention", str(form), get_args(Form))
        hidden = max(1, channels // 2) if hidden is None else hidden
        if channels < 1 or hidden < 1:
            raise InputError(f"channels {channels}, hidden {hidden}: both must be 1 or more")
        self.form = form
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.squeeze = nn.Linear(channels, hidden)
            self.excite = nn.Linear(hidden, channels)
        nn.init.zeros_(self.excite.weight)
        nn.init.zeros_(self.excite.bias)

    def weights(self, features: Tensor) -> Tensor:
        """Return the weight of every channel of every item, (N, C), 0 or more."""
        means = features.flatten(2).mean(dim=2)
        scores: Tensor = self.excite(F.relu(self.squeeze(means)))
        if self.form == "softmax":
            return scores.shape[1] * scores.softmax(dim=1)
        return 2 * scores.sigmoid()

    def forward(self, features: Tensor) -> Tensor:
        """Weigh features (N, C, ...); the shape stays."""
        weights = self.weights(features)
        return features * weights.view(*weights.shape, *(1 for _ in features.shape[2:]))
