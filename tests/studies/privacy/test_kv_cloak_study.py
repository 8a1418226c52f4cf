"""The study of key-value caches: what must come out, and what it refuses."""

from pathlib import Path

import pytest

pytest.importorskip("transformers")

from sterling.cli import main
from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.study import Evidence, override, run_study

STUDY = STUDIES["kv_cloak"]


def _smoke(folder: Path) -> Evidence:
    return run_study(
        STUDY, STUDY.presets["smoke"], preset="smoke", seed=2, folder=folder, backend="inline"
    )


@pytest.mark.smoke
def test_exact_attacks_succeed_and_the_fingerprint_is_seen(tmp_path: Path) -> None:
    evidence = _smoke(tmp_path / "run")
    claims = {claim.id: claim for claim in evidence.claims}
    for exact in ("inversion_projects", "logits_exact"):
        assert claims[exact].verdict == "holds", exact
    # Six targets cannot show that a rate is small, but they show that it is not.
    assert claims["fingerprint_published"].verdict == "does not hold"
    rows = {tuple(row[:3]): row[3:] for row in evidence.tables[0].rows}
    right, tokens, *_ = rows["inversion by projecting", "first", "plain"]
    assert right == tokens


def test_it_needs_the_research_switch(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["run", "kv_cloak", "--preset", "quick", "--out", str(tmp_path / "run")])
    assert ended.value.code == 2
    assert "give --research-use" in capsys.readouterr().err


def test_bad_configurations_are_refused(tmp_path: Path) -> None:
    for assignments, message in (
        (["prompts=17"], "there are 16; lower it"),
        ([f'data="{tmp_path}"'], "set it to false"),
    ):
        config = override(STUDY.presets["smoke"], assignments)
        with pytest.raises(InputError, match=message):
            run_study(
                STUDY,
                config,
                preset="smoke",
                seed=0,
                folder=tmp_path / assignments[0][:4],
                backend="inline",
            )
