import pytest
import torch
from torch import Tensor

from sterling.face.pad.training.augment import augment

ITEMS, SIZE = 2000, 32


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(scope="module")
def augmented() -> Tensor:
    grey = torch.full((ITEMS, 3, SIZE, SIZE), 200, dtype=torch.uint8)
    images, _ = augment(grey, torch.zeros(ITEMS, 4, 4), generator())
    return images


def test_keeps_range_shape_and_input() -> None:
    images = torch.randint(0, 256, (8, 3, 16, 24), dtype=torch.uint8, generator=generator())
    maps = torch.rand(8, 2, 3, generator=generator())
    before = images.clone()
    changed, labels = augment(images, maps, generator(1))
    assert changed.shape == images.shape
    assert labels.shape == maps.shape
    assert changed.min() >= 0
    assert changed.max() <= 255
    assert torch.equal(images, before)


def test_generator_alone_decides() -> None:
    images = torch.randint(0, 256, (4, 3, 16, 16), dtype=torch.uint8, generator=generator())
    maps = torch.zeros(4, 2, 2)
    state = torch.get_rng_state()
    first, _ = augment(images, maps, generator(5))
    second, _ = augment(images, maps, generator(5))
    other, _ = augment(images, maps, generator(6))
    assert torch.equal(first, second)
    assert not torch.equal(first, other)
    assert torch.equal(torch.get_rng_state(), state)


def test_picture_and_map_flip_together_half_of_the_time() -> None:
    ramp = torch.linspace(60, 180, SIZE).round().to(torch.uint8).expand(ITEMS, 3, SIZE, SIZE)
    slope = torch.linspace(0, 1, 4).expand(ITEMS, 4, 4)
    images, maps = augment(ramp, slope, generator())
    half = SIZE // 2
    in_picture = images[..., :half].mean((1, 2, 3)) > images[..., half:].mean((1, 2, 3))
    in_map = maps[:, 0, 0] > maps[:, 0, -1]
    assert torch.equal(in_picture, in_map)
    assert abs(in_map.float().mean() - 0.5) < 4 * 0.5 / ITEMS**0.5


def test_erasing_is_black_small_and_happens_half_of_the_time(augmented: Tensor) -> None:
    share = (augmented == 0).all(dim=1).float().mean(dim=(1, 2))
    assert abs((share > 0).float().mean() - 0.5) < 4 * 0.5 / ITEMS**0.5
    # Two rectangles of at most 5 %, each grown by rounding at most one row and one column.
    assert share.max() < 2 * (0.05 + 2 * 0.41 / SIZE)
    assert share.max() > 0.05


def test_cutout_is_grey_square_and_within_its_largest_side(augmented: Tensor) -> None:
    hidden = (augmented == 127.5).all(dim=1)
    rows, columns = hidden.any(dim=2).sum(dim=1), hidden.any(dim=1).sum(dim=1)
    largest = 50 / 256 * SIZE
    assert rows.max() <= largest + 1
    assert rows.max() > largest - 1
    # Clear of erasing, the hidden part is a square up to rounding.
    clear = ~(augmented == 0).any(dim=1).flatten(1).any(dim=1)
    assert (rows - columns)[clear].abs().max() <= 1


def test_tone_covers_the_stated_range(augmented: Tensor) -> None:
    tones = augmented.flatten(2).median(dim=2).values
    low, high = 255 * (160 / 255) ** 1.5, 255 * (240 / 255) ** 0.5
    assert low - 1e-3 <= tones.min() < low + 8
    assert high - 4 < tones.max() <= high + 1e-3
