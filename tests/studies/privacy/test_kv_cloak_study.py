"""The study of key-value caches: what must come out."""

from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("transformers")

from sterling.study import load_evidence


@pytest.mark.smoke
def test_exact_attacks_succeed_and_the_fingerprint_is_seen(
    checked_run: Callable[[str], Path],
) -> None:
    evidence = load_evidence(checked_run("kv_cloak"))
    claims = {claim.id: claim for claim in evidence.claims}
    for exact in ("inversion_projects", "logits_exact"):
        assert claims[exact].verdict == "holds", exact
    # Six targets cannot show that a rate is small, but they show that it is not.
    assert claims["fingerprint_published"].verdict == "does not hold"
    rows = {tuple(row[:3]): row[3:] for row in evidence.tables[0].rows}
    right, tokens, *_ = rows["inversion by projecting", "first", "plain"]
    assert right == tokens
