"""Language models: what a forward pass says about each token."""

from sterling.lm.token_stats import TokenStats, token_stats

__all__ = ["TokenStats", "token_stats"]
