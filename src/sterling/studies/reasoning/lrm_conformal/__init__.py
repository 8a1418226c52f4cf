"""Conformal sets of reasoning and answer."""
