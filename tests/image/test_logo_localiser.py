"""The localiser: targets and boxes are each other's inverse, overlaps, and training."""

from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch

from sterling.errors import InputError
from sterling.image.logos import LogoLocaliser, LogoScenes, render_scenes, train_localiser
from sterling.image.logos.localiser import (
    CELL,
    _decoded,
    _targets,
    grid_loss,
    overlaps,
    without_overlaps,
)


def scenes_of(*boxes: list[float]) -> LogoScenes:
    return LogoScenes(
        torch.zeros(1, 3, 96, 96, dtype=torch.uint8),
        (np.array(boxes, dtype=np.float64).reshape(-1, 4),),
        (np.zeros(len(boxes), np.int64),),
    )


def perfect_grid(scenes: LogoScenes) -> torch.Tensor:
    _, wanted, centre = _targets(scenes, 12, 12)
    return torch.cat([torch.logit(centre, eps=1e-6)[:, None], wanted], 1)


def test_a_perfect_grid_gives_the_boxes_back_and_costs_next_to_nothing() -> None:
    scenes = scenes_of([5, 8, 29, 40], [50, 10, 90, 22], [30, 60, 71, 95])
    grid = perfect_grid(scenes)
    found = _decoded(grid[0], 0.5)
    order = np.lexsort(found[:, :1].T)
    expected = scenes.boxes[0][np.argsort(scenes.boxes[0][:, 0])]
    assert found[order, :4] == pytest.approx(expected, abs=1e-4)
    assert float(grid_loss(grid, scenes)) < 1e-3
    assert float(grid_loss(torch.zeros_like(grid), scenes)) > 1


def test_a_wrong_place_costs_more_than_a_near_one() -> None:
    scenes = scenes_of([30, 30, 70, 70])
    right = perfect_grid(scenes)
    losses = [float(grid_loss(right.roll(shift, dims=3), scenes)) for shift in (0, 1, 4)]
    assert losses[0] < losses[1]
    assert losses[0] < losses[2]


def test_overlaps_equal_counting_pixels() -> None:
    rng = np.random.default_rng(0)
    corner, side = rng.integers(0, 20, (6, 2)), rng.integers(1, 15, (6, 2))
    boxes = np.hstack([corner, corner + side])
    masks = np.zeros((6, 40, 40), bool)
    for mask, (left, top, right, bottom) in zip(masks, boxes.tolist(), strict=True):
        mask[top:bottom, left:right] = True
    both = (masks[:, None] & masks[None]).sum((2, 3))
    either = (masks[:, None] | masks[None]).sum((2, 3))
    assert overlaps(boxes.astype(float), boxes.astype(float)) == pytest.approx(both / either)


def test_of_overlapping_boxes_the_best_is_kept() -> None:
    boxes = np.array([[0, 0, 10, 10], [1, 1, 11, 11], [30, 30, 40, 40.0]])
    assert without_overlaps(boxes, np.array([0.5, 0.9, 0.1])).tolist() == [1, 2]
    assert without_overlaps(boxes, np.array([0.5, 0.9, 0.1]), most=0.9).tolist() == [1, 0, 2]
    assert without_overlaps(np.zeros((0, 4)), np.zeros(0)).tolist() == []


def test_boxes_are_in_the_photographs_pixels_and_inside_it() -> None:
    localiser = LogoLocaliser(width=4)
    photograph = np.random.default_rng(0).integers(0, 255, (60, 90, 3)).astype(np.uint8)
    found = localiser.find(photograph, least=0.0, most=500)
    assert len(found) > 3
    assert (found.boxes >= 0).all()
    assert (found.boxes[:, [0, 2]] <= 90).all()
    assert (found.boxes[:, [1, 3]] <= 60).all()
    assert (np.diff(found.scores) <= 0).all()
    assert len(localiser.find(photograph, least=0.0, most=2)) == 2


def test_training_lowers_the_loss_and_files_keep_the_network(tmp_path: Path) -> None:
    localiser = LogoLocaliser(width=4)
    draw = partial(render_scenes, 3, np.arange(3), size=96)
    losses = train_localiser(localiser, lambda step: draw(seed=step % 2), steps=16, rate=0.02)
    assert np.mean(losses[-4:]) < 0.8 * np.mean(losses[:4])
    localiser.save(tmp_path)
    again = LogoLocaliser.load(tmp_path)
    images = draw(seed=5).images
    assert torch.allclose(localiser(images), again(images), atol=0.1)
    (tmp_path / "localiser.json").write_text('{"width": 8}')
    with pytest.raises(InputError, match="no localiser that fits"):
        LogoLocaliser.load(tmp_path)


def test_centres_at_the_edge_stay_on_the_grid() -> None:
    scenes = scenes_of([92, 92, 100, 100])
    _, _, centre = _targets(scenes, 96 // CELL, 96 // CELL)
    assert centre[0, -1, -1] == 1
