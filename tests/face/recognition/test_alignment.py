"""Alignment templates, canvases, and the search over them."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import nn

from sterling.errors import InputError
from sterling.face.recognition import (
    TEMPLATE,
    AlignmentCanvas,
    AlignmentTemplate,
    CanvasFaces,
    SearchTraining,
    align_to_template,
    pair_auc,
    population_search,
    read_canvases,
    read_people,
    render_heads,
    search_templates,
    shared_scores,
    similarity_transform,
    template_grid,
    template_scores,
    train_at,
)
from sterling.face.recognition.alignment_search import neighbours

FIVE = TEMPLATE * 1.7 + (40, 25)  # a face of 190 pixels in a picture


def _picture(points: NDArray[np.float64], side: int = 320) -> NDArray[np.uint8]:
    """A smooth bright spot at each point."""
    row, column = np.mgrid[:side, :side]
    spots = [np.exp(-((column - x) ** 2 + (row - y) ** 2) / (2 * 4.0**2)) for x, y in points]
    return np.repeat((250 * np.max(spots, axis=0)).astype(np.uint8)[..., None], 3, axis=2)


def _centre(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    """Centre of mass of a spot, x and y."""
    row, column = np.mgrid[: picture.shape[0], : picture.shape[1]]
    weight = picture / picture.sum()
    return np.array([(column * weight).sum(), (row * weight).sum()])


def test_the_default_is_the_base_template() -> None:
    """Crop 112 and shift 0 at size 112 return the template, and align to the same pixels."""
    default = AlignmentTemplate()
    assert (default.points == TEMPLATE).all()
    picture = np.random.default_rng(0).integers(0, 256, (300, 300, 3), dtype=np.uint8)
    assert (default.align(picture, FIVE) == align_to_template(picture, FIVE)).all()


@pytest.mark.parametrize(("crop", "shift", "size"), [(96, -16, 112), (176, 16, 64), (60, 5, 150)])
def test_points_by_the_crop(crop: float, shift: float, size: int) -> None:
    """The template's points are what cutting the square out of the base template gives."""
    template = AlignmentTemplate(crop, shift, size)
    corner = np.array([56 - crop / 2, 56 + shift - crop / 2])
    assert np.allclose(template.points, (TEMPLATE - corner) * size / crop)


@pytest.mark.parametrize(("crop", "shift", "size"), [(112, 0, 112), (96, -16, 96), (176, 16, 112)])
def test_faces_land_on_the_template(crop: float, shift: float, size: int) -> None:
    """Aligned landmarks lie within half a pixel of the points: computed, and seen in a picture."""
    template = AlignmentTemplate(crop, shift, size)
    turn = cv2.getRotationMatrix2D((100.0, 100.0), 17.0, 1.3)
    five = FIVE @ turn[:, :2].T + turn[:, 2]
    matrix = similarity_transform(five, template.points)
    assert np.abs(five @ matrix[:, :2].T + matrix[:, 2] - template.points).max() < 1e-9
    for point, expected in zip(FIVE, template.points, strict=True):
        found = _centre(template.align(_picture(point[None]), FIVE)[..., 0].astype(float))
        if expected.min() > 8 and expected.max() < size - 8:
            assert np.abs(found - expected).max() < 0.5


@pytest.mark.parametrize(
    ("crop", "shift", "size"), [(112, 0, 112), (96, -16, 56), (176, 16, 112), (64, 8, 90)]
)
def test_cuts_land_on_the_template(crop: float, shift: float, size: int) -> None:
    """A template cut from a canvas has its landmarks where aligning anew has them."""
    canvas = AlignmentCanvas(176, 16)
    template = AlignmentTemplate(crop, shift, size)
    for point, expected in zip(FIVE, template.points, strict=True):
        canvases = canvas.align([_picture(point[None])], FIVE[None])
        found = _centre(canvas.cut(canvases, template)[0, 0].double().numpy())
        if expected.min() > 8 and expected.max() < size - 8:
            assert np.abs(found - expected).max() < 0.5


