from typing import Any

import pytest
import torch
from tests.draws import normal
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from sterling.face.pad.networks.fm_vit import CrossModalBlock, FMViT

SMALL = {"size": 32, "patch": 8, "dim": 24, "depth": 2, "heads": 3, "every": 1}


def small(**arguments: Any) -> FMViT:
    return FMViT(**{**SMALL, **arguments}).eval()


def tokens(seed: int, items: int = 2, patches: int = 6, dim: int = 12) -> Tensor:
    return normal(items, 1 + patches, dim, seed=seed)


EVERYTHING = torch.ones(2, 2, dtype=torch.bool)


def test_permuting_modalities_permutes_the_heads() -> None:
    model = small(modalities=("depth", "ir"))
    other = small(modalities=("ir", "depth"))
    turned = {}
    for name, value in model.state_dict().items():
        parts = name.split(".")
        if parts[0] in ("patches", "blocks") or (parts[0] == "heads" and parts[1] in "01"):
            parts[1] = str(1 - int(parts[1]))
        turned[".".join(parts)] = value.flip(0) if name == "class_tokens.weight" else value
    other.load_state_dict(turned)
    images = normal(3, 2, 32, 32, seed=1)
    with torch.no_grad():
        expected, found = model(images).logits, other(images.flip(1)).logits
    torch.testing.assert_close(found, expected[:, [1, 0, 2]])


@pytest.mark.parametrize("there", [(0,), (1,), (0, 2), (1, 2)])
def test_a_subset_equals_a_network_of_those_modalities(there: tuple[int, ...]) -> None:
    model = small()
    names = [model.modalities[m] for m in there]
    alone = small(modalities=names)
    kept = {}
    for name, value in alone.state_dict().items():
        parts = name.split(".")
        if parts[0] in ("patches", "blocks"):
            parts[1] = str(there[int(parts[1])])
        elif parts[0] == "heads":
            position = int(parts[1])
            parts[1] = str(there[position] if position < len(there) else 3)
        source = model.state_dict()[".".join(parts)]
        kept[name] = source[list(there)] if name == "class_tokens.weight" else source
        assert kept[name].shape == value.shape
    alone.load_state_dict(kept)
    images = normal(3, 5, 32, 32, seed=1)
    present = torch.zeros(3, 3, dtype=torch.bool)
    present[:, list(there)] = True
    parts_of = model.split(images)
    with torch.no_grad():
        found = model(images, present)
        expected = alone(torch.cat([parts_of[m] for m in there], dim=1))
    torch.testing.assert_close(found.logits[:, [*there, 3]], expected.logits)
    assert found.heads is not None
    assert found.heads[0].tolist() == [m in there for m in range(3)] + [True]


def test_one_modality_costs_a_third() -> None:
    model, images = small(), normal(1, 5, 32, 32, seed=1)
    counts = []
    for present in (None, torch.tensor([[False, True, False]])):
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            model(images, present)
        counts.append(counter.get_total_flops())
    assert counts[1] < 0.36 * counts[0]


def test_keeping_every_patch_is_ordinary_attention() -> None:
    whole = CrossModalBlock(12, 3, keep=1.0, fusion=False).eval()
    nearly = CrossModalBlock(12, 3, keep=0.999, fusion=False).eval()  # ceil: all patches
    nearly.load_state_dict(whole.state_dict())
    branches = [tokens(0), tokens(1)]
    with torch.no_grad():
        plain = [x + whole.mutual(whole.norm_mutual(x), whole.norm_mutual(x)) for x in branches]
        for block in (whole, nearly):
            for found, expected in zip(block(branches, EVERYTHING), plain, strict=True):
                torch.testing.assert_close(found, expected)


def test_the_class_token_sees_informative_patches_only() -> None:
    block = CrossModalBlock(12, 3, keep=0.5, fusion=False).eval()
    branches = [tokens(0), tokens(1)]
    normed = [block.norm_mutual(x) for x in branches]
    chosen = block.informative(normed, EVERYTHING)
    assert chosen.sum(dim=1).tolist() == [3, 3]
    values = [x.clone().requires_grad_() for x in branches]
    block(values, EVERYTHING)[0][:, 0].sum().backward()
    assert values[0].grad is not None
    # A patch that is not informative reaches the class token through nothing.
    reached = values[0].grad[:, 1:].abs().sum(dim=2) > 0
    assert torch.equal(reached, chosen)


def test_selection_weighs_the_modalities_that_are_there() -> None:
    block = CrossModalBlock(12, 3, keep=0.5).eval()
    normed = [tokens(0), tokens(1)]
    only_second = torch.tensor([[False, True]]).expand(2, -1)
    alone = block.informative([normed[1]], torch.ones(2, 1, dtype=torch.bool))
    assert torch.equal(block.informative(normed, only_second), alone)


def test_fusion_attention_of_one_modality_is_class_attention_on_its_own_patches() -> None:
    block = CrossModalBlock(12, 3, keep=1.0).eval()
    x = tokens(0)
    with torch.no_grad():
        found = block([x], torch.ones(2, 1, dtype=torch.bool))[0]
        after = x + block.mutual(block.norm_mutual(x), block.norm_mutual(x))
        assert block.fusion is not None
        assert block.norm_fusion is not None
        normed = block.norm_fusion(after)
        expected = after[:, :1] + block.fusion(normed[:, :1], normed[:, 1:])
    torch.testing.assert_close(found[:, :1], expected)
    torch.testing.assert_close(found[:, 1:], after[:, 1:])  # patches stay


@pytest.mark.parametrize("fusion", [True, False])
def test_only_fusion_attention_couples_colour_head_and_depth_patches(fusion: bool) -> None:
    model = small(fusion=fusion, keep=1.0)
    images = normal(3, 5, 32, 32, seed=1).requires_grad_()
    model(images).logits[:, 0].sum().backward()
    assert images.grad is not None
    assert float(images.grad[:, :3].abs().sum()) > 0
    assert (float(images.grad[:, 3].abs().sum()) > 0) is fusion
