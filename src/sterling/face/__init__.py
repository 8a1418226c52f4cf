"""Faces: simulated captures, data and presentation attack detectors."""

__all__: list[str] = []
