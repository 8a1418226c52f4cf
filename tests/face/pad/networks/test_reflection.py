"""Reflection targets of known pictures, and which head is taught what."""

import pytest
import torch
from tests.draws import pixels, uniform

from sterling.errors import InputError
from sterling.face.pad.networks.reflection import Bipartite, BipartiteNet, reflection_maps
from sterling.face.pad.training.objective import Batch


def test_an_even_picture_reflects_nothing() -> None:
    found = reflection_maps(torch.full((2, 3, 32, 32), 140, dtype=torch.uint8), 4)
    assert found.max() < 1e-4


def test_a_white_spot_is_found_and_a_coloured_one_is_not() -> None:
    pictures = torch.full((2, 3, 32, 32), 60, dtype=torch.uint8)
    pictures[0, :, 8:16, 16:24] = 255
    pictures[1, 0, 8:16, 16:24] = 255  # red alone: the surface's colour
    white, red = reflection_maps(pictures, 4)
    assert white[1, 2] == 1
    assert white.sum() == 1
    assert not red.any()


def test_faint_highlights_are_not_stretched() -> None:
    picture = torch.full((1, 3, 32, 32), 100.0)
    picture[:, :, 8:16, 16:24] += 2.55  # a hundredth of white
    # Of 0.01, less what the window of 9 pixels already holds of it, divided by the floor of 0.05.
    assert 0 < reflection_maps(picture, 4).max() < 0.2


def test_depth_is_for_bona_fides_and_reflection_for_attacks() -> None:
    images = pixels(2, 3, 32, 32)
    maps = torch.stack([torch.full((4, 4), 0.5), torch.zeros(4, 4)])
    network = BipartiteNet(2).train()
    with torch.no_grad():
        for head in (network.trunk.head, network.reflect):
            list(head.parameters())[-1].zero_()  # both answers are 0
    loss, scores = Bipartite(augmented=False)(
        network, network, Batch(images, maps, None, torch.arange(2)), torch.Generator()
    )
    wanted = (0.25 / 2) + reflection_maps(images[1:], 4).square().mean() / 2
    assert torch.allclose(loss, wanted)
    assert scores.tolist() == [0.5, 0.5]


def test_the_answer_is_depth_less_reflection() -> None:
    network = BipartiteNet(2, seed=1).train()
    output = network(uniform(2, 3, 32, 32))
    depth, reflection = output.features
    assert torch.allclose(output.maps, ((1 + depth - reflection) / 2).clamp(min=0))
    assert not torch.equal(depth, reflection)


def test_pictures_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match="shape"):
        reflection_maps(torch.zeros(3, 32, 32), 4)
