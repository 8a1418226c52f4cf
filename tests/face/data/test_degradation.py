"""Each degradation does what its definition says, repeatably, and worse with more strength."""

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter
from torch import Tensor

from sterling.errors import InputError
from sterling.face.data import Degradation, degrade

STRENGTHS: dict[Degradation, tuple[float, float, float]] = {
    "low_resolution": (1, 3, 7),
    "noise": (2, 8, 30),
    "jpeg": (20, 60, 95),
    "blur": (0.5, 1.5, 4),
    "underexposure": (0.5, 1, 3),
    "overexposure": (0.5, 1, 3),
    "occlusion": (0.05, 0.15, 0.4),
}


def pictures(n: int = 2, size: int = 32) -> Tensor:
    """Smooth shapes with some texture, away from black and white."""
    y, x = np.mgrid[:size, :size] / size
    waves = [np.sin(9 * x + k) * np.cos(7 * y - k) + 0.3 * np.sin(60 * x * y) for k in range(3 * n)]
    stacked = np.stack(waves).reshape(n, 3, size, size)
    return torch.from_numpy((128 + 50 * stacked).astype(np.uint8))


@pytest.mark.parametrize("kind", STRENGTHS)
def test_more_strength_is_worse_and_none_changes_nothing(kind: Degradation) -> None:
    images = pictures()
    before = images.clone()
    unchanged = degrade(images, kind, 0)
    assert torch.equal(unchanged, images)
    assert unchanged.data_ptr() != images.data_ptr()
    worse = [degrade(images, kind, strength) for strength in STRENGTHS[kind]]
    errors = [(w.float() - images.float()).square().mean().item() for w in worse]
    assert 0 < errors[0] < errors[1] < errors[2]
    assert all(w.dtype == torch.uint8 and w.shape == images.shape for w in worse)
    assert torch.equal(images, before)


@pytest.mark.parametrize("kind", STRENGTHS)
def test_same_seed_same_copy_and_pictures_do_not_depend_on_what_follows(kind: Degradation) -> None:
    images = pictures(3)
    worse = degrade(images, kind, STRENGTHS[kind][1], seed=5)
    assert torch.equal(worse, degrade(images, kind, STRENGTHS[kind][1], seed=5))
    assert torch.equal(worse[:2], degrade(images[:2], kind, STRENGTHS[kind][1], seed=5))


def test_noise_has_the_standard_deviation_asked_for() -> None:
    grey = torch.full((4, 3, 64, 64), 128, dtype=torch.uint8)
    noise = degrade(grey, "noise", 10).float() - 128
    assert noise.std().item() == pytest.approx(10, rel=0.02)
    assert abs(noise.mean().item()) < 0.2
    assert not torch.equal(noise[0], noise[1])
    assert not torch.equal(noise, degrade(grey, "noise", 10, seed=1).float() - 128)
    extreme = degrade(torch.full((1, 3, 8, 8), 255, dtype=torch.uint8), "noise", 50)
    assert extreme.max() == 255  # clipped, not wrapped around


def test_low_resolution_leaves_the_averages_of_areas() -> None:
    checks = torch.tensor([[0, 200], [200, 0]], dtype=torch.uint8).repeat(16, 16)
    worse = degrade(checks.expand(1, 3, 32, 32), "low_resolution", 1)
    assert bool((worse == 100).all())


def test_blur_is_gaussian() -> None:
    image = pictures(1)
    worse = degrade(image, "blur", 2)
    expected = gaussian_filter(
        image.numpy().astype(float), sigma=(0, 0, 2, 2), mode="nearest", truncate=5
    )
    assert np.abs(worse.numpy() - expected).max() <= 1.5


def test_jpeg_keeps_the_order_of_colours() -> None:
    red = torch.zeros(1, 3, 16, 16, dtype=torch.uint8)
    red[:, 0] = 200
    worse = degrade(red, "jpeg", 10).float().mean((0, 2, 3))
    assert worse[0] > 180
    assert worse[1:].max() < 20


def test_jpeg_is_that_of_another_encoder(tmp_path_factory: pytest.TempPathFactory) -> None:
    image = pictures(1)
    file = tmp_path_factory.mktemp("jpeg") / "p.jpg"
    Image.fromarray(image[0].permute(1, 2, 0).numpy()).save(file, quality=40, subsampling="4:2:0")
    expected = np.asarray(Image.open(file)).transpose(2, 0, 1).astype(int)
    worse = degrade(image, "jpeg", 60)[0].numpy().astype(int)
    assert np.abs(worse - expected).mean() < 1


def test_no_pictures_stay_none() -> None:
    assert degrade(pictures()[:0], "blur", 1).shape == (0, 3, 32, 32)


def test_wrong_input_is_refused() -> None:
    with pytest.raises(InputError, match="did you mean blur"):
        degrade(pictures(), "blurr", 1)  # type: ignore[arg-type]
    for strength in (-1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="strength is"):
            degrade(pictures(), "blur", strength)
    with pytest.raises(InputError, match="jpeg takes 0 to 99"):
        degrade(pictures(), "jpeg", 100)
    for images in (pictures().float(), pictures()[0], pictures()[:, :1]):
        with pytest.raises(InputError, match=r"uint8 \(N, 3, S, S\)"):
            degrade(images, "blur", 1)


def test_exposure_halves_and_doubles_linear_light() -> None:
    grey = torch.full((1, 3, 4, 4), 188, dtype=torch.uint8)  # 0.5 of the light that 255 stands for
    dark = degrade(grey, "underexposure", 1)
    assert bool((dark == 137).all())  # 0.25
    assert bool((degrade(grey, "overexposure", 1) >= 254).all())
    assert bool((degrade(dark, "overexposure", 1).int() - 188).abs().max() <= 1)
    clipped = degrade(torch.full((1, 3, 4, 4), 200, dtype=torch.uint8), "overexposure", 4)
    assert bool((clipped == 255).all())


def test_occlusion_covers_the_borders_and_nothing_else() -> None:
    images = pictures(1)
    covered = degrade(images, "occlusion", 0.25)
    assert torch.equal(covered[..., 8:24, 8:24], images[..., 8:24, 8:24])
    assert int((covered != 128).any(dim=1).sum()) <= 16 * 16
    assert bool((degrade(images, "occlusion", 0.5) == 128).all())
