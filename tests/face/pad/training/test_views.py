"""Views keep what they should: values in range, patches whole, the same draws the same view."""

import pytest
import torch

from sterling.face.pad.training import augment as views
from sterling.face.pad.training.augment import moved_view, random_crop, random_view, shuffle_patches


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(n: int = 4, size: int = 32) -> torch.Tensor:
    return torch.randint(0, 256, (n, 3, size, size), dtype=torch.uint8, generator=draws(9))


def test_the_same_draws_give_the_same_view_and_others_another() -> None:
    images = pictures()
    view = random_view(images, draws())
    assert view.shape == images.shape
    assert 0 <= view.min() <= view.max() <= 255
    assert torch.equal(view, random_view(images, draws()))
    assert not torch.equal(view, random_view(images, draws(1)))


def test_shuffling_moves_whole_patches_and_loses_none() -> None:
    images = torch.arange(9.0).repeat_interleave(100).view(9, 10, 10)
    board = torch.cat([torch.cat(list(images[3 * row : 3 * row + 3]), 1) for row in range(3)], 0)
    board = torch.nn.functional.pad(board[None, None], (0, 2, 0, 2), value=-1.0)  # 32 = 3·10 + 2
    moved = shuffle_patches(board, draws())
    assert not torch.equal(moved, board)
    assert torch.equal(moved.flatten().sort().values, board.flatten().sort().values)
    assert bool((moved[..., 30:, :] == -1).all())
    assert bool((moved[..., :, 30:] == -1).all())
    tiles = moved[0, 0, :30, :30].unfold(0, 10, 10).unfold(1, 10, 10).reshape(9, 100)
    assert bool((tiles == tiles[:, :1]).all())


def test_a_crop_of_everything_is_the_picture_and_a_small_one_enlarges(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    images = pictures().float()
    monkeypatch.setattr(views, "CROP_ASPECT", (1.0, 1.0))
    monkeypatch.setattr(views, "CROP_AREA", (1.0, 1.0))
    assert torch.allclose(random_crop(images, draws()), images, atol=1e-2)
    ramp = torch.arange(32.0).expand(1, 3, 32, 32)
    monkeypatch.setattr(views, "CROP_AREA", (0.25, 0.25))
    inner = random_crop(ramp, draws())[0, 0, 16, 2:-2]
    assert torch.allclose(inner.diff(), torch.full((27,), 0.5), atol=1e-4)


def test_a_moved_view_keeps_every_tone() -> None:
    tones = torch.tensor([[10, 200, 90], [0, 255, 40]], dtype=torch.uint8)
    images = tones[:, :, None, None].expand(2, 3, 32, 32)
    assert torch.allclose(moved_view(images, draws()), images.float(), atol=1e-3)
    assert not torch.allclose(random_view(images, draws()), images.float(), atol=1.0)
