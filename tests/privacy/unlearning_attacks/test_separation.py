"""Areas, PrivLeak, lingering and truth ratios by hand, and on TOFU's own fine-tuned models."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.privacy.unlearning_attacks import attack_area, lingering, privleak, two_sided
from sterling.privacy.unlearning_attacks.separation import (
    forget_truth_score,
    retain_truth_score,
    truth_ratio,
)


def test_by_hand() -> None:
    ratios = truth_ratio([1.0, 2.0], [[2.0, 4.0], [1.0, 1.0]])
    np.testing.assert_allclose(ratios, [np.exp(-2), np.exp(1)])
    # The geometric mean of the wrong probabilities over the right one.
    p_right, p_wrong = np.exp(-1.0), np.exp([-2.0, -4.0])
    assert ratios[0] == pytest.approx(np.sqrt(p_wrong.prod()) / p_right)
    assert forget_truth_score(ratios) == pytest.approx((np.exp(-2) + np.exp(-1)) / 2)
    assert retain_truth_score(ratios) == pytest.approx((1 - np.exp(-2)) / 2)
    with pytest.raises(InputError, match="perturbed"):
        truth_ratio([1.0], [1.0])
    with pytest.raises(InputError, match="not finite"):
        truth_ratio([1.0], [[np.inf]])


def _rows(folder: Path, model: str, subset: str) -> list[dict[str, Any]]:
    path = folder / "text" / "tofu_eval" / f"ft_epoch5_lr2e-05_phi_{model}_wd0.jsonl"
    if not path.is_file():
        pytest.skip(f"{path} is not there")
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    return [row for row in rows if row["set"] == subset]


def _ratios(rows: list[dict[str, Any]]) -> np.ndarray:
    return truth_ratio(
        [row["avg_paraphrased_loss"] for row in rows],
        [row["average_perturb_loss"][:3] for row in rows],
    )


def test_real_models_give_the_published_ratios(shared_data: Path) -> None:
    rows = _rows(shared_data, "full", "eval_log_forget")
    for row in rows:
        ours = truth_ratio([row["avg_paraphrased_loss"]], [row["average_perturb_loss"]])
        assert ours[0] == pytest.approx(row["truth_ratio"], rel=1e-4)


def test_forget_quality_tells_the_full_model_from_the_retrained_one(shared_data: Path) -> None:
    forget = [
        _ratios(_rows(shared_data, model, "eval_log_forget")) for model in ("full", "retain90")
    ]
    world = [
        _ratios(_rows(shared_data, model, "eval_real_world_wo_options"))
        for model in ("full", "retain90")
    ]
    assert lingering(*forget)[1] < 1e-6
    assert lingering(*world)[1] > 0.05
    assert forget_truth_score(forget[0]) < forget_truth_score(forget[1])


def test_privleak_is_zero_at_retraining_exactly_and_has_two_sides() -> None:
    for retrained_area in (0.31, 0.5, 0.77):
        assert privleak(retrained_area, retrained_area) == 0.0
    assert privleak(0.75, 0.5) == -50  # too little forgotten
    assert privleak(0.0, 0.5) == 100  # too much
    assert two_sided(0.1) == two_sided(0.9) == 0.9
    with pytest.raises(InputError, match="give at least 0 and at most 1"):
        privleak(1.2, 0.5)
    with pytest.raises(InputError, match="not alike"):
        privleak(0.5, 1.0)


def test_lingering_is_the_largest_gap_between_two_distributions() -> None:
    distance, p = lingering([0.1, 0.2, 0.3, 0.4], [0.1, 0.2, 0.3, 0.4])
    assert (distance, p) == (0.0, 1.0)
    distance, p = lingering(np.arange(100.0), np.arange(100.0) + 50)
    assert distance == 0.5
    assert p < 1e-10
    with pytest.raises(InputError, match="unlearned: give one finite loss"):
        lingering([np.inf], [0.0])
    with pytest.raises(InputError, match="retrained: give one finite loss"):
        lingering([1.0], [])


def test_an_empty_side_has_no_area() -> None:
    with pytest.raises(InputError, match="0 forgotten and 1 never-seen"):
        attack_area([], [1.0])
