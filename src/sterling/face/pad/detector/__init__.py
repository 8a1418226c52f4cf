"""A trained network as a detector: preprocessing, threshold, weights, ONNX and decisions."""
