"""Explanations: true names are found, random units get none beyond the level, bad input refused."""

from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from scipy import stats
from tests.explain.neurons.tiny import COLOURS, OTHERS, ColourDetectors, ColourEncoder, pictures

from sterling.errors import InputError
from sterling.explain import NeuronExplanation, explain_units
from sterling.explain.neurons.activations import Activations, record_activations
from sterling.explain.neurons.explanation import explain_activations, max_p_values, null_maxima
from sterling.explain.neurons.scores import mean_difference

PHRASES = (*COLOURS, *OTHERS)


def test_detectors_get_their_names_and_others_none() -> None:
    made, _, _ = pictures(200, 0)
    found = explain_units(ColourDetectors(), "seen", made, PHRASES, ColourEncoder(), top=10, seed=1)
    assert [one.name for one in found[:3]] == ["red", "green", "blue"]
    for one in found[:3]:
        assert one.score == one.best[0][1] > one.best[1][1]
        assert one.margin == pytest.approx(one.best[0][1] - one.best[1][1])
        assert one.p_value < 0.01
        assert len(one.pictures) == len(one.boxes) == 10
    dead, noise = found[3], found[4]
    assert (dead.dead, dead.name, dead.pictures) == (True, None, ())
    assert np.isnan(dead.p_value)
    assert not noise.dead
    again = explain_units(ColourDetectors(), "seen", made, PHRASES, ColourEncoder(), top=10, seed=1)
    assert again[:3] == found[:3]


def chosen_at_random(count: int, units: int, top: int, seed: int) -> Activations:
    """Units whose pictures and boxes are drawn at random."""
    rng = np.random.default_rng(seed)
    tops = np.stack([rng.permutation(count)[:top] for _ in range(units)])
    corner = rng.integers(0, 10, (units, top, 2))
    boxes = np.concatenate([corner, corner + 6], axis=2)
    values = rng.random((count, units)).astype(np.float32)
    return Activations("random", np.arange(units), values, tops, boxes)


def test_random_units_are_named_no_more_often_than_promised() -> None:
    made, _, _ = pictures(300, 1)
    named = 0
    for repetition in range(40):
        seen = chosen_at_random(300, 1, 10, repetition)
        (one,) = explain_activations(
            seen, made, PHRASES, ColourEncoder(), alpha=0.1, draws=400, seed=repetition
        )
        named += one.name is not None
    assert named <= stats.binom.ppf(0.999, 40, 0.1)


def test_p_values_that_ignore_the_number_of_phrases_would_be_caught() -> None:
    # Control: the score of each unit's best phrase against one fixed phrase of random sets.
    draws = torch.Generator().manual_seed(0)
    ground, text = (F.normalize(torch.randn(n, 16, generator=draws), dim=1) for n in (400, 40))
    rng = np.random.default_rng(0)
    patches = torch.stack([ground[torch.from_numpy(rng.permutation(400)[:10])] for _ in range(300)])
    scores = mean_difference(patches, ground, text)
    honest = max_p_values(scores, null_maxima(ground, text, 10, 999, rng))
    naive = max_p_values(scores, null_maxima(ground, text[:1], 10, 999, rng))
    limit = stats.binom.ppf(0.999, 300, 0.1)
    assert (honest <= 0.1).sum() <= limit
    assert (honest <= 0.1).sum() >= stats.binom.ppf(0.001, 300, 0.1)  # exact, not only cautious
    assert (naive <= 0.1).sum() > 2 * limit


def test_kinds_of_patches_are_named_apart() -> None:
    made, names, boxes = pictures(200, 3)
    red = [i for i, name in enumerate(names) if name == "red"][:6]
    blue = [i for i, name in enumerate(names) if name == "blue"][:6]
    rows = np.array([red + blue])
    seen = Activations(
        "both",
        np.arange(1),
        np.random.default_rng(0).random((200, 1)).astype(np.float32),
        rows,
        boxes[torch.from_numpy(rows)].numpy(),
    )
    (one,) = explain_activations(seen, made, PHRASES, ColourEncoder())
    assert set(one.clusters) == {"red", "blue"}
    seen = record_activations(ColourDetectors(), "seen", made, units=np.array([0]), top=10)
    (alone,) = explain_activations(seen, made, PHRASES, ColourEncoder())
    assert alone.clusters == ()


class OtherWidth(ColourEncoder):
    def texts(self, phrases: Any) -> torch.Tensor:
        return torch.eye(7)[: len(phrases)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"phrases": ["red"]}, "give two or more"),
        ({"encoder": OtherWidth()}, "pictures have 4 numbers and texts 7"),
        ({"draws": 50}, "give at least 80 draws"),
        ({"background": 5}, "give at least the 10 patches"),
        ({"top": 500}, "top 500"),
        ({"layer": "sene"}, "layer"),
    ],
)
def test_bad_input_is_one_line(change: dict[str, Any], message: str) -> None:
    made, _, _ = pictures(60, 0)
    given: dict[str, Any] = {
        "layer": "seen",
        "phrases": PHRASES,
        "encoder": ColourEncoder(),
        "top": 10,
        **change,
    }
    layer, phrases, encoder = (given.pop(name) for name in ("layer", "phrases", "encoder"))
    with pytest.raises(InputError, match=message) as caught:
        explain_units(ColourDetectors(), layer, made, phrases, encoder, **given)
    assert "\n" not in str(caught.value)


def test_a_network_of_dead_units_is_explained_as_dead() -> None:
    made, _, _ = pictures(20, 0)
    found = explain_units(
        ColourDetectors(), "seen", made, PHRASES, ColourEncoder(), units=np.array([3]), top=5
    )
    assert isinstance(found[0], NeuronExplanation)
    assert found[0].dead
