"""Detectors of machine-written text: error rates, calibration and robustness."""
