"""Prior knowledge: learned, frozen, and of classes of its own."""

import pytest
import torch
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.image import LabelledImages, conv4, draw_glyphs, split_classes
from sterling.image.prior_knowledge import maps_of, require_disjoint, train_representation


def network() -> nn.Module:
    return conv4(None, size=16, width=8, norm=nn.BatchNorm2d)


def state(module: nn.Module) -> Tensor:
    return torch.cat([value.double().flatten() for value in module.state_dict().values()])


@pytest.mark.parametrize("prior", ["labels", "rotations"])
def test_representations_learn_their_prior_task(prior: str) -> None:
    images = draw_glyphs(8, 20, size=16)
    before = network()
    features = network()
    learned = train_representation(features, images, prior, steps=60)  # type: ignore[arg-type]
    assert learned > (0.5 if prior == "labels" else 0.45)  # chance is 1/8 and 1/4
    assert not torch.equal(state(features), state(before))
    again = network()
    assert train_representation(again, images, prior, steps=60) == learned  # type: ignore[arg-type]
    assert torch.equal(state(again), state(features))


def test_maps_stand_in_for_their_pictures() -> None:
    images = draw_glyphs(4, 3, size=16)
    features = network()
    before = state(features)
    maps = maps_of(features, images, {"all": images})["all"]
    assert maps.images.shape == (12, 8, 1, 1)
    assert maps.labels is images.labels
    norms = maps.images.flatten(1).norm(dim=1)
    assert float(norms.square().mean()) == pytest.approx(1.0, abs=1e-5)
    alone = features.eval()(images.images[5:6]).detach()
    scale = alone.norm() / norms[5]
    torch.testing.assert_close(maps.images[5:6] * scale, alone, atol=1e-5, rtol=0)
    assert torch.equal(state(features), before)


def test_prior_classes_must_be_others() -> None:
    parts = split_classes(draw_glyphs(10, 2), {"prior": 0.5, "test": 0.5}, 0)
    require_disjoint(parts["prior"], parts["test"])
    both = LabelledImages(
        parts["test"].images, parts["test"].labels, parts["prior"].names, "the same names"
    )
    with pytest.raises(InputError, match="5 in common"):
        require_disjoint(parts["prior"], parts["test"], both)
    with pytest.raises(InputError, match="did you mean rotations"):
        train_representation(network(), parts["prior"], "rotation")  # type: ignore[arg-type]
