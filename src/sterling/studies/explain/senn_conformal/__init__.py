"""Conformal sets of concepts and labels for self-explaining networks."""
