import json
import re

import numpy as np
import pytest

from sterling.errors import InputError
from sterling.measure import Scores, Threshold, evaluate, threshold_at_eer


def some(prefix: str, seed: int = 0) -> Scores:
    rng = np.random.default_rng(seed)
    label = np.arange(40) % 2 == 0
    return Scores(rng.normal(size=40) + label, label, item=[f"{prefix}{i}" for i in range(40)])


@pytest.mark.parametrize("value", [0.1, -1 / 3, 5e-324, 1.7976931348623157e308])
def test_json_round_trip_is_exact(value: float) -> None:
    chosen = threshold_at_eer(some("dev"), source="dev é")
    threshold = Threshold(value, "down", chosen.rule, chosen.source, 40, chosen.items, False)
    assert Threshold.from_json(threshold.to_json()) == threshold
    assert Threshold.from_json(Threshold(value).to_json()) == Threshold(value)


@pytest.mark.parametrize("text", ["", "{}", "[1]", '{"value": "x"}'])
def test_json_that_is_no_threshold_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="not a threshold in JSON"):
        Threshold.from_json(text)


def test_a_score_at_the_threshold_is_accepted() -> None:
    below, above = np.nextafter(0.5, 0), np.nextafter(0.5, 1)
    values, label = [below, 0.5, above], [1, 1, 0]
    assert Threshold(0.5).accept(Scores(values, label)).tolist() == [False, True, True]
    down = Scores(values, label, direction="down")
    assert Threshold(0.5, "down").accept(down).tolist() == [True, True, False]


def test_trap_threshold_chosen_on_the_scored_items() -> None:
    dev, test = some("dev"), some("test", seed=1)
    threshold = threshold_at_eer(dev, source="dev")
    assert threshold.source == "dev"
    assert not evaluate(test, threshold).in_sample
    with pytest.raises(InputError, match="40 of 40 scored items were used"):
        threshold.accept(dev)
    with pytest.raises(InputError, match="in_sample=True"):
        evaluate(dev, threshold)
    assert evaluate(dev, threshold, in_sample=True).in_sample
    assert not evaluate(test, threshold, in_sample=True).in_sample


def test_trap_one_leaked_item_is_enough_to_be_refused() -> None:
    dev = some("dev")
    threshold = threshold_at_eer(dev.select(np.arange(40) < 30))
    with pytest.raises(InputError, match="1 of 11 scored items"):
        threshold.accept(dev.select(np.arange(40) >= 29))
    # It is remembered through JSON, and the ids themselves are not stored.
    stored = threshold.to_json()
    with pytest.raises(InputError, match="1 of 11"):
        Threshold.from_json(stored).accept(dev.select(np.arange(40) >= 29))
    assert not any(re.fullmatch(r"dev\d+", item) for item in json.loads(stored)["items"])


def test_thresholds_of_other_direction_or_not_finite_are_refused() -> None:
    with pytest.raises(InputError, match="same side of both"):
        Threshold(0.5, "down").accept(some("x"))
    with pytest.raises(InputError, match="finite"):
        Threshold(float("nan"))
    with pytest.raises(InputError, match="use 'up' or 'down'"):
        Threshold(0.5, "left")  # type: ignore[arg-type]