def test_cuts_match_aligning_anew() -> None:
    """On a smooth picture both ways give nearly the same pixels."""
    coarse = np.random.default_rng(1).integers(0, 256, (12, 12, 3)).astype(np.float32)
    picture = cv2.resize(coarse, (400, 400), interpolation=cv2.INTER_CUBIC)
    picture8 = picture.clip(0, 255).astype(np.uint8)
    canvas = AlignmentCanvas(160, 10)
    canvases = canvas.align([picture8], (FIVE + 40)[None])
    for template in template_grid([96, 128, 160], [-10, 0, 10], 64):
        anew = template.align(picture8, FIVE + 40).transpose(2, 0, 1).astype(float)
        cut = canvas.cut(canvases, template)[0].numpy()
        assert np.abs(cut - anew).mean() < 1.5


def test_the_whole_canvas_is_a_template() -> None:
    """Cutting the canvas's own template returns the canvas; constants stay constants."""
    canvas = AlignmentCanvas(112, 0, 1.0)
    canvases = torch.randint(0, 256, (2, 3, 112, 112), dtype=torch.uint8)
    assert torch.equal(canvas.cut(canvases, AlignmentTemplate()), canvases.float())
    flat = torch.full((1, 1, 112, 112), 77, dtype=torch.uint8)
    for size in (20, 112, 300):
        cut = canvas.cut(flat, AlignmentTemplate(90, 0, size))
        assert torch.allclose(cut, torch.full_like(cut, 77), atol=1e-3)


def test_refusals() -> None:
    """Numbers out of range, templates beyond the canvas, canvases of another size."""
    with pytest.raises(InputError, match="crop"):
        AlignmentTemplate(crop=4)
    canvas = AlignmentCanvas(128, 8, 0.5)
    pictures = torch.zeros(1, 1, canvas.template.size, canvas.template.size)
    with pytest.raises(InputError, match="reaches beyond"):
        canvas.cut(pictures, AlignmentTemplate(145))
    with pytest.raises(InputError, match="reaches beyond"):
        canvas.cut(pictures, AlignmentTemplate(128, -9))
    with pytest.raises(InputError, match="sides of"):
        canvas.cut(pictures[..., :10], AlignmentTemplate(96))
    with pytest.raises(InputError, match="five points"):
        AlignmentTemplate().align(np.zeros((9, 9, 3), np.uint8), np.zeros((4, 2)))
    with pytest.raises(InputError, match="name one for each"):
        CanvasFaces(canvas, pictures, np.arange(2))


