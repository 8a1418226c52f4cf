"""Corpora of human and machine-written text."""
