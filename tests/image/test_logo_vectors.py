"""Outlines: the rules of filling, curves, SVG files, and what cannot be drawn."""

import math
from pathlib import Path

import numpy as np
import pytest
from matplotlib.path import Path as OtherPath

from sterling.errors import InputError
from sterling.image.logos import draw_svg, fill_outlines, load_brands
from sterling.image.logos.brands import logo_mask
from sterling.image.logos.vectors import path_outlines

SVG = '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24">{}</svg>'


def pentagram() -> np.ndarray:
    angles = -math.pi / 2 + np.arange(5) * 4 * math.pi / 5
    return 32 + 30 * np.stack([np.cos(angles), np.sin(angles)], axis=1)


def test_rules_differ_where_an_outline_winds_twice() -> None:
    """The heart of a pentagram is wound twice: ink by the non-zero rule, a hole by the other."""
    star = pentagram()
    assert fill_outlines([star], 64)[32, 32] == 255
    assert fill_outlines([star], 64, even_odd=True)[32, 32] == 0


def test_opposite_outlines_make_a_hole_and_equal_ones_do_not() -> None:
    outer = np.array([[4.0, 4], [28, 4], [28, 28], [4, 28]])
    inner = np.array([[10.0, 10], [22, 10], [22, 22], [10, 22]])
    holed = fill_outlines([outer, inner[::-1]], 32)
    assert holed[16, 16] == 0
    assert holed.sum() / 255 == pytest.approx(24**2 - 12**2)
    assert fill_outlines([outer, inner], 32).sum() / 255 == pytest.approx(24**2)


def test_every_pixel_agrees_with_another_point_in_polygon_test() -> None:
    rng = np.random.default_rng(0)
    corners = rng.uniform(2, 30, (9, 2))
    ours = fill_outlines([corners], 32, even_odd=True)
    y, x = np.mgrid[:32, :32] + 0.5
    centres = np.stack([x.ravel(), y.ravel()], axis=1)
    codes = [OtherPath.MOVETO, *[OtherPath.LINETO] * 8, OtherPath.CLOSEPOLY]
    closed = OtherPath(np.vstack([corners, corners[:1]]), codes)
    crossings = np.zeros(len(centres))
    for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):  # a ray to the right
        spans = (a[1] > centres[:, 1]) != (b[1] > centres[:, 1])
        at = a[0] + (centres[:, 1] - a[1]) / (b[1] - a[1]) * (b[0] - a[0])
        crossings += spans & (at > centres[:, 0])
    inside = (crossings % 2 == 1).reshape(32, 32)
    sure = (ours == 0) | (ours == 255)
    assert sure.mean() > 0.5
    assert ((ours == 255) == inside)[sure].all()
    assert closed.get_extents().width == pytest.approx(np.ptp(corners[:, 0]))


def test_a_circle_of_arcs_and_one_of_curves_have_its_area() -> None:
    arcs = "M2 12a10 10 0 1 0 20 0a10 10 0 1 0-20 0z"
    k = 10 * 4 / 3 * (math.sqrt(2) - 1)
    curves = (
        f"M22 12C22 {12 + k} {12 + k} 22 12 22S2 {12 + k} 2 12 {12 - k} 2 12 2 22 {12 - k} 22 12z"
    )
    for data in (arcs, curves):
        outlines = [one * 10 for one in path_outlines(data)]
        area = fill_outlines(outlines, 240).sum() / 255
        assert area == pytest.approx(math.pi * 100**2, rel=5e-3)


def test_what_lies_outside_of_the_square_is_cut_off() -> None:
    wide = np.array([[-50.0, -50], [500, -50], [500, 500], [-50, 500]])
    assert (fill_outlines([wide], 16) == 255).all()
    assert fill_outlines([wide - 1000], 16).sum() == 0
    assert fill_outlines([], 16).sum() == 0


@pytest.mark.parametrize("data", ["M0 0L", "no path", "M1 2 3", "M0 0L1e999 0"])
def test_broken_path_data_is_refused(data: str) -> None:
    with pytest.raises(InputError, match="path data"):
        path_outlines(data)


def test_every_brand_is_drawn_and_fills_its_mask() -> None:
    brands = load_brands()
    assert len({one.name for one in brands}) == len(brands)
    for one in brands[::300]:
        ink = np.argwhere(logo_mask(one.path) > 0)
        assert max(np.ptp(ink, axis=0)) >= 60, one.name


def test_an_svg_file_keeps_its_colours_and_its_order(tmp_path: Path) -> None:
    shapes = '<rect width="24" height="24" fill="#f00"/><circle cx="12" cy="12" r="6" fill="#00f"/>'
    path = tmp_path / "a.svg"
    path.write_text(SVG.format(shapes))
    drawn = draw_svg(path, 100)
    assert drawn.shape == (100, 100, 3)
    assert drawn[50, 50].tolist() == [0, 0, 255]
    assert drawn[10, 10].tolist() == [255, 0, 0]
    assert drawn[1, 1].tolist() == [255, 255, 255]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("no xml at all", "cannot be parsed as SVG"),
        ("<svg><path d='M0 0L", "cannot be parsed as SVG"),
        (SVG.format("<path d='zzz'/>"), "a.svg"),
        (SVG.format("<text>word</text>"), "draws no shape"),
        (SVG.format('<path fill="none" d="M0 0h9v9z"/>'), "draws no shape"),
    ],
)
def test_an_svg_file_that_shows_nothing_is_refused(
    tmp_path: Path, content: str, reason: str
) -> None:
    path = tmp_path / "a.svg"
    path.write_text(content)
    with pytest.raises(InputError, match=reason) as caught:
        draw_svg(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_a_missing_svg_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such SVG file"):
        draw_svg(tmp_path / "none.svg")
