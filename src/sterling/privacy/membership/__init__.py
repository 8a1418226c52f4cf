"""Membership inference: was this record in the training set?

Every score is higher for members. `MembershipFDR` declares members with a bounded false discovery
rate; `ATTACKS` and `TEXT_ATTACKS` name the attacks.
"""

from lazy_loader import attach_stub

# Names are in __init__.pyi; each is imported on first use, as lists from scores need no PyTorch.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
