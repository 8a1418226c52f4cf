"""Each intervention makes equal, or leaves, exactly what its name says."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError
from sterling.face.data import INTERVENTIONS, Intervention, intervene
from sterling.face.data.intervention import SHARPNESS_QUANTILE, sharpness
from sterling.face.data.quality import LUMA, luminance


def pictures(n: int = 6, size: int = 32, contrast: float = 8) -> Tensor:
    """Waves of several lengths in colours of their own, far from black and white."""
    rng = np.random.default_rng(0)
    y, x = np.mgrid[:size, :size] / size
    made = []
    for _ in range(n):
        waves = sum(
            rng.normal() * np.sin(2 * np.pi * (rows * y + columns * x) + rng.uniform(0, 6))
            for rows in range(6)
            for columns in range(6)
        )
        gains = contrast * rng.uniform(0.3, 1, (3, 1, 1))
        made.append(rng.uniform(110, 145, (3, 1, 1)) + gains * waves / 4)
    return torch.from_numpy(np.stack(made).round().clip(0, 255).astype(np.uint8))


def luma(images: Tensor) -> NDArray[np.float64]:
    return np.stack([luminance(one) for one in images.numpy()])


def amplitude(images: Tensor) -> NDArray[np.float64]:
    return np.abs(np.fft.fft2(luma(images)))


@pytest.mark.parametrize("kind", INTERVENTIONS)
def test_shape_and_type_stay_and_the_pictures_given_are_left_alone(kind: Intervention) -> None:
    images = pictures()
    before = images.clone()
    changed = intervene(images, kind, face_share=0.5, seed=3)
    assert (changed.dtype, changed.shape) == (torch.uint8, images.shape)
    assert torch.equal(images, before)
    assert not torch.equal(changed, images)
    assert torch.equal(changed, intervene(images, kind, face_share=0.5, seed=3))
    assert intervene(images[:0], kind, face_share=0.5).shape == (0, 3, 32, 32)


def test_equal_spectra_are_equal_to_rounding_and_phases_stay() -> None:
    images = pictures()
    before, changed = amplitude(images), intervene(images, "equal spectra")
    after = amplitude(changed)
    # Rounding each of 32² pixels moves an amplitude by a few times 32 · 0.29 · |weights| at most.
    rounding = 5 * 32 * np.sqrt((LUMA**2).sum() / 12)
    assert np.abs(after - before.mean(axis=0)).max() < rounding
    assert np.ptp(before, axis=0).max() > 20 * rounding  # they were not before
    shifted = np.angle(np.fft.fft2(luma(changed)) * np.conj(np.fft.fft2(luma(images))))
    strong = np.minimum(before, after) > 50 * rounding
    assert strong.sum() > 5
    assert np.abs(shifted[strong]).max() < 0.2


def test_only_spectra_keeps_amplitudes_and_one_phase_for_all() -> None:
    images = pictures(2, contrast=20)
    changed = intervene(images, "only spectra", seed=1)
    assert torch.equal(changed[:, 0], changed[:, 1])
    assert torch.equal(changed[:, 0], changed[:, 2])
    rounding = 5 * 32 * np.sqrt(1 / 12)
    assert np.abs(amplitude(changed) - amplitude(images)).max() < rounding
    spectra = np.fft.fft2(luma(changed))
    strong = (np.abs(spectra) > 20 * rounding).all(axis=0)
    strong[0, 0] = False  # the mean is positive in all
    assert strong.sum() > 5
    turned = np.angle(spectra[1:] * np.conj(spectra[:1]))
    assert np.abs(turned[:, strong]).max() < 0.2


def test_equal_contrast_matches_mean_and_deviation_and_keeps_colour_differences() -> None:
    images = pictures()
    before, changed = luma(images), intervene(images, "equal contrast")
    after = luma(changed)
    assert after.mean(axis=(1, 2)) == pytest.approx([before.mean()] * 6, abs=0.2)
    mean_deviation = before.std(axis=(1, 2)).mean()
    assert after.std(axis=(1, 2)) == pytest.approx([mean_deviation] * 6, abs=0.1)
    assert np.ptp(before.std(axis=(1, 2))) > 1
    differences = [(one[:, 0].int() - one[:, 2].int()) for one in (images, changed)]
    assert int((differences[0] - differences[1]).abs().max()) <= 1  # both are rounded


def test_a_flat_crop_becomes_flat_at_the_mean() -> None:
    images = pictures(2)
    images[0] = 10
    changed = intervene(images, "equal contrast")
    assert len(torch.unique(changed[0])) == 1
    assert sharpness(images[0].numpy()) == 0


def test_grey_is_luminance_in_all_channels() -> None:
    images = pictures()
    changed = intervene(images, "grey")
    expected = torch.from_numpy(luma(images).round().astype(np.uint8))
    assert torch.equal(changed, expected[:, None].expand(-1, 3, -1, -1))


def test_sharpness_becomes_that_of_the_blurriest() -> None:
    rng = np.random.default_rng(0)
    images = pictures(12, 64, 30)
    grain = torch.from_numpy(rng.normal(0, 1, images.shape) * rng.uniform(2, 20, (12, 1, 1, 1)))
    images = (images + grain).round().clamp(0, 255).to(torch.uint8)
    before = np.array([sharpness(one) for one in images.numpy()])
    common = np.quantile(before, SHARPNESS_QUANTILE)
    changed = intervene(images, "equal sharpness")
    after = np.array([sharpness(one) for one in changed.numpy()])
    sharp = before > common
    assert np.ptp(before[sharp]) > 0.3
    assert after[sharp] == pytest.approx([common] * int(sharp.sum()), rel=0.05)
    assert torch.equal(changed[torch.from_numpy(~sharp)], images[torch.from_numpy(~sharp)])


@pytest.mark.parametrize("size", [32, 34])
def test_shuffling_is_one_permutation_of_patches_without_a_fixed_one(size: int) -> None:
    side, rng = size // 4, np.random.default_rng(0)
    images = torch.from_numpy(rng.integers(0, 256, (2, 3, size, size), dtype=np.uint8))
    changed = intervene(images, "shuffled patches", seed=5)

    def patches(one: Tensor) -> list[bytes]:
        whole = one[:, : 4 * side, : 4 * side].reshape(3, 4, side, 4, side)
        return [whole[:, i, :, j].numpy().tobytes() for i in range(4) for j in range(4)]

    orders = []
    for before, after in zip(images, changed, strict=True):
        orders.append([patches(before).index(patch) for patch in patches(after)])
    assert orders[0] == orders[1]
    assert sorted(orders[0]) == list(range(16))
    assert all(place != origin for place, origin in enumerate(orders[0]))
    assert torch.equal(changed[..., 4 * side :], images[..., 4 * side :])
    assert not torch.equal(changed, intervene(images, "shuffled patches", seed=6))


def test_no_edges_and_only_edges_share_a_crop_between_them() -> None:
    images = pictures()
    inner = np.s_[..., 8:24, 8:24]
    without, alone = (
        intervene(images, kind, face_share=0.5) for kind in ("no edges", "only edges")
    )
    assert torch.equal(without[inner], images[inner])
    frame = torch.ones(32, 32, dtype=torch.bool)
    frame[8:24, 8:24] = False
    assert torch.equal(alone[..., frame], images[..., frame])
    # Nothing of what was covered is left, not even its mean.
    within = images[inner].double().mean(dim=(2, 3)).round().to(torch.uint8)
    around = images[..., frame].double().mean(dim=2).round().to(torch.uint8)
    assert torch.equal(without[..., frame], within[..., None].expand(-1, -1, int(frame.sum())))
    assert torch.equal(alone[inner], around[..., None, None].expand(-1, -1, 16, 16))


def test_what_cannot_be_changed_is_refused() -> None:
    images = pictures()
    with pytest.raises(InputError, match="did you mean grey"):
        intervene(images, "gray")  # type: ignore[arg-type]
    with pytest.raises(InputError, match=r"images are float32 \(6, 3, 32, 32\)"):
        intervene(images.float(), "grey")
    with pytest.raises(InputError, match="squares of 4 pixels or more"):
        intervene(images[..., :3, :3], "grey")
    for share in (None, 0.0, 1.0, 0.99):
        with pytest.raises(InputError, match="face_share"):
            intervene(images, "no edges", face_share=share)
