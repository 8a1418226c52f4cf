"""Prompts found without labels."""
