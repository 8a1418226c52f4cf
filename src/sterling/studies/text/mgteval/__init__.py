"""Detectors of machine-written text under attack."""
