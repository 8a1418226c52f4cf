"""Detectors on faces: error rates, thresholds, robustness, predictions and simulated attacks."""
