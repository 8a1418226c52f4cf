import pytest
import torch
from tests.draws import pixels, seeded, uniform
from torch import Tensor

from sterling.face.pad.training import augment as views
from sterling.face.pad.training.augment import (
    augment,
    moved_view,
    random_crop,
    random_view,
    shuffle_patches,
)

ITEMS, SIZE = 2000, 32


@pytest.fixture(scope="module")
def augmented() -> Tensor:
    grey = torch.full((ITEMS, 3, SIZE, SIZE), 200, dtype=torch.uint8)
    images, _ = augment(grey, torch.zeros(ITEMS, 4, 4), seeded())
    return images


def test_keeps_range_shape_and_input() -> None:
    images = pixels(8, 3, 16, 24)
    maps = uniform(8, 2, 3)
    before = images.clone()
    changed, labels = augment(images, maps, seeded(1))
    assert changed.shape == images.shape
    assert labels.shape == maps.shape
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert torch.equal(images, before)


def test_generator_alone_decides() -> None:
    images = pixels(4, 3, 16, 16)
    maps = torch.zeros(4, 2, 2)
    state = torch.get_rng_state()
    first, _ = augment(images, maps, seeded(5))
    second, _ = augment(images, maps, seeded(5))
    other, _ = augment(images, maps, seeded(6))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_picture_and_map_flip_together_half_of_the_time() -> None:
    ramp = torch.linspace(60, 180, SIZE).round().to(torch.uint8).expand(ITEMS, 3, SIZE, SIZE)
    slope = torch.linspace(0, 1, 4).expand(ITEMS, 4, 4)
    images, maps = augment(ramp, slope, seeded())
    half = SIZE // 2
    in_picture = images[..., :half].mean((1, 2, 3)) > images[..., half:].mean((1, 2, 3))
    in_map = maps[:, 0, 0] > maps[:, 0, -1]
    assert torch.equal(in_picture, in_map)
    assert abs(in_map.float().mean() - 0.5) < 4 * 0.5 / ITEMS**0.5


def test_erasing_is_black_small_and_happens_half_of_the_time(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(views, "CUTOUT_VALUE", 127.5)  # to tell it from what is erased
    grey = torch.full((ITEMS, 3, SIZE, SIZE), 200, dtype=torch.uint8)
    augmented, _ = augment(grey, torch.zeros(ITEMS, 4, 4), seeded())
    share = (augmented == 0).all(dim=1).float().mean(dim=(1, 2))
    assert abs((share > 0).float().mean() - 0.5) < 4 * 0.5 / ITEMS**0.5
    # Two rectangles of at most 5 %, each grown by rounding at most one row and one column.
    assert share.max() < 2 * (0.05 + 2 * 0.41 / SIZE)
    assert share.max() > 0.05


def test_cutout_is_a_black_square_anywhere_and_clipped_at_the_border(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As released: a side of 1 to 49 of 256 pixels, with its centre anywhere in the picture."""
    monkeypatch.setattr(views, "ERASE_PROBABILITY", 0.0)
    side, n = 256, 400
    grey = torch.full((n, 1, side, side), 200, dtype=torch.uint8)
    images, _ = augment(grey.expand(n, 3, side, side), torch.zeros(n, 4, 4), seeded())
    hidden = (images == 0).all(dim=1)
    rows, columns = hidden.any(dim=2), hidden.any(dim=1)
    tall, wide = rows.sum(dim=1), columns.sum(dim=1)
    assert 45 <= tall.max() <= 49
    assert tall.min() <= 3
    clipped = rows[:, 0] | rows[:, -1] | columns[:, 0] | columns[:, -1]
    assert torch.equal(tall[~clipped], wide[~clipped])
    assert (tall != wide).any()
    # The mean side is 25, and half of a square that is cut by an edge lies beyond it: the chance
    # that one of four edges cuts it is near 2 · 25 / 256.
    assert abs(clipped.float().mean() - 50 / 256) < 4 * 0.4 / n**0.5


def test_erasing_has_aspects_of_a_half_to_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "CUTOUT_VALUE", 127.5)
    monkeypatch.setattr(views, "ERASE_AREA", (0.05, 0.05))
    side, n = 256, 300
    grey = torch.full((n, 1, side, side), 200, dtype=torch.uint8)
    images, _ = augment(grey.expand(n, 3, side, side), torch.zeros(n, 4, 4), seeded())
    black = (images == 0).all(dim=1)
    tall, wide = (black.any(dim=d).sum(dim=1).float() for d in (2, 1))
    one = black.flatten(1).sum(dim=1) == (tall * wide).long()  # a single rectangle, nothing over it
    ratio = (tall / wide)[one & (tall > 0)]
    assert 0.47 < ratio.min() < 0.6
    assert 1.85 < ratio.max() < 2.1
    assert abs(ratio.mean() - 1.25) < 4 * 0.433 / len(ratio) ** 0.5 + 0.02  # uniform, not in logs


def test_tone_covers_the_stated_range(augmented: Tensor) -> None:
    tones = augmented.flatten(2).median(dim=2).values
    low, high = 255 * (160 / 255) ** 1.5, 255 * (240 / 255) ** 0.5
    assert low - 1e-3 <= tones.min() < low + 8
    assert high - 4 < tones.max() <= high + 1e-3


def pictures(n: int = 4, size: int = 32) -> torch.Tensor:
    return pixels(n, 3, size, size, seed=9)


def test_the_same_draws_give_the_same_view_and_others_another() -> None:
    images = pictures()
    view = random_view(images, seeded())
    assert view.shape == images.shape
    assert 0 <= view.min() <= view.max() <= 255
    assert torch.equal(view, random_view(images, seeded()))
    assert not torch.equal(view, random_view(images, seeded(1)))


def test_shuffling_moves_whole_patches_and_loses_none() -> None:
    images = torch.arange(9.0).repeat_interleave(100).view(9, 10, 10)
    board = torch.cat([torch.cat(list(images[3 * row : 3 * row + 3]), 1) for row in range(3)], 0)
    board = torch.nn.functional.pad(board[None, None], (0, 2, 0, 2), value=-1.0)  # 32 = 3·10 + 2
    moved = shuffle_patches(board, seeded())
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
    assert torch.allclose(random_crop(images, seeded()), images, atol=1e-2)
    ramp = torch.arange(32.0).expand(1, 3, 32, 32)
    monkeypatch.setattr(views, "CROP_AREA", (0.25, 0.25))
    inner = random_crop(ramp, seeded())[0, 0, 16, 2:-2]
    assert torch.allclose(inner.diff(), torch.full((27,), 0.5), atol=1e-4)


def test_a_moved_view_keeps_every_tone() -> None:
    tones = torch.tensor([[10, 200, 90], [0, 255, 40]], dtype=torch.uint8)
    images = tones[:, :, None, None].expand(2, 3, 32, 32)
    assert torch.allclose(moved_view(images, seeded()), images.float(), atol=1e-3)
    assert not torch.allclose(random_view(images, seeded()), images.float(), atol=1.0)
