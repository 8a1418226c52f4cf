"""Typed values and figures of merit: pure functions on arrays, each with its exact interval."""

from lazy_loader import attach_stub

# Names are in __init__.pyi; each is imported on first use, as a threshold needs no SciPy.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
