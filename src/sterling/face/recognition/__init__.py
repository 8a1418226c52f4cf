"""Face recognition: photographs to embeddings, verification, identification; training and margins.

Recognising people after the install: `embed`, `Gallery`, `identify`, `choose_threshold`, with the
network `ResNet29`. Learning: margin heads (`ArcFace`, ...), meta-learning over domains (`MFR`).
"""

from lazy_loader import attach_stub

# Names are in __init__.pyi; each is imported on first use, as recognising needs no PyTorch.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
