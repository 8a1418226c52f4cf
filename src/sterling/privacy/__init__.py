"""Privacy: target models, membership inference, unlearning, key-value caches."""

from lazy_loader import attach_stub

# Names are in __init__.pyi; each is imported on first use, as caches need transformers.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
