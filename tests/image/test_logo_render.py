"""Rendered crops and scenes: what is known of them is true, and the border obeys its dial."""

import numpy as np
import pytest
import torch

from sterling.errors import InputError
from sterling.image.logos import Camera, brand_masks, render_logos, render_scenes
from sterling.image.logos.render import CONTRAST, ink_colour, warp_mask
from sterling.image.logos.surfaces import draw_surface

LUMA = np.array([0.299, 0.587, 0.114])


def test_same_seed_same_pictures() -> None:
    brands = np.array([3, 1, 3])
    first, again = (render_logos(brands, Camera(), seed=4) for _ in range(2))
    assert torch.equal(first.images, again.images)
    assert not torch.equal(first.images, render_logos(brands, Camera(), seed=5).images)


def test_own_borders_come_as_often_as_asked() -> None:
    brands = np.zeros(400, np.int64)
    share = render_logos(brands, Camera(size=24, cells=6, correlation=0.8), seed=0).own_border
    assert abs(share.mean() - 0.8) < 4 * np.sqrt(0.8 * 0.2 / 400)
    for correlation, every in ((0.0, False), (1.0, True)):
        camera = Camera(size=24, cells=6, correlation=correlation)
        assert (render_logos(brands[:20], camera, seed=0).own_border == every).all()


def test_borders_of_one_brand_are_alike_and_others_are_not() -> None:
    """Mean colours of the outermost pixels vary less within a brand than between brands."""
    brands = np.repeat(np.arange(12), 8)

    def ratio(correlation: float) -> float:
        images = render_logos(brands, Camera(correlation=correlation), seed=1).images.float()
        edge = torch.cat([images[..., :2, :].flatten(2), images[..., -2:, :].flatten(2)], 2)
        colours = edge.mean(2).view(12, 8, 3)
        return float(colours.mean(1).var(0).sum() / colours.var(1).mean(0).sum())

    assert ratio(1.0) > 1
    assert ratio(0.0) < 0.5  # 1/8 in expectation


def test_the_target_is_the_logos_box() -> None:
    """A full square of ink covers the cells that the target says, up to a cell at the edge."""
    corners = np.array([[10.0, 8], [36, 10], [38, 38], [9, 36]])
    ink, box = warp_mask(np.full((64, 64), 255, np.uint8), corners, 48)
    assert np.abs((ink[..., 0] > 0.5).astype(int) - (box > 0.5)).mean() < 0.06
    pictures = render_logos(np.arange(30), Camera(), seed=2)
    assert 0.3 < float(pictures.inner.mean()) < 0.7
    assert float(pictures.inner[:, 5:7, 5:7].min()) == 1  # the middle is always logo
    assert float(pictures.inner[:, 0, 0].max()) < 0.5  # a corner is border


def test_ink_stands_out() -> None:
    rng = np.random.default_rng(0)
    for style in range(40):
        surface = draw_surface(style, 16, rng)
        assert surface.min() >= 0
        assert surface.max() <= 1
        mean = float(surface.mean((0, 1)) @ LUMA)
        assert abs(float(ink_colour(surface, rng) @ LUMA) - mean) >= min(CONTRAST, 0.2)


def test_masks_are_refused_out_of_range() -> None:
    with pytest.raises(InputError, match="brand"):
        brand_masks(np.array([10**6]))
    with pytest.raises(InputError, match="correlation"):
        Camera(correlation=1.5)


def test_boxes_of_scenes_lie_inside_and_apart() -> None:
    scenes = render_scenes(12, np.arange(5), size=160, seed=0)
    assert scenes.images.shape == (12, 3, 160, 160)
    assert sum(map(len, scenes.boxes)) > 5
    for boxes, brands in zip(scenes.boxes, scenes.brands, strict=True):
        assert len(boxes) == len(brands)
        assert (boxes[:, :2] < boxes[:, 2:]).all()
        assert (boxes > -12).all()
        assert (boxes < 172).all()
        for one in range(len(boxes)):
            for other in range(one):
                low = np.maximum(boxes[one, :2], boxes[other, :2])
                high = np.minimum(boxes[one, 2:], boxes[other, 2:])
                assert not (high > low).all()
