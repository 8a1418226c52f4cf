from sterling.study import lines, matrix


def test_lines_keep_gaps_and_ask_for_logarithms_only_where_wanted() -> None:
    figure = lines("l", "t", "c", range(1, 3), {"a": (0.1, None)}, labels=("x", "y"))
    assert figure.data == {
        "x": [1, 2],
        "series": {"a": [0.1, None]},
        "x_label": "x",
        "y_label": "y",
    }
    assert lines("l", "t", "c", [1], {"a": [1]}, labels=("x", "y"), log=True).data["log"] is True


def test_a_matrix_asks_for_every_pair_once_and_keeps_gaps() -> None:
    values = {("a", "x"): 1.0, ("a", "y"): None, ("b", "x"): 0.5, ("b", "y"): -2.0}
    figure = matrix(
        "m",
        "t",
        "c",
        ["a", "b"],
        ["x", "y"],
        lambda r, c: values[r, c],
        value_label="v",
        centre=0.5,
    )
    assert figure.kind == "matrix"
    assert figure.data == {
        "rows": ["a", "b"],
        "columns": ["x", "y"],
        "values": [[1.0, None], [0.5, -2.0]],
        "centre": 0.5,
        "value_label": "v",
    }
