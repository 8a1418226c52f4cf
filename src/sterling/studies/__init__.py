"""One file per paper. A study becomes known by its entry in ``registry.toml``.

``STUDIES["cdcn"]`` imports one study; `ENTRIES` holds names, summaries and papers of all.
"""

from sterling.studies.registry import ENTRIES, Studies

__all__ = ["ENTRIES", "STUDIES"]

STUDIES = Studies()
