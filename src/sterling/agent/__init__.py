"""Agents: prompts that are found by search, with evidence."""

__all__: list[str] = []