def test_pair_auc_is_the_share_of_ordered_pairs() -> None:
    """It matches a loop over all pairs of pairs; ties count half."""
    vectors = torch.randn(14, 3, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    person = np.arange(14) % 5
    pairs = [(i, j) for i in range(14) for j in range(i)]
    cosine = {
        (i, j): float(nn.functional.cosine_similarity(vectors[i], vectors[j], dim=0))
        for i, j in pairs
    }
    own = [cosine[i, j] for i, j in pairs if person[i] == person[j]]
    others = [cosine[i, j] for i, j in pairs if person[i] != person[j]]
    assert pair_auc(vectors, person) == pytest.approx(np.mean([a > b for a in own for b in others]))
    assert pair_auc(torch.ones(6, 2), np.arange(6) % 2) == 0.5
    with pytest.raises(InputError, match="two pictures"):
        pair_auc(vectors, np.arange(14))


CANVAS = AlignmentCanvas(144, 24, 0.5)
GRID = template_grid([80, 112, 144], [-24, 0, 24], 16)


def _people(first: int, count: int, centre: float, seed: int = 0) -> CanvasFaces:
    """Noise, with a brightness that tells people apart in a band of the canvas.

    Args:
        first: Number of the first person.
        count: Number of people, of four pictures each.
        centre: Middle of the band of 24 base pixels, from the canvas's middle, down.
        seed: Seed.
    """
    draw = torch.Generator().manual_seed(seed + first)
    side = CANVAS.template.size
    images = torch.rand(4 * count, 1, side, side, generator=draw) * 255
    person = np.repeat(np.arange(count), 4)
    level = torch.randn(count, 4, generator=draw)[torch.from_numpy(person)]
    down = (torch.arange(side) - side / 2) / CANVAS.density - centre
    rows = torch.nonzero(down.abs() < 12)[:, 0]
    stripes = level.repeat_interleave(side // 4, dim=1)[:, None, None, :]
    images[:, :, rows] = 127.5 + 50 * stripes.expand(-1, 1, len(rows), -1)
    return CanvasFaces(CANVAS, images.clamp(0, 255).to(torch.uint8), person + first)


def _make(seed: int) -> tuple[nn.Module, int]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed % 2**31)
        network = nn.Sequential(
            nn.Conv2d(1, 4, 3, 2, 1), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(256, 8)
        )
    return network, 8


QUICK = SearchTraining(iterations=60, shared=240, batch=32, rate=1e-2)


@pytest.mark.parametrize(("centre", "direction"), [(72.0, 1), (-72.0, -1)])
def test_searches_move_towards_the_evidence(centre: float, direction: int) -> None:
    """Evidence below the base template lowers the template found, evidence above it raises it."""
    train, chosen = _people(0, 40, centre), _people(100, 20, centre)
    found = search_templates(_make, train, chosen, GRID, QUICK, best=2, seed=1)
    assert found.template.shift * direction > 0
    assert set(found.retrained) < set(found.shared) == set(GRID)
    assert not found.network.training


def test_the_population_moves_to_the_evidence() -> None:
    """Workers that start anywhere end at a template that sees the evidence."""
    train, chosen = _people(0, 40, 72.0), _people(100, 20, 72.0)
    found = population_search(
        _make, train, chosen, GRID, QUICK, workers=6, rounds=4, best=2, seed=2
    )
    assert found.template.shift > 0
    with pytest.raises(InputError, match="4 or more"):
        population_search(_make, train, chosen, GRID, QUICK, workers=2)


def test_one_seed_trains_one_network() -> None:
    """Networks of one seed and template are equal; another template gives another network."""
    train = _people(0, 10, 0.0)
    short = SearchTraining(iterations=3, shared=3)
    one, same = (train_at(_make, train, GRID[0], short, seed=4) for _ in range(2))
    other = train_at(_make, train, GRID[1], short, seed=4)
    batch = torch.randn(5, 1, 16, 16)
    assert torch.equal(one(batch), same(batch))
    assert not torch.equal(one(batch), other(batch))


def test_batch_statistics_are_those_of_the_template() -> None:
    """Scores with shared weights re-estimate normalisation: constants of a template are removed."""
    train, chosen = _people(0, 10, 0.0), _people(50, 5, 0.0)
    scores = shared_scores(_make, train, chosen, GRID, SearchTraining(shared=2), seed=3)
    assert list(scores) == GRID
    assert all(0 <= score <= 1 for score in scores.values())
    with pytest.raises(InputError, match="divide the people"):
        shared_scores(_make, train, train, GRID)
    with pytest.raises(InputError, match="all of the same size"):
        shared_scores(_make, train, chosen, [*GRID, AlignmentTemplate(112, 0, 24)])
    with pytest.raises(InputError, match="all of the same size"):
        shared_scores(_make, train, chosen, [])


def test_a_fixed_network_reveals_its_template() -> None:
    """A network that reads fixed rows scores best with the shift that brings evidence there."""
    for shift, rows in ((24, slice(9, 14)), (0, slice(13, 16))):
        faces = _people(0, 30, 48.0)
        scores = template_scores(
            lambda pictures, rows=rows: pictures[:, 0, rows].mean(1),  # type: ignore[misc]
            faces,
            template_grid([112], [-24, 0, 24], 16),
        )
        assert max(scores, key=lambda one: scores[one]).shift == shift


def test_neighbours_of_a_grid() -> None:
    """Each is one step away; corners have two, the middle four; a single template itself."""
    assert len(neighbours(GRID[0], GRID)) == 2
    assert len(neighbours(GRID[4], GRID)) == 4
    assert neighbours(GRID[4], [GRID[4]]) == [GRID[4]]


def test_photographs_are_read_onto_canvases(tmp_path: Path) -> None:
    """Faces of a folder land on a canvas as they land on the template; others are counted."""
    heads = render_heads(np.zeros((4, 2)), size=160, crop=2.0, seed=3)
    heads.write(tmp_path / "heads")
    (tmp_path / "heads" / "p00000" / "none.png").write_bytes(b"no picture")
    canvas = AlignmentCanvas(128, 8, 0.5)
    faces, missed = read_canvases(tmp_path / "heads", canvas)
    people, missed_too = read_people(tmp_path / "heads", size=56)
    assert missed == missed_too >= 1
    assert (faces.person == people.person).all()
    cut = canvas.cut(faces.images, AlignmentTemplate(size=56)).mean(1) / 127.5 - 1
    assert float((cut - people.images[:, 0]).abs().mean()) < 0.08
    with pytest.raises(InputError, match="no such folder"):
        read_people(tmp_path / "nobody")
