"""Attacks on unlearning: records that a model was asked to forget and still gives away.

`CLASSIFIER_ATTACKS` and `LANGUAGE_ATTACKS` name the attacks; `attack_classifiers` and
`attack_language_model` run them all.
"""

from lazy_loader import attach_stub

# Names are in __init__.pyi; each is imported on first use, as an audit of losses needs no PyTorch.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
