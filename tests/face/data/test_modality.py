import pytest
import torch

from sterling.errors import InputError
from sterling.face.data import channels_of, depth_picture, require_modalities, stack


def pixels(*shape: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)


@pytest.mark.parametrize("frames", [(), (4,)])
def test_stacked_pictures_come_apart_again(frames: tuple[int, ...]) -> None:
    rgb, depth = pixels(2, *frames, 3, 8, 8), pixels(2, *frames, 1, 8, 8, seed=1)
    both = stack({"depth": depth, "rgb": rgb})
    assert both.shape == (2, *frames, channels_of(["rgb", "depth"]), 8, 8)
    assert torch.equal(both[..., :1, :, :], depth)
    assert torch.equal(both[..., 1:, :, :], rgb)


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (pixels(2, 1, 4, 4), "resized to one size"),
        (pixels(3, 1, 8, 8), "give every presentation all modalities"),
        (pixels(2, 5, 1, 8, 8), "does not go with rgb"),
        (pixels(2, 3, 8, 8), "expected uint8"),
        (pixels(2, 1, 8, 8).float(), "expected uint8"),
    ],
)
def test_modalities_that_do_not_go_together_are_named(other: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=rf"depth: .*{message}"):
        stack({"rgb": pixels(2, 3, 8, 8), "depth": other})


@pytest.mark.parametrize("names", [(), ("rgb", "rgb"), ("thermal",)])
def test_wrong_names_are_refused(names: tuple[str, ...]) -> None:
    with pytest.raises(InputError, match="modalit"):
        require_modalities(names)


def test_depth_is_told_from_the_face_and_holes_are_zero() -> None:
    metres = torch.full((1, 16, 16), 0.60)
    metres[0, 0, 0], metres[0, 0, 1], metres[0, 0, 2] = 0.0, 0.30, 2.0
    metres[0, 8, 8] = 0.60 - 0.15 / 2
    grey = depth_picture(metres)
    assert grey.shape == (1, 1, 16, 16)
    assert grey[0, 0, 0, :4].tolist() == [0, 255, 1, 128]
    assert grey[0, 0, 8, 8] == round(128 + 127 / 2)


def test_depth_of_a_clip_has_one_reference() -> None:
    metres = torch.full((1, 3, 8, 8), 0.5)
    metres[0, 2] = 0.45  # the face comes nearer in the last frame
    grey = depth_picture(metres)
    assert bool((grey[0, 0] == 128).all())
    assert bool((grey[0, 2] > 128).all())


def test_a_picture_without_any_return_is_dark() -> None:
    assert not depth_picture(torch.zeros(1, 8, 8)).any()


@pytest.mark.parametrize(
    ("metres", "message"),
    [
        (torch.full((1, 8, 8), -1.0), "metres"),
        (torch.full((1, 8, 8), torch.nan), "metres"),
        (torch.ones(1, 3, 8), "sides of 4 or more"),
    ],
)
def test_impossible_metres_and_middles_are_refused(metres: torch.Tensor, message: str) -> None:
    with pytest.raises(InputError, match=message):
        depth_picture(metres)
