"""Logos: drawings of brands, rendered pictures, the network that attends to them, and galleries."""

from lazy_loader import attach_stub

# Names are in __init__.pyi; each is imported on first use, as files are read without torch.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
