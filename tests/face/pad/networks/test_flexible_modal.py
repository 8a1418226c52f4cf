import itertools
from typing import Any, get_args

import pytest
import torch
from tests.draws import normal
from torch import Tensor

from sterling.face.pad import TrainConfig, train
from sterling.face.pad.networks.flexible_modal import (
    Backbone,
    FlexibleFusion,
    FlexibleModal,
    _TokenMap,
    channel_attention,
)

PAIRS = list(itertools.product(get_args(Backbone), get_args(FlexibleFusion)))


def small(backbone: Any = "cdcn", fusion: Any = "concat", **arguments: Any) -> FlexibleModal:
    given = {"width": 4, "depth": 1, "patch": 8, "size": 32, **arguments}
    return FlexibleModal(backbone, fusion, **given).eval()


def scores(model: FlexibleModal, images: Tensor, present: Tensor | None = None) -> Tensor:
    with torch.no_grad():
        return model.liveness(model(images, present))


def only(*there: int) -> Tensor:
    present = torch.zeros(3, 3, dtype=torch.bool)
    present[:, list(there)] = True
    return present


@pytest.mark.parametrize(("backbone", "fusion"), PAIRS)
def test_an_absent_camera_shows_a_black_picture(backbone: str, fusion: str) -> None:
    model = small(backbone, fusion, missing="black")
    images = normal(3, 5, 32, 32, seed=1)
    zeroed = images.clone()
    zeroed[:, 3:] = -127.5 / 128  # pixels of 0, normalised
    torch.testing.assert_close(scores(model, images, only(0)), scores(model, zeroed))


def test_channel_attention_on_nothing_is_the_channel_mean() -> None:
    anchor = normal(2, 6, 10)
    found = channel_attention(anchor, torch.zeros(2, 6, 10))
    torch.testing.assert_close(found, anchor.mean(dim=1, keepdim=True).expand_as(anchor))


def test_an_absent_modality_is_no_term_of_cross_attention() -> None:
    """With zeros the term is the channel mean, not nothing; said to be absent, it is nothing."""
    images = normal(3, 5, 32, 32, seed=1)
    features = normal(3, 3, 8, 4, 4, seed=2)
    model = small("vit", "cross_attention")
    alone = model._fuse(features, only(0))
    torch.testing.assert_close(alone, features[:, 0])
    two = model._fuse(features, only(0, 2))
    anchor, other = features[:, 0].flatten(2), features[:, 2].flatten(2)
    expected = anchor + channel_attention(anchor, other)
    torch.testing.assert_close(two.flatten(2), expected)
    second = model._fuse(features, only(1))  # the first one there is the anchor
    torch.testing.assert_close(second, features[:, 1])
    assert not torch.equal(scores(model, images), scores(model, images, only(0)))


def test_the_published_transformer_has_91_million_parameters() -> None:
    """ViT-B at 224 without its last norm, a 3×3 convolution of 768 channels and a logit."""
    with torch.device("meta"):
        trunk = _TokenMap(768, 12, 16, 224)
    embedding = 768 * 3 * 16**2 + 768
    tokens = (1 + 14**2 + 1) * 768
    block = 4 * (768 * 768 + 768) + 8 * 768 * 768 + 5 * 768 + 4 * 768
    found = sum(one.numel() for one in trunk.parameters())
    assert found == embedding + tokens + 12 * block == 85_797_120
    head = 9 * 768 * 768 + 2 * 768 + 769
    assert found + head == 91_107_841
    assert not any("norm" in name and "blocks" not in name for name, _ in trunk.named_modules())
    norms = [one for one in trunk.modules() if isinstance(one, torch.nn.LayerNorm)]
    assert {one.eps for one in norms} == {1e-6}


def test_patches_attend_to_the_class_token_in_all_blocks() -> None:
    trunk = _TokenMap(12, 2, 8, 32).eval()
    before = trunk(normal(2, 3, 32, 32))
    assert before.shape == (2, 12, 4, 4)
    with torch.no_grad():
        trunk.class_token.weight += 3.0 * normal(12, seed=5)
    assert not torch.allclose(trunk(normal(2, 3, 32, 32)), before, atol=1e-3)


def test_a_transformer_is_shared_and_convolutions_are_not() -> None:
    assert len(small("vit").trunks) == 1
    assert len(small("cdcn").trunks) == len(small("resnet").trunks) == 3


def test_dropout_depends_on_the_seed_alone() -> None:
    images = normal(8, 5, 32, 32, seed=1).mul(64).add(128).clamp(0, 255).byte()
    maps = (torch.arange(8) % 2 == 0).float()[:, None, None]
    config = TrainConfig(epochs=2, batch_size=4, drop_modality=0.5, augment=False)
    weights = []
    for noise in range(2):
        model = small("vit")
        torch.manual_seed(noise)
        before = torch.get_rng_state()
        train(model, images, maps, config)
        assert torch.equal(torch.get_rng_state(), before)
        weights.append(model.state_dict())
    torch.testing.assert_close(weights[0], weights[1])
