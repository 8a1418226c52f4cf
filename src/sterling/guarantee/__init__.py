"""Statements that hold in finite samples, for any score of any model.

``docs/guarantees.md`` says which function buys which statement::

    rule = calibrate_label_sets(probabilities, labels, 0.1, APS())
    rule.sets(new_probabilities)  # bool (N, C): each set holds the true label 90 % of the time
"""

from lazy_loader import attach_stub

# Names are in __init__.pyi; each is imported on first use, as p-values need no SciPy.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
