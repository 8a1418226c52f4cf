"""The grammar that every paper is written in: studies, results, claims and evidence.

A study measures rows in cells (`sterling.runs.Run.map`), collects them in one `Results` frame, and
derives claims, metrics, tables and figures from it; `run_study` writes them as evidence.
"""

from lazy_loader import attach_stub

# The names are in __init__.pyi; each is imported on first use, as claims need SciPy and results
# polars, and a list of studies needs neither.
__getattr__, __dir__, __all__ = attach_stub(__name__, __file__)
