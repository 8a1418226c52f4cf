"""Activations: one pass equals many, units of every kind, regions, receptive fields."""

from typing import Any

import numpy as np
import pytest
import torch
from tests.explain.neurons.tiny import ColourDetectors, pictures
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.explain.neurons import activations as module
from sterling.explain.neurons.activations import (
    as_maps,
    receptive_field,
    record_activations,
    region_box,
)


def small(seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(4, 5, 3, stride=2, padding=1),
        nn.Flatten(),
        nn.Linear(5 * 64, 6),
    )


@pytest.mark.parametrize("batch", [1, 7, 64])
def test_batches_do_not_matter(batch: int) -> None:
    made, _, _ = pictures(30, 0)
    whole = record_activations(small(), "2", made, top=5, batch=30)
    found = record_activations(small(), "2", made, top=5, batch=batch)
    np.testing.assert_allclose(found.values, whole.values, atol=1e-5)
    np.testing.assert_array_equal(found.top, whole.top)
    np.testing.assert_array_equal(found.boxes, whole.boxes)


def test_values_and_top_pictures_are_those_of_a_plain_pass() -> None:
    made, _, _ = pictures(25, 1)
    network = small()
    with torch.no_grad():
        maps = network[:3](made)  # type: ignore[index]
    found = record_activations(network, "2", made, units=np.array([3, 1]), top=4)
    for place, unit in enumerate((3, 1)):
        peaks = maps[:, unit].flatten(1).max(1).values.numpy()
        np.testing.assert_allclose(found.values[:, place], peaks, rtol=1e-5)
        assert found.top[place].tolist() == sorted(range(25), key=lambda i: -peaks[i])[:4]


def test_the_region_of_a_detector_covers_what_it_sees() -> None:
    made, names, boxes = pictures(60, 2)
    found = record_activations(ColourDetectors(), "seen", made, top=6)
    for unit, name in enumerate(("red", "green", "blue")):
        for picture, box in zip(found.top[unit], found.boxes[unit], strict=True):
            assert names[picture] == name
            assert box.tolist() == boxes[picture].tolist()
    assert found.dead.tolist() == [False, False, False, True, False]


def test_vectors_and_tokens_are_units_too() -> None:
    vectors = torch.arange(6.0).view(2, 3)
    assert as_maps(vectors, "fc").shape == (2, 3, 1, 1)
    tokens = torch.arange(2.0 * 9 * 4).view(2, 9, 4)
    square = as_maps(tokens, "mlp")
    assert square.shape == (2, 4, 3, 3)
    assert float(square[1, 2, 2, 0]) == float(tokens[1, 6, 2])
    with_class = as_maps(torch.cat([torch.zeros(2, 1, 4), tokens], 1), "mlp")
    torch.testing.assert_close(with_class, square)
    assert as_maps(torch.zeros(2, 7, 4), "mlp").shape == (2, 4, 1, 7)
    with pytest.raises(InputError, match="has no units"):
        as_maps(torch.zeros(3), "odd")
    made, _, _ = pictures(10, 3)
    logits = record_activations(small(), "4", made, top=2)
    assert logits.values.shape == (10, 6)
    assert (logits.boxes == [0, 0, 16, 16]).all()  # a logit sees everything


def test_receptive_fields_are_measured() -> None:
    made, _, _ = pictures(1, 0, side=32)
    network = nn.Sequential(nn.Conv2d(3, 2, 3, padding=1), nn.Conv2d(2, 2, 5, padding=2))
    assert receptive_field(network, "0", made) == 3
    assert receptive_field(network, "1", made) == 7
    pooled = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(3, 2, 3, padding=1))
    assert receptive_field(pooled, "1", made) == 6


def test_the_largest_region_around_the_peak_is_boxed() -> None:
    response = np.zeros((8, 8), dtype=np.float32)
    response[1:3, 2:6] = 1
    response[1, 2] = 1.5  # the peak
    response[6, 0:8] = 1.2  # a larger region elsewhere
    assert region_box(response, (16, 16), 1) == (4, 2, 12, 6)
    assert region_box(response, (16, 16), 6) == (4, 1, 12, 7)  # grown to what a position sees
    assert region_box(response, (16, 16), 100) == (0, 0, 16, 16)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"layer": "conv"}, "layer"),
        ({"units": np.array([9])}, "units .9.: give numbers from 0 to 4"),
        ({"top": 40}, "top 40: give 1 to the 8 pictures"),
        ({"pictures": torch.zeros(8, 1, 16, 16)}, "repeat a grey channel thrice"),
        ({"pictures": 2 * torch.ones(8, 3, 16, 16)}, "from 0 to 1"),
    ],
)
def test_bad_input_is_one_line(change: dict[str, Any], message: str) -> None:
    made, _, _ = pictures(8, 0)
    given: dict[str, Any] = {"layer": "2", "pictures": made, "top": 3, **change}
    layer, images = given.pop("layer"), given.pop("pictures")
    with pytest.raises(InputError, match=message):
        record_activations(small(), layer, images, **given)


def test_values_beyond_the_store_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    made, _, _ = pictures(8, 0)
    monkeypatch.setattr(module, "LARGEST_STORE", 100)
    with pytest.raises(InputError, match="give fewer units, at most 3 at a time"):
        record_activations(small(), "2", made, top=2)


def test_inputs_are_prepared() -> None:
    made, _, _ = pictures(8, 0)

    def brighter(images: Tensor) -> Tensor:
        return 2 * images

    plain = record_activations(small(), "2", 2 * made / 2, top=2, prepare=brighter)
    with torch.no_grad():
        maps = small()[:3](2 * made)  # type: ignore[index]
    np.testing.assert_allclose(plain.values, maps.flatten(2).amax(2).numpy(), rtol=1e-5)
