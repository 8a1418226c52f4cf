"""Contract suites: does an implementation keep what its kind promises? Ours or yours.

Each check raises ``AssertionError`` with one line when the contract is broken. Statistical checks
repeat the method on data of known truth and judge the count of failures by its exact binomial law
(or, for proportions, by the Hoeffding-Bentkus bound): a correct implementation fails one with
probability at most ``false_alarm``, whatever the seed.
"""

from lazy_loader import attach_stub

# Names are in __init__.pyi; each is imported on first use, as some need PyTorch.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
