import pytest

from sterling.errors import InputError
from sterling.studies.privacy._pooling import pooled
from sterling.study import Results, row


def test_repetitions_of_several_data_sets_stay_apart_and_paired() -> None:
    found = {("b", 0): 1.0, ("b", 1): 2.0, ("a", 0): 4.0}
    rows = [
        row("auc", value + shift, repetition=repetition, data=data, system=system)
        for (data, repetition), value in found.items()
        for system, shift in (("attack", 0.5), ("random", 0.0))
    ]
    results = Results.of(rows)
    with pytest.raises(InputError, match="several values in one repetition"):
        results.values("auc", system="attack", data=("a", "b"))
    every = pooled(results, "data")
    assert every.values("auc", system="random") == [1.0, 2.0, 4.0]
    assert every.series("auc").gain("attack", than="random") == [0.5, 0.5, 0.5]
