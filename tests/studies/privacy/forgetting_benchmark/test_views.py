"""Cells as closed forms: what lies beyond retraining, and what the tables say of it."""

import numpy as np
import pytest

from sterling.studies.privacy.forgetting_benchmark._cells import (
    Cell,
    approximate,
    difference,
    excess,
    over_seeds,
)
from sterling.studies.privacy.forgetting_benchmark._views import (
    cell_table,
    cost_table,
    forgetting_figures,
    requests_figure,
    rewinding_table,
)

ATTACKS = ("loss", "entropy", "RMIA", "LiRA", "U-LiRA", "output difference", "two-model")


def cell(**areas: float) -> Cell:
    """Every attack at one area, by method."""
    names = {"retrain": "retrain", "untouched": "no unlearning", "rewound": "SCRUB+R"}
    return {names.get(name, name): dict.fromkeys(ATTACKS, area) for name, area in areas.items()}


def test_an_excess_counts_both_sides_and_leaves_exact_methods_out() -> None:
    one = cell(retrain=0.48, untouched=0.9, SISA=0.99, GA=0.3, NPO=0.6)
    assert approximate(one) == ["GA", "NPO"]
    assert excess(one, "loss") == pytest.approx((0.7 + 0.6) / 2 - 0.52)
    assert excess(one, "loss", ["GA"]) == pytest.approx(0.7 - 0.52)


def test_a_seed_without_the_method_is_left_out() -> None:
    cells = [cell(retrain=0.5, GA=0.7), cell(retrain=0.4), cell(retrain=0.5, GA=0.4)]
    assert over_seeds(cells, "GA", "loss") == [0.7, 0.4]
    assert difference(cells, "GA", "loss") == pytest.approx((0.2 - 0.1) / 2)
    assert difference(cells, "NPO", "loss") is None


def test_tables_hold_means_and_privleak_is_0_for_the_retrained_model() -> None:
    cells = [cell(retrain=0.5, untouched=0.7, GA=0.6), cell(retrain=0.4, untouched=0.9, GA=0.4)]
    table = cell_table(("mlp", "random"), cells)
    rows = {str(row[0]): dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert rows["GA"]["U-LiRA"] == pytest.approx(0.5)
    assert rows["retrain"]["PrivLeak of loss, %"] == 0
    # 100 ((1 − 0.6) − 0.5) / 0.5 and 0: too little was forgotten.
    assert rows["GA"]["PrivLeak of loss, %"] == pytest.approx(-10)
    costs = cost_table("mlp", {"retrain": 0.5, "GA": 0.01}, 30, 300)
    assert costs.rows[1] == ["GA", 0.01, pytest.approx(2.0)]
    assert costs.caption.startswith("30 of 330 records")


def test_rewinding_gains_where_the_area_falls_towards_a_half_from_either_side() -> None:
    cells = [
        cell(retrain=0.5, SCRUB=0.3, rewound=0.6),
        cell(retrain=0.5, SCRUB=0.6, rewound=0.65),
    ]
    for one, step, stayed in zip(cells, (50.0, 20.0), (1.0, 0.5), strict=True):
        one["SCRUB+R"] |= {"step": step, "stayed": stayed}
    (row,) = rewinding_table({("mlp", "random"): cells}).rows
    assert row == pytest.approx(["mlp, random", 35.0, 0.75, 0.5, 0.45, 0.625, 0.025])


def test_a_figure_shows_the_data_where_a_method_is_furthest_from_retraining() -> None:
    near, far = cell(retrain=0.5, GA=0.6), cell(retrain=0.5, GA=0.2)
    attacks, victims = forgetting_figures({("mlp", "random"): [near], ("mlp", "groups"): [far]})
    assert attacks.data["values"][1] == pytest.approx([-0.3] * 7)
    assert victims.data["columns"] == ["mlp, random", "mlp, groups"]
    assert victims.data["values"][1] == pytest.approx([0.1, -0.3])
    curves = [{"retrain": [0.5, 0.4], "GA": [0.7, 0.8]}, {"retrain": [0.5, 0.6], "GA": [0.5, 0.6]}]
    drawn = requests_figure(curves).data
    assert drawn["x"] == [1, 2]
    assert np.allclose(drawn["series"]["retrain"], 0.5)
    assert np.allclose(drawn["series"]["GA"], [0.6, 0.7])
