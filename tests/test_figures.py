import pytest
from scipy import stats

from sterling.figures import bars_over_seeds, lines


def test_bars_hold_mean_and_interval_in_the_order_given() -> None:
    figure = bars_over_seeds("b", "t", "c", {"two": [1.0, 2.0], "one": [5.0]}, value_label="v")
    low, high = stats.t.interval(0.95, 1, 1.5, 0.5)
    assert figure.kind == "bars"
    assert figure.data["names"] == ["two", "one"]
    assert figure.data["values"] == [1.5, 5.0]
    assert figure.data["low"] == pytest.approx([low, 5.0])
    assert figure.data["high"] == pytest.approx([high, 5.0])


def test_lines_keep_gaps_and_ask_for_logarithms_only_where_wanted() -> None:
    figure = lines("l", "t", "c", range(1, 3), {"a": (0.1, None)}, labels=("x", "y"))
    assert figure.data == {
        "x": [1, 2],
        "series": {"a": [0.1, None]},
        "x_label": "x",
        "y_label": "y",
    }
    assert lines("l", "t", "c", [1], {"a": [1]}, labels=("x", "y"), log=True).data["log"] is True
