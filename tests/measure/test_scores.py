import numpy as np
import pytest

from sterling.errors import InputError, NothingMeasuredError
from sterling.measure import Scores


def scores() -> Scores:
    return Scores(
        [0.9, 0.1, 0.8, 0.3],
        [True, False, True, False],
        item=["a", "b", "c", "d"],
        subject=["1", "1", "2", "2"],
        group=["bona_fide", "print", "bona_fide", "replay"],
    )


def test_sides_point_up_whatever_the_direction() -> None:
    down = Scores([1.0, 9.0], [True, False], direction="down")
    assert down.positive.tolist() == [-1.0]
    assert down.negative.tolist() == [-9.0]
    assert scores().positive.tolist() == [0.9, 0.8]
    assert scores().negative.tolist() == [0.1, 0.3]


def test_select_keeps_every_column() -> None:
    chosen = scores().select([False, True, False, True])
    assert chosen.item.tolist() == ["b", "d"]
    assert chosen.subject.tolist() == ["1", "2"]
    assert chosen.species == ["print", "replay"]
    with pytest.raises(InputError, match="one true or false per score"):
        scores().select([0, 1])


def test_attacks_by_species() -> None:
    apart = scores().attacks("max")
    assert {name: values.tolist() for name, values in apart.items()} == {
        "print": [0.1],
        "replay": [0.3],
    }
    assert scores().attacks("replay")["replay"].tolist() == [0.3]
    assert scores().attacks()["pooled"].tolist() == [0.1, 0.3]
    with pytest.raises(InputError, match="did you mean print"):
        scores().attacks("prnt")
    with pytest.raises(NothingMeasuredError, match="no attack"):
        scores().select([True, False, True, False]).attacks()
    with pytest.raises(NothingMeasuredError, match="no bona fide"):
        scores().select([False, True, False, True]).bona_fides()


def test_trap_nan_scores_never_count_silently_as_attacks() -> None:
    with pytest.raises(InputError, match=r"2 of 3 scores are not finite \(first: item 'y', nan\)"):
        Scores([0.5, np.nan, np.inf], [1, 0, 1], item=["x", "y", "z"])


def test_what_contradicts_itself_is_refused() -> None:
    with pytest.raises(InputError, match="use 'up'"):
        Scores([1.0], [True], direction="higher")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"label has shape \(1,\)"):
        Scores([1.0, 2.0], [True])
    with pytest.raises(InputError, match=r"true .* for bona fide"):
        Scores([1.0, 2.0], [1, 2])
    with pytest.raises(InputError, match=r"true .* for bona fide"):
        Scores([1.0, 2.0], ["live", "spoof"])
    with pytest.raises(InputError, match="item 'a' occurs more than once"):
        Scores([1.0, 2.0], [1, 0], item=["a", "a"])
    with pytest.raises(InputError, match="item '0' is labelled bona fide but its group is 'print'"):
        Scores([1.0], [True], group=["print"])
    with pytest.raises(InputError, match="labelled attack but its group is 'bona_fide'"):
        Scores([1.0], [False], group=["bona_fide"])
    with pytest.raises(InputError, match="'max' cannot name"):
        Scores([1.0], [False], group=["max"])
    with pytest.raises(InputError, match="one score per presentation"):
        Scores([[1.0]], [True])
    with pytest.raises(InputError, match=r"subject has shape"):
        Scores([1.0], [True], subject=["a", "b"])


def test_columns_are_read_only_and_the_callers_array_is_not_touched() -> None:
    values = np.array([1.0, 2.0])
    held = Scores(values, [1, 0])
    with pytest.raises(ValueError, match="read-only"):
        held.values[0] = 5
    values[0] = 3.0


def test_importing_measure_does_not_import_torch() -> None:
    import subprocess
    import sys

    code = "import sys, sterling.measure; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
