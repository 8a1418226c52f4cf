import itertools
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.face.pad.networks.cdcn_pp import PUBLISHED, CDCNpp
from sterling.face.pad.networks.cdcn_search import (
    CANDIDATES,
    EDGES,
    SearchConfig,
    SuperNetwork,
    derive,
    search,
)


def task(items: int = 24, size: int = 16) -> tuple[Tensor, Tensor]:
    """Fine vertical stripes are attacks."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(100, 150, (items, 3, size, size), generator=generator)
    attack = torch.arange(items) % 2 == 1
    images[attack, :, :, ::2] += 60
    maps = torch.ones(items, size // 8, size // 8)
    maps[attack] = 0
    return images.to(torch.uint8), maps


CONFIG = SearchConfig(
    epochs=6,
    warmup_epochs=1,
    batch_size=6,
    learning_rate=3e-3,
    architecture_rate=5e-2,
    cdl_weight=0.0,
)


def test_weights_are_softmaxes_and_the_structure_obeys_their_argmax() -> None:
    network, short = SuperNetwork(4), replace(CONFIG, epochs=3)
    found = search(network, *task(), short)
    np.testing.assert_allclose(found.alpha.sum(axis=-1), 1)
    np.testing.assert_allclose(found.beta.sum(axis=-1), 1)
    assert found.structure == derive(found.alpha, found.beta)
    assert len(found.losses) == short.epochs - short.warmup_epochs
    assert float(network.alpha.detach().abs().max()) > 0
    CDCNpp(4, structure=found.structure, attention=())  # trains as a configuration
    again = search(SuperNetwork(4), *task(), short)
    np.testing.assert_array_equal(again.alpha, found.alpha)


def test_each_parameter_belongs_to_one_level() -> None:
    network = SuperNetwork(4)
    weights, structure = (
        {id(p) for p in level} for level in (network.weights(), network.architecture())
    )
    assert weights | structure == {id(p) for p in network.parameters()}
    assert not weights & structure
    assert weights
    assert structure


def test_the_structure_rests_while_the_weights_warm_up() -> None:
    network = SuperNetwork(4)
    before = [p.detach().clone() for p in network.weights()]
    moved: list[float] = []

    def watch(_epoch: int) -> None:
        moved.append(float(network.alpha.detach().abs().max()))

    search(
        network,
        *task(),
        SearchConfig(**{**vars(CONFIG), "epochs": 3, "warmup_epochs": 2}),
        progress=watch,
    )
    assert moved[:2] == [0.0, 0.0]
    assert moved[2] > 0
    assert any(not torch.equal(a, b) for a, b in zip(before, network.weights(), strict=True))


def test_a_single_informative_candidate_gets_the_weight() -> None:
    """Every candidate but one is replaced by nothing, in every edge."""
    kept = CANDIDATES.index("cdc_2_1.4")
    network = SuperNetwork(4, partial=2)
    cells: Any = network.cells
    nothing = cells[0].edges[0][0]
    for cell, edge in itertools.product(cells, range(len(EDGES))):
        for index in range(len(CANDIDATES)):
            if index != kept:
                cell.edges[edge][index] = nothing
    # Without decay, which would outweigh the small gradients of so small a network.
    fast = {**vars(CONFIG), "epochs": 10, "architecture_rate": 0.3, "architecture_decay": 0.0}
    found = search(network, *task(), SearchConfig(**fast))
    mean = found.alpha.mean(axis=(0, 1))
    assert int(mean.argmax()) == kept
    assert mean[kept] > 2 / len(CANDIDATES)


def one_hot(choices: dict[tuple[int, int], str]) -> np.ndarray:
    """Weights of one cell: the named candidate on the named edges, "none" elsewhere."""
    weights = np.full((len(EDGES), len(CANDIDATES)), 0.01)
    weights[:, 0] = 0.9
    for edge, name in choices.items():
        weights[EDGES.index(edge), CANDIDATES.index(name)] = 0.8
    return weights


def test_the_published_structure_can_be_derived() -> None:
    low = one_hot({(0, 1): "cdc_2_1.6"})
    mid = one_hot({(0, 2): "cdc_2_1.2", (2, 4): "cdc_2_1.4"})
    high = one_hot({(0, 1): "cdc", (1, 3): "cdc_2_1.2"})
    nodes = np.eye(4)[[0, 3, 2]]
    assert derive(np.stack([low, mid, high]), nodes) == PUBLISHED


def test_none_is_never_chosen_and_skips_leave_nothing() -> None:
    alpha = np.stack([one_hot({(0, 1): "skip"})] * 3)
    assert derive(alpha, np.eye(4)[[0, 0, 0]]) == (("cdc",), ("cdc",), ("cdc",))


def test_partial_channels_pass_by_and_are_shuffled() -> None:
    network = SuperNetwork(4, partial=4)
    cell: Any = network.cells[0]
    x = torch.arange(8.0).view(1, 8, 1, 1).expand(1, 8, 2, 2)
    only_none = torch.eye(len(CANDIDATES))[0]
    passed = cell._edge(0, x, only_none)[0, :, 0, 0]
    # Channels 0 and 1 were taken, and became nothing; four groups of two are interleaved.
    assert passed.tolist() == [0, 2, 4, 6, 0, 3, 5, 7]


def test_wrong_arguments_are_refused() -> None:
    with pytest.raises(InputError, match="divide the cells' 8 channels"):
        SuperNetwork(4, partial=3)
    with pytest.raises(InputError, match="warmup_epochs"):
        SearchConfig(epochs=2, warmup_epochs=2)
    images, maps = task()
    with pytest.raises(InputError, match="0 attack items"):
        search(SuperNetwork(4), images[::2], maps[::2], CONFIG)
