"""Training pictures of the captions encoder: parts, captions, and scenes that show their words."""

import colorsys

import numpy as np
import pytest
import torch
from tools.build_caption_encoder import Examples, projected, retrieval, train
from tools.captioned_pictures import COLOURS, captions, draw_scene, part_of, plain_picture


def test_variants_of_a_thing_are_in_one_part() -> None:
    for name in ("dog", "cat", "tiger", "monkey"):
        assert part_of(name) == part_of(f"{name} face")
    parts = [part_of(f"thing {k}") for k in range(2000)]
    assert parts.count("train") / 2000 == pytest.approx(0.65, abs=0.04)
    assert parts.count("development") / 2000 == pytest.approx(0.15, abs=0.03)


def test_captions_are_words_and_the_name_comes_first() -> None:
    given = captions("hot beverage", ["hot_beverage", "coffee", ":D", "i18n", "Coffee", "t-shirt"])
    assert given == ("hot beverage", "coffee", "t shirt")


def test_a_scene_shows_the_colour_it_says() -> None:
    rng = np.random.default_rng(0)
    checked = 0
    while checked < 12:
        pixels, said = draw_scene(rng)
        colour, texture = said[:2]
        if colour not in ("red", "green", "blue", "purple") or texture != "plain":
            continue  # shapes come first where there is one; its ground has any colour
        hue = colorsys.rgb_to_hsv(*(pixels.mean((0, 1)) / 255))[0]
        low, high = COLOURS[colour][:2]
        assert low - 0.03 <= hue <= high + 0.03
        checked += 1


def test_transparent_pixels_are_white() -> None:
    clear = np.zeros((10, 10, 4), dtype=np.uint8)
    assert (plain_picture(clear) == 255).all()


def test_training_finds_a_planted_linear_relation() -> None:
    rng = torch.Generator().manual_seed(0)
    words = {f"word {k}": torch.randn(384, generator=rng) for k in range(300)}
    mixing = torch.randn(384, 1456, generator=rng)
    names = [f"word {k % 300}" for k in range(3000)]
    features = torch.stack([words[one] for one in names]) @ mixing
    features += 5 * torch.randn(features.shape, generator=rng)
    examples = Examples(features, [(one,) for one in names], torch.ones(len(names)))
    found = train(examples, words)
    image, text = projected(found)
    every = text(torch.stack(list(words.values())))
    truth = np.arange(3000) % 300
    assert retrieval(image(features), every, truth)["first"][0] > 0.95
    # A shuffled truth is found at chance level.
    assert retrieval(image(features), every, np.roll(truth, 7))["first"][0] < 0.02
