"""Label maps: zeros on attacks, averages that keep the mean, an ellipsoid that is one."""

import math

import pytest
import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.face.data import Faces, Manifest, label_maps
from sterling.face.data.labels import _HALF_HEIGHT, _HALF_WIDTH, LabelKind

KINDS: tuple[LabelKind, ...] = ("depth", "ellipsoid", "mask", "constant")


def faces(*, depth: Tensor | None = None, mask: Tensor | None = None) -> Faces:
    manifest = Manifest.from_columns(
        {
            "item": ["a", "b", "c"],
            "label": ["bona_fide", "attack", "bona_fide"],
            "species": ["bona_fide", "print", "bona_fide"],
        }
    )
    return Faces(manifest, torch.zeros(3, 3, 16, 16, dtype=torch.uint8), depth, mask)


def labelled() -> Faces:
    depth = torch.rand(3, 16, 16, generator=torch.Generator().manual_seed(0))
    mask = depth > 0.4
    depth[1] = 0
    return faces(depth=depth, mask=mask)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_is_zero_on_attacks_and_not_on_faces(kind: LabelKind) -> None:
    maps = label_maps(labelled(), kind, 8)
    assert maps.shape == (3, 8, 8)
    assert maps.dtype == torch.float32
    assert not maps[1].any()
    assert maps[[0, 2]].flatten(1).any(dim=1).all()
    assert maps.min() >= 0
    assert maps.max() <= 1


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16])
def test_averaging_keeps_the_mean(size: int) -> None:
    given = labelled()
    assert given.depth is not None
    assert given.mask is not None
    depth, mask = (label_maps(given, kind, size) for kind in ("depth", "mask"))
    torch.testing.assert_close(depth.mean((1, 2)), given.depth.mean((1, 2)))
    torch.testing.assert_close(mask[0].mean(), given.mask[0].float().mean())
    if size == 16:
        assert torch.equal(depth, given.depth)


def test_constant_is_one_everywhere() -> None:
    assert torch.equal(label_maps(faces(), "constant", 4)[0], torch.ones(4, 4))


def test_ellipsoid_has_the_height_and_volume_of_one() -> None:
    size = 200
    relief = label_maps(faces(), "ellipsoid", size)[0]
    assert relief[size // 2, size // 2].item() == pytest.approx(1, abs=1e-3)
    assert torch.equal(relief, relief.flip(0))
    assert torch.equal(relief, relief.flip(1))
    area = math.pi * _HALF_WIDTH * _HALF_HEIGHT
    assert (relief > 0).float().mean().item() == pytest.approx(area, rel=0.01)
    assert relief.mean().item() == pytest.approx(2 / 3 * area, rel=0.01)  # half of 4/3 π a b c
    assert not relief[0].any()
    assert not relief[:, 0].any()


@pytest.mark.parametrize(
    ("given", "kind", "size", "message"),
    [
        (faces(), "depth", 8, "no depth.*ellipsoid"),
        (faces(), "mask", 8, "no mask.*ellipsoid"),
        (faces(), "elipsoid", 8, "did you mean ellipsoid"),
        (faces(), "constant", 0, "size is 0"),
        (faces(), "constant", -1, "size is -1"),
        (labelled(), "depth", 32, r"size is 32: the depth given is \(16, 16\)"),
    ],
)
def test_labels_that_cannot_be_made_are_refused(
    given: Faces, kind: LabelKind, size: int, message: str
) -> None:
    with pytest.raises(InputError, match=message):
        label_maps(given, kind, size)
