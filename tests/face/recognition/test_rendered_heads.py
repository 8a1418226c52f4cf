"""Rendered heads: exact landmarks and angles, reproducible pictures, people that differ."""

from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import polars as pl
import pytest
import torch
from numpy.typing import NDArray

from sterling.errors import InputError
from sterling.face.capture.plan import stream
from sterling.face.capture.studio import (
    Person,
    Sitting,
    Studio,
    face_camera,
    sample_view,
    sit,
)
from sterling.face.data import Manifest
from sterling.face.recognition import TEMPLATE, AlignmentTemplate, draw_yaws, render_heads
from sterling.face.recognition.rendered_heads import LANDMARKS, project


def test_visible_landmarks_are_where_rays_meet_them() -> None:
    """The vertex nearest to where the ray through a landmark's pixel ends is the landmark's."""
    view = replace(sample_view(stream(4, "view"), "middle"), yaw=15.0, pitch=-5.0)
    size = 256  # about a millimetre a pixel
    sitting = sit(Studio(4, size), Person("someone", "bona_fide", view, 1.3, 0.0), size)
    vertices = sitting.buffer.vertices[0]
    points = project(vertices, face_camera(vertices, view, 1.3), size)
    for name in ("nose_tip", "chin", "upper_lip", "left_mouth_corner", "right_mouth_corner"):
        point = points[list(LANDMARKS).index(name)]
        column, row = np.floor(point).astype(int).tolist()
        apart = torch.cdist(sitting.buffer.position[0, row, column][None], vertices)
        assert float(apart.min()) < 0.0015
        back = _pixel(sitting, vertices[int(apart.argmin())].double().numpy())
        assert np.abs(back - point).max() < 0.1, name


def _pixel(sitting: Sitting, point: NDArray[np.float64]) -> NDArray[np.float64]:
    """Pixel of a camera-space point: a line through the slopes of the rays, without a camera."""
    hit = sitting.buffer.hit[0].numpy()
    position = sitting.buffer.position[0].double().numpy()[hit]
    slope = position[:, :2] / (sitting.distance - position[:, 2:])
    wanted = point[:2] / (sitting.distance - point[2])
    row, column = np.nonzero(hit)
    lines = (np.polyfit(slope[:, axis], at + 0.5, 1) for axis, at in enumerate((column, row)))
    return np.array([np.polyval(line, wanted[axis]) for axis, line in enumerate(lines)])


def test_the_face_looks_where_its_yaw_says() -> None:
    """Above 0 the nose lies to the right of the middle of the eyes, and the more the larger."""
    heads = render_heads([[-60.0, -20.0, 0.0, 20.0, 60.0]], size=32)
    nose = heads.landmarks[:, 2, 0] - heads.landmarks[:, :2, 0].mean(1)
    assert (np.diff(nose) > 0).all()
    assert nose[0] < -2 < 2 < nose[-1]
    assert heads.yaw.tolist() == [-60, -20, 0, 20, 60]


def test_one_seed_gives_one_set_of_pictures() -> None:
    """The same arguments give the same pictures; another seed or first person gives others."""
    one, same = (render_heads([[0.0, 40.0]], lights=2, size=32, seed=5) for _ in range(2))
    assert torch.equal(one.images, same.images)
    assert one.table().equals(same.table())
    assert not torch.equal(one.images, render_heads([[0.0, 40.0]], lights=2, size=32).images)


def test_a_person_depends_on_seed_and_number_alone() -> None:
    """Person 1 is the same one whether rendered as the second or as the first."""
    both = render_heads([[0.0], [10.0]], size=32, seed=2)
    alone = render_heads([[10.0]], size=32, seed=2, first=1)
    assert torch.equal(both.images[1:], alone.images)
    assert torch.equal(both.shape[1:], alone.shape)


def test_lights_share_geometry() -> None:
    """Pictures of one pose differ in light; their landmarks and angles are the same."""
    heads = render_heads([[30.0]], lights=3, size=32)
    assert len(set(heads.light.tolist())) == 3
    assert np.ptp(heads.landmarks, axis=0).max() == 0
    assert not torch.equal(heads.images[0], heads.images[1])


def test_people_differ_and_their_poses_do_not_change_them() -> None:
    """Shape weights belong to people: one row each, far apart; poses have no part in them."""
    heads = render_heads(draw_yaws(6, 2, seed=1), size=16, seed=1)
    assert len(heads.shape) == len(heads.people) == 6
    apart = torch.cdist(heads.shape, heads.shape)[~torch.eye(6, dtype=torch.bool)]
    # Independent unit normal weights, 60 of them, lie about √120 apart.
    assert float(apart.min()) > 6


def test_near_frontal_share() -> None:
    """The share within ±30° is as asked, within a binomial bound; all are within the largest."""
    size = np.abs(draw_yaws(1000, 4, near_frontal=0.9, largest=80, seed=3))
    assert size.max() <= 80
    assert abs((size < 30).mean() - 0.9) < 4 * np.sqrt(0.09 / 4000)
    assert (np.abs(draw_yaws(50, 4, near_frontal=0)) >= 30).all()


def test_aligned_heads_lie_on_the_template() -> None:
    """For frontal faces the mean of the aligned landmarks is near the template's."""
    heads = render_heads(np.zeros((6, 1)), size=96, crop=1.6, seed=2)
    aligned = heads.align(AlignmentTemplate())
    assert aligned.images.shape == (6, 3, 112, 112)
    assert np.abs(aligned.five.mean(0) - TEMPLATE).max() < 8
    # Pictures move with the landmarks: the picture about the nose stays what it was.
    again = aligned.align(AlignmentTemplate())
    assert np.abs(again.landmarks - aligned.landmarks).max() < 0.02


def test_written_folders_read_back(tmp_path: Path) -> None:
    """The manifest names pictures that hold the rendered pixels; the table has the truth."""
    heads = render_heads([[0.0, 50.0]], lights=2, size=24)
    written = heads.write(tmp_path / "heads")
    manifest = Manifest.read(tmp_path / "heads" / "manifest.csv")
    assert len(manifest) == len(written) == len(heads) == 4
    for number, path in enumerate(manifest.column("path")):
        found = cv2.imread(str(path), cv2.IMREAD_COLOR)
        assert found is not None
        found = found[..., ::-1].transpose(2, 0, 1)
        assert (found == heads.images[number].numpy()).all()
    table = pl.read_parquet(tmp_path / "heads" / "heads.parquet")
    assert table["item"].to_list() == manifest.column("item").tolist()
    assert table["yaw"].to_list() == heads.yaw.tolist()
    with pytest.raises(InputError, match="not empty"):
        heads.write(tmp_path / "heads")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"yaws": [0.0]}, "people, poses"),
        ({"yaws": [[91.0]]}, "within ±90"),
        ({"yaws": [[np.nan]]}, "within ±90"),
        ({"yaws": [[0.0]], "size": 8}, "16 or more"),
        ({"yaws": [[0.0]], "lights": 9}, "1 to 8"),
        ({"yaws": [[0.0]], "illuminations": ["moon"]}, "moon"),
    ],
)
def test_refusals(arguments: dict[str, object], message: str) -> None:
    """One line names the value."""
    with pytest.raises(InputError, match=message):
        render_heads(**arguments)  # type: ignore[arg-type]


def test_yaws_out_of_range() -> None:
    """Yaws are drawn for people and poses, beyond 30° up to 90°."""
    with pytest.raises(InputError, match="largest 20"):
        draw_yaws(1, 1, largest=20)
