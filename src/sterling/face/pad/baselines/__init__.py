"""Detectors without a trained network: hand-crafted features, thumbnails, pulse, parallax."""
