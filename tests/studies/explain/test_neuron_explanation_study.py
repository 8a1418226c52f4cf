"""Parts of the study of neuron explanations: scenes, planted detectors, encoder, controls."""

import numpy as np
import pytest
import torch

from sterling.explain.neurons.activations import record_activations
from sterling.explain.neurons.explanation import explain_activations
from sterling.studies.explain.neuron_explanation import _cells as cells
from sterling.studies.explain.neuron_explanation._encoder import SceneEncoder, train_encoder
from sterling.studies.explain.neuron_explanation._networks import (
    LEARNED,
    PLANTED,
    Detectors,
    SceneNetwork,
    train_network,
)
from sterling.studies.explain.neuron_explanation._scenes import (
    DEPICTION,
    WORDS,
    draw_scenes,
    phrases,
)
from sterling.studies.explain.neuron_explanation._settings import NeuronExplanationConfig


def test_one_word_of_each_kind_is_true_of_a_scene() -> None:
    scenes = draw_scenes(300, np.random.default_rng(0))
    for kind in (slice(0, 4), slice(4, 9), slice(9, 12), slice(12, 15)):
        assert (scenes.words[:, kind].sum(1) == 1).all()
    assert scenes.present(DEPICTION).all()
    both = scenes.present("red") & scenes.present("circle")
    np.testing.assert_array_equal(scenes.present("red circle"), both)
    assert set(scenes.labels.tolist()) == set(range(15))
    assert len(set(phrases())) == len(phrases()) == 15 + 20 + 12 + 15
    assert DEPICTION not in phrases()
    assert set(" ".join(phrases()).split()) == set(WORDS)
    again = draw_scenes(300, np.random.default_rng(0))
    assert torch.equal(scenes.pictures, again.pictures)


def test_planted_detectors_see_their_word_where_it_is() -> None:
    scenes = draw_scenes(600, np.random.default_rng(1))
    maps = Detectors()(scenes.pictures)
    fired = (maps.amax((2, 3)) > 0.3).numpy()
    for column, word in enumerate(PLANTED):
        assert (fired[:, column] == scenes.present(word)).mean() > 0.99
    # The response lies on the shape: its peak falls into the shape's box.
    peaks = maps[:, :5].sum(1).flatten(1).argmax(1).numpy()
    x, y = 4 * (peaks % 8) + 2, 4 * (peaks // 8) + 2
    left, top, right, bottom = scenes.boxes.T
    inside = (x >= left - 2) & (x <= right + 2) & (y >= top - 2) & (y <= bottom + 2)
    assert inside.mean() > 0.99


def test_the_encoder_learns_words_and_starts_without_them() -> None:
    torch.manual_seed(0)
    blank = SceneEncoder().eval()
    text = blank.texts(["red", "red circle", DEPICTION])
    torch.testing.assert_close(text.norm(dim=1), torch.ones(3))
    mean = (blank.word.weight[WORDS.index("red")] + blank.word.weight[0]) / 2
    torch.testing.assert_close(text[1], mean / mean.norm())
    one, other = (train_encoder(3, 5).texts(["red"]) for _ in range(2))
    assert torch.equal(one, other)


def test_units_of_random_patches_keep_the_size_of_real_ones() -> None:
    rng = np.random.default_rng(2)
    scenes = draw_scenes(120, rng)
    network = train_network(SceneNetwork, 2, 0)
    seen = record_activations(network, cells.LAYER, scenes.pictures, top=5)
    assert len(seen.units) == LEARNED + len(PLANTED)
    config = NeuronExplanationConfig(scenes=120, top=5, random_units=30)
    drawn = cells._random(seen, config, rng)
    sides = drawn.boxes[..., 2:] - drawn.boxes[..., :2]
    real = {tuple(side) for side in (seen.boxes[..., 2:] - seen.boxes[..., :2]).reshape(-1, 2)}
    assert {tuple(side) for side in sides.reshape(-1, 2)} <= real
    assert drawn.boxes.min() >= 0
    assert drawn.boxes.max() <= 32
    torch.manual_seed(1)
    found = explain_activations(
        drawn, scenes.pictures, phrases(), SceneEncoder().eval(), draws=1000, background=100
    )
    assert sum(one.name is not None for one in found) <= 2


@pytest.mark.parametrize("kind", ["left", "striped", "cross"])
def test_every_word_is_drawn_about_equally_often(kind: str) -> None:
    scenes = draw_scenes(2000, np.random.default_rng(3))
    share = {"left": 1 / 3, "striped": 1 / 3, "cross": 1 / 4}[kind]
    assert abs(scenes.present(kind).mean() - share) < 4 * np.sqrt(share / 2000)
