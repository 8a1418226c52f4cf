"""Explanations with a stated error rate."""

__all__: list[str] = []
