"""The three studies of few-shot learning: whole paths, and what they refuse."""

from pathlib import Path
from typing import Any

import pytest
import torch

from sterling.errors import InputError
from sterling.studies import STUDIES
from sterling.study import Evidence, run_study
from sterling.testing import check_study

CLAIMS = {
    "pkaml": {
        "maml_over_fits_to_its_shots",
        "prior_knowledge_and_attention_mend_it",
        "mixed_shots_mend_it",
        "prior_knowledge_adds",
        "attention_adds",
        "loss_across_tasks_follows_the_gap",
    },
}


@pytest.mark.smoke
@pytest.mark.parametrize("name", CLAIMS)
def test_the_whole_path_leaves_evidence_and_resumes(name: str, tmp_path: Path) -> None:
    evidence = check_study(STUDIES[name], tmp_path / "run", seed=1)
    assert {claim.id for claim in evidence.claims} == CLAIMS[name]
    check = {"pkaml": gaps_are_of_the_matrix}
    check[name](evidence)


def gaps_are_of_the_matrix(evidence: Evidence) -> None:
    """Of every learner, the gaps of its rows and their mean accuracies sum to the same."""
    (table,) = evidence.tables
    sums: dict[Any, list[float]] = {}
    for learner, _, *numbers in table.rows:
        one, other, gap = (float(value or 0) for value in numbers[:3])
        sums.setdefault(learner, []).append((one + other) / 2 + gap)
    for values in sums.values():
        assert values == pytest.approx([values[0]] * 3)


@pytest.mark.parametrize(
    ("name", "changes", "named"),
    [
        ("lwau", {"source": "digits"}, "ways 5: the validation part of .* has 2 classes"),
        ("pkaml", {"across": (1, 30)}, "20 items; 30 shots and 2 queries need 32"),
        ("raml", {"data": Path("nowhere")}, "nowhere: no such folder"),
        pytest.param(
            *("lwau", {"device": "cuda"}, "use --set device=cpu"),
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU"),
        ),
    ],
)
def test_what_no_task_can_be_made_of_is_refused_before_anything_runs(
    name: str, changes: dict[str, Any], named: str, tmp_path: Path
) -> None:
    study = STUDIES[name]
    config = study.presets["smoke"].model_copy(update=changes)
    with pytest.raises(InputError, match=named):
        run_study(study, config, preset="smoke", seed=0, folder=tmp_path / "run")
