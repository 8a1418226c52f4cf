"""The parts of a vision transformer (Dosovitskiy et al., ICLR 2021)."""

import torch.nn.functional as F
from torch import Tensor, nn


class Patches(nn.Module):
    """Cut pictures into square patches, one token each, and add a learned position.

    Args:
        in_channels: Channels of the pictures.
        dim: Width of a token.
        patch: Side of a patch in pixels.
        size: Side of the pictures.
    """

    def __init__(self, in_channels: int, dim: int, patch: int, size: int) -> None:
        super().__init__()
        self.embed = nn.Conv2d(in_channels, dim, patch, stride=patch)
        self.position = nn.Embedding((size // patch) ** 2, dim)

    def forward(self, pictures: Tensor) -> Tensor:
        """(N, C, size, size) to tokens (N, P, dim), row by row."""
        tokens: Tensor = self.embed(pictures).flatten(2).transpose(1, 2)
        return tokens + self.position.weight


class Attention(nn.Module):
    """Multi-headed scaled dot-product attention.

    Args:
        dim: Width of a token, a multiple of `heads`.
        heads: Number of heads.
    """

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.query = nn.Linear(dim, dim)
        self.key = nn.Linear(dim, dim)
        self.value = nn.Linear(dim, dim)
        self.project = nn.Linear(dim, dim)

    def apart(self, tokens: Tensor) -> Tensor:
        """(N, L, dim) to (N, heads, L, dim / heads)."""
        return tokens.reshape(*tokens.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, queries: Tensor, others: Tensor, mask: Tensor | None = None) -> Tensor:
        """Let (N, L, dim) attend to (N, S, dim).

        Args:
            queries: Who asks.
            others: Who answers.
            mask: bool, broadcastable to (N, heads, L, S), true where attention is allowed; None:
                everywhere. Every query is allowed at least one.

        Returns:
            (N, L, dim).
        """
        q, k, v = (
            self.apart(project(tokens))
            for project, tokens in (
                (self.query, queries),
                (self.key, others),
                (self.value, others),
            )
        )
        mixed = F.scaled_dot_product_attention(q, k, v, attn_mask=mask)
        projected: Tensor = self.project(mixed.transpose(1, 2).flatten(2))
        return projected


class Mlp(nn.Sequential):
    """Two linear layers with a GELU between, four times as wide inside."""

    def __init__(self, dim: int) -> None:
        super().__init__(nn.Linear(dim, 4 * dim), nn.GELU(), nn.Linear(4 * dim, dim))


class TransformerBlock(nn.Module):
    """Layer norm, self-attention, layer norm, MLP, each of the two beside a shortcut.

    Args:
        dim: Width of a token.
        heads: Heads of the attention.
        epsilon: Added to the variance in both norms.
    """

    def __init__(self, dim: int, heads: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.norm_attention = nn.LayerNorm(dim, epsilon)
        self.attention = Attention(dim, heads)
        self.norm_mlp = nn.LayerNorm(dim, epsilon)
        self.mlp = Mlp(dim)

    def forward(self, tokens: Tensor) -> Tensor:
        """(N, L, dim) to the same shape."""
        normed = self.norm_attention(tokens)
        tokens = tokens + self.attention(normed, normed)
        answer: Tensor = tokens + self.mlp(self.norm_mlp(tokens))
        return answer
