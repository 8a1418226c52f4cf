"""Rows as closed forms: what lies beyond retraining, and what the tables say of it."""

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pytest

from sterling.runs import Row
from sterling.studies.privacy.forgetting_benchmark._cells import (
    approximate,
    classifier_rows,
    excess,
    language_rows,
    request_rows,
)
from sterling.studies.privacy.forgetting_benchmark._names import Figures
from sterling.studies.privacy.forgetting_benchmark._views import (
    forgetting_figures,
    method_table,
    requests_figure,
    rewinding_table,
)
from sterling.study import Results

ATTACKS = ("loss", "entropy", "RMIA", "LiRA", "U-LiRA", "output difference", "two-model")


def figures(**areas: float) -> Figures:
    """Every attack at one area, by method."""
    names = {"retrain": "retrain", "untouched": "no unlearning", "rewound": "SCRUB+R"}
    return {names.get(name, name): dict.fromkeys(ATTACKS, area) for name, area in areas.items()}


def results(rows_of: Callable[[Any], list[Row]], *repetitions: Mapping[str, Any]) -> Results:
    return Results.of(
        {"repetition": index, **row}
        for index, each in enumerate(repetitions)
        for row in rows_of(each)
    )


def test_an_excess_counts_both_sides_and_leaves_exact_methods_out() -> None:
    one = figures(retrain=0.48, untouched=0.9, SISA=0.99, GA=0.3, NPO=0.6)
    assert approximate(one) == ["GA", "NPO"]
    assert excess(one, "loss") == pytest.approx((0.7 + 0.6) / 2 - 0.52)
    assert excess(one, "loss", ["GA"]) == pytest.approx(0.7 - 0.52)
    assert excess(figures(retrain=0.48), "loss") is None


def test_what_claims_ask_is_measured_in_every_repetition() -> None:
    pushed = {**figures(retrain=0.5, GA=0.6), "random label": {"loss": 0.3, "U-LiRA": 0.6}}
    found = results(classifier_rows, pushed)
    assert found.values("too much forgotten") == pytest.approx([0.1])
    assert found.values("excess", attack="U-LiRA") == pytest.approx([0.1])
    asked = {"retrain": (0.1, 0.2, 0.5), "GA": (0.05, 0.45, 0.7), "FT": (0.5, 0.9, 0.5)}
    names = ("greedy words", "int4", "Min-K")
    language = {name: dict(zip(names, values, strict=True)) for name, values in asked.items()}
    found = results(language_rows, language)
    assert found.values("restored", attack="int4") == pytest.approx([0.4 - 0.1])
    assert found.values("excess", attack="Min-K, quiet methods") == pytest.approx([0.2])


def test_tables_hold_means_and_privleak_is_0_for_the_retrained_model() -> None:
    found = results(
        classifier_rows,
        figures(retrain=0.5, untouched=0.7, GA=0.6),
        figures(retrain=0.4, untouched=0.9, GA=0.4),
    )
    table = method_table(("mlp", "random"), found)
    rows = {str(row[0]): dict(zip(table.columns, row, strict=True)) for row in table.rows}
    assert rows["GA"]["U-LiRA"] == pytest.approx(0.5)
    assert rows["retrain"]["PrivLeak of loss, %"] == 0
    # 100 ((1 − 0.6) − 0.5) / 0.5 and 0: too little was forgotten.
    assert rows["GA"]["PrivLeak of loss, %"] == pytest.approx(-10)


def test_rewinding_gains_where_the_area_falls_towards_a_half_from_either_side() -> None:
    repetitions = [
        figures(retrain=0.5, SCRUB=0.3, rewound=0.6),
        figures(retrain=0.5, SCRUB=0.6, rewound=0.65),
    ]
    for one, step, stayed in zip(repetitions, (50.0, 20.0), (1.0, 0.5), strict=True):
        one["SCRUB+R"] |= {"step": step, "stayed": stayed}
    table = rewinding_table({("mlp", "random"): results(classifier_rows, *repetitions)})
    assert table is not None
    assert table.rows[0] == pytest.approx(["mlp, random", 35.0, 0.75, 0.5, 0.45, 0.625, 0.025])
    plain = results(classifier_rows, figures(retrain=0.5, SCRUB=0.3))
    assert rewinding_table({("mlp", "random"): plain}) is None


def test_a_figure_shows_the_data_where_a_method_is_furthest_from_retraining() -> None:
    near, far = (results(classifier_rows, figures(retrain=0.5, GA=area)) for area in (0.6, 0.2))
    attacks, forget_sets = forgetting_figures({("mlp", "random"): near, ("mlp", "groups"): far})
    assert attacks.data["values"][1] == pytest.approx([-0.3] * 7)
    assert forget_sets.data["columns"] == ["mlp, random", "mlp, groups"]
    assert forget_sets.data["values"][1] == pytest.approx([0.1, -0.3])
    curves = [{"retrain": [0.5, 0.4], "GA": [0.7, 0.8]}, {"retrain": [0.5, 0.6], "GA": [0.5, 0.6]}]
    found = results(request_rows, *curves)
    assert found.values("added by requests") == pytest.approx([0.1, 0.1])
    drawn = requests_figure(found).data
    assert drawn["x"] == [1, 2]
    assert np.allclose(drawn["series"]["retrain"], 0.5)
    assert np.allclose(drawn["series"]["GA"], [0.6, 0.7])
