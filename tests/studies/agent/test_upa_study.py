import numpy as np
import pytest

from sterling.runs import Row
from sterling.studies import STUDIES
from sterling.studies.agent.upa._cells import BIASES, SPO, START, UPA, judged, recovered
from sterling.studies.agent.upa.study import claims
from sterling.study import Results, row

STUDY = STUDIES["upa"]


def test_both_orders_take_the_position_bias_away() -> None:
    wins = {
        (swap, bias): float(np.mean([recovered(seed, bias, swap) for seed in range(300)]))
        for swap in (True, False)
        for bias in (0.0, 1.0)
    }
    assert wins[True, 0.0] > 0.6  # chance is one in eight
    assert abs(wins[True, 0.0] - wins[True, 1.0]) < 0.08
    assert wins[False, 0.0] - wins[False, 1.0] > 0.15


def measured(*, language: bool) -> Results:
    rows: list[Row] = []
    for index in range(4):
        rows += [
            {"repetition": index, **row("best prompt wins", index > 0, judged=judged(orders, bias))}
            for orders in ("both orders", "one order")
            for bias in BIASES
        ]
        if language:
            rows += [
                {"repetition": index, **row("right", name == UPA or index == 0, system=name)}
                for name in (START, UPA, SPO)
            ]
    return Results.of(rows)


def test_answers_are_compared_question_by_question() -> None:
    config = STUDY.presets["smoke"]
    found = {claim.id: claim for claim in claims(measured(language=True), config)}
    assert found["right_more_often_than_start"].measured == pytest.approx(0.75)
    assert "4 questions" in found["right_more_often_than_start"].estimand
    assert found["swap_removes_lean"].measured == 0
    simulated = config.model_copy(update={"tasks": 0})
    alone = {claim.id for claim in claims(measured(language=False), simulated)}
    assert set(found) - alone == {
        "right_more_often_than_start",
        "right_more_often_than_spo",
    }
