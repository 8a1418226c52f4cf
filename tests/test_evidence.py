"""Recorded evidence: small, derivable anew, and the source of the documents' tables."""

import pytest
from tools.evidence_tables import EVIDENCE, ROOT, generated, outdated

from sterling.studies import ENTRIES, STUDIES
from sterling.study import load_evidence
from sterling.study.recheck import FRAME, recheck

RECORDED = sorted(path.name for path in EVIDENCE.iterdir() if path.is_dir())


@pytest.mark.parametrize("name", RECORDED)
def test_every_recorded_claim_follows_from_its_frame(name: str) -> None:
    folder = EVIDENCE / name
    evidence = load_evidence(folder)
    assert evidence.study == name
    checks = recheck(folder, evidence, STUDIES[name])
    assert checks
    assert {check.source for check in checks} == {FRAME}
    assert [check.id for check in checks if not check.agrees] == []


@pytest.mark.parametrize("name", RECORDED)
def test_recorded_evidence_is_small(name: str) -> None:
    files = {path.name: path.stat().st_size for path in (EVIDENCE / name).iterdir()}
    assert files.keys() <= {"evidence.json", "results.parquet", "run.json", "claims.lock.json"}
    assert sum(files.values()) <= 300 * 1024


@pytest.mark.parametrize("name", RECORDED)
def test_minutes_in_the_list_are_those_of_the_recorded_run(name: str) -> None:
    evidence = load_evidence(EVIDENCE / name)
    assert evidence.wall_s is not None
    if evidence.preset == "quick" and evidence.design == "fixed":
        assert ENTRIES[name].minutes == max(1, round(evidence.wall_s / 60))


def test_tables_in_documents_are_those_of_the_evidence() -> None:
    assert [path.relative_to(ROOT) for path in outdated()] == []


def test_a_figure_typed_by_hand_is_found() -> None:
    block = f"<!-- evidence: {RECORDED[0]} -->\n| 0.99 |\n<!-- end of evidence -->"
    assert "| 0.99 |" not in generated(block)
    assert generated(generated(block)) == generated(block)
