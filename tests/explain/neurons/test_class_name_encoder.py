"""The encoder made of class names: what it says of pictures, and what it needs."""

from pathlib import Path

import pytest
import torch

from sterling.explain.neurons.class_name_encoder import (
    ClassNameEncoder,
    class_names,
    class_synsets,
)
from sterling.explain.neurons.packaged import PACKAGES
from sterling.pictures import read_pixels

PHOTOGRAPHS = Path(__file__).parents[3] / "examples" / "photographs"


def test_texts_and_pictures_lie_in_one_space() -> None:
    for module in PACKAGES:
        pytest.importorskip(module)
    pytest.importorskip("transformers")
    encoder = ClassNameEncoder()
    assert encoder.names.shape == (1000, 384)
    text = encoder.texts(["a cat", "a kitten", "a truck"])
    similar = text @ text.T
    assert similar[0, 1] > similar[0, 2] + 0.2
    torch.testing.assert_close(similar.diag(), torch.ones(3))
    # One text at a time is the same: padding says nothing.
    torch.testing.assert_close(encoder.texts(["a truck"])[0], text[2], atol=1e-5, rtol=1e-4)
    pixels = read_pixels(next(PHOTOGRAPHS.glob("*.jpg")))
    picture = torch.from_numpy(pixels.copy())[None].float() / 255
    found = encoder.images(picture)
    assert found.shape == (1, 384)
    assert float(found.norm()) == pytest.approx(1, abs=1e-5)
    # A person in a suit is nearer to clothes than to fish.
    clothes, fish = encoder.texts(["a suit of clothes", "a fish"])
    assert found[0] @ clothes > found[0] @ fish


def test_names_and_synsets_of_the_classes_are_in_one_order() -> None:
    names, synsets = class_names(), class_synsets()
    assert len(names) == len(synsets) == len(set(synsets)) == 1000
    assert (names[281], synsets[281]) == ("tabby, tabby cat", "n02123045")
