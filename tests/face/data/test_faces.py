import pytest
import torch

from sterling.errors import InputError
from sterling.face.data import Faces, Manifest


def manifest() -> Manifest:
    return Manifest.from_columns(
        {
            "item": ["a", "b", "c"],
            "label": ["bona_fide", "attack", "bona_fide"],
            "species": ["bona_fide", "print", "bona_fide"],
            "subject": ["1", "1", "2"],
            "split": ["train", "train", "test"],
        }
    )


def images(n: int = 3) -> torch.Tensor:
    return torch.arange(n * 3 * 4 * 4, dtype=torch.int64).to(torch.uint8).reshape(n, 3, 4, 4)


def test_split_and_select_cut_every_part_alike() -> None:
    depth = torch.zeros(3, 2, 2)
    depth[2] = 0.5
    faces = Faces(manifest(), images(), depth, depth > 0)
    test = faces.split("test")
    assert len(test) == 1
    assert torch.equal(test.images, images()[2:])
    assert test.depth is not None
    assert torch.equal(test.depth, depth[2:])
    assert test.mask is not None
    assert test.mask.all()
    backwards = faces.select([2, 1, 0])
    assert torch.equal(backwards.images, images().flip(0))
    with pytest.raises(InputError, match="'eval' unknown"):
        faces.split("eval")


def test_parts_that_do_not_fit_are_refused() -> None:
    with pytest.raises(InputError, match=r"expected uint8 \(3, \[T,\] 3, S, S\)"):
        Faces(manifest(), images(2))
    with pytest.raises(InputError, match="expected uint8"):
        Faces(manifest(), images().float())
    with pytest.raises(InputError, match=r"depth.*expected torch.float32 \(3, H, W\)"):
        Faces(manifest(), images(), torch.zeros(2, 4, 4))
    with pytest.raises(InputError, match="values from"):
        Faces(manifest(), images(), torch.full((3, 4, 4), torch.nan))
    with pytest.raises(InputError, match="item 'b' is an attack"):
        Faces(manifest(), images(), torch.ones(3, 4, 4))
