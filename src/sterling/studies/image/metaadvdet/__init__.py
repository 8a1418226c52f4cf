"""Detectors of adversarial pictures that learn a new attack from few examples."""
