"""Presentation attack detection on face crops: network, training, detector, export.

`MODELS` holds the architectures by name, `train` fits any of them, `Detector` is the trained
network with its preprocessing, threshold and origin, and `export_onnx` writes it for ONNX Runtime.
Scores are liveness: higher means bona fide.
"""

from lazy_loader import attach_stub

# Names are in __init__.pyi; each is imported on first use, as an ONNX detector needs no PyTorch.
_load, __dir__, __all__ = attach_stub(__name__, __file__)


def __getattr__(name: str) -> object:
    if name == "Judge":
        from warnings import warn

        warn("Judge is now DetectorBase", DeprecationWarning, stacklevel=2)
        return _load("DetectorBase")
    return _load(name)
