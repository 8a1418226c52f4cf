"""A decoder-only transformer small enough to train within a test."""

import math

import torch
from torch import Tensor, nn

from sterling.errors import InputError


class _Block(nn.Module):
    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norm_attention = nn.LayerNorm(width)
        self.to_qkv = nn.Linear(width, 3 * width)
        self.from_heads = nn.Linear(width, width)
        self.norm_mlp = nn.LayerNorm(width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )

    def forward(self, x: Tensor) -> Tensor:
        n, length, width = x.shape
        qkv = self.to_qkv(self.norm_attention(x)).view(n, length, 3, self.heads, -1)
        query, key, value = qkv.permute(2, 0, 3, 1, 4)
        scores = query @ key.mT / math.sqrt(query.shape[-1])
        later = torch.ones(length, length, dtype=torch.bool, device=x.device).triu(1)
        attended = scores.masked_fill(later, -torch.inf).softmax(-1) @ value
        x = x + self.from_heads(attended.transpose(1, 2).reshape(n, length, width))
        result: Tensor = x + self.mlp(self.norm_mlp(x))
        return result


class SmallTransformer(nn.Module):
    """Network from tokens (N, T) to logits (N, T, V) of the token that follows each position.

    Layer normalisation comes before each part, positions are learned, and there is no dropout.

    Args:
        vocabulary: Number of tokens, V.
        context: Largest number of positions, T.
        width: Width of the residual stream, a multiple of `heads`.
        layers: Number of blocks.
        heads: Number of attention heads.
    """

    def __init__(
        self, vocabulary: int, *, context: int, width: int = 64, layers: int = 2, heads: int = 4
    ) -> None:
        super().__init__()
        if width % heads:
            raise InputError(f"width {width}: must be a multiple of the {heads} heads")
        self.context = context
        self.tokens = nn.Embedding(vocabulary, width)
        self.positions = nn.Embedding(context, width)
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.head = nn.Linear(width, vocabulary, bias=False)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return logits (N, T, V); token t sees tokens up to t only."""
        logits: Tensor = self.head(self.hidden(tokens))
        return logits

    def hidden(self, tokens: Tensor) -> Tensor:
        """Return the inputs of the last layer, (N, T, width)."""
        if tokens.shape[1] > self.context:
            raise InputError(f"{tokens.shape[1]} tokens: the context holds {self.context}")
        x = self.tokens(tokens) + self.positions.weight[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x)
        result: Tensor = self.norm(x)
        return result
