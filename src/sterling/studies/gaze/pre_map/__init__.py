"""Gaze points for a kind of viewer, trained by rewards."""
