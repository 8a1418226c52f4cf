"""Plane plus parallax: known displacements are recovered, and planes have none."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sterling.errors import InputError
from sterling.face.capture import Scale, simulate
from sterling.face.pad.baselines.parallax import score_parallax
from sterling.measure import Scores, auc

SIDE = 48
FIFTIETH = 0.02 / SIDE  # of a pixel: what grey levels in steps of 1/255 leave unknown


def waves(x: Tensor, y: Tensor) -> Tensor:
    """A smooth texture without end, in [0, 1], of places in shares of the side."""
    rng = np.random.default_rng(3)
    total = torch.zeros_like(x)
    for _ in range(12):
        along, across = rng.uniform(-5, 5, 2)
        total += torch.sin(2 * np.pi * (along * x + across * y + rng.uniform()))
    return 0.5 + total / 24


def places() -> tuple[Tensor, Tensor]:
    step = (torch.arange(SIDE, dtype=torch.float64) + 0.5) / SIDE - 0.5
    x, y = torch.meshgrid(step, step, indexing="xy")
    return x, y


def dome() -> Tensor:
    x, y = places()
    return torch.exp(-((x / 0.2) ** 2) - (y / 0.25) ** 2)


def clip(moved: Tensor, gain: float = 1.0, offset: float = 0.0) -> Tensor:
    """The texture, and again after its points went by `moved` (2, SIDE, SIDE), two frames."""
    x, y = places()
    # A point at x + d(x) in the second frame was at x: solved by iteration, as d is smooth.
    back = torch.zeros_like(moved)
    for _ in range(30):
        grid = torch.stack([x + back[0], y + back[1]], -1)[None] * 2
        back = -F.grid_sample(moved[None], grid, align_corners=False, padding_mode="border")[0]
    frames = torch.stack([waves(x, y), gain * waves(x + back[0], y + back[1]) + offset])
    return (frames * 255).round().to(torch.uint8)[None, :, None].expand(1, 2, 3, SIDE, SIDE)


def residual_length(relief: Tensor) -> float:
    """Root mean square of a relief's part that is not affine, within the ellipse; by lstsq."""
    x, y = places()
    inside = (x / 0.30) ** 2 + (y / 0.36) ** 2 < 1
    flat = np.stack([np.ones(int(inside.sum())), x[inside].numpy(), y[inside].numpy()], 1)
    wanted = relief[inside].numpy()
    found, *_ = np.linalg.lstsq(flat, wanted, rcond=None)
    return float(np.sqrt(np.mean((wanted - flat @ found) ** 2)))


@settings(max_examples=15)
@given(
    st.lists(st.floats(-0.02, 0.02), min_size=6, max_size=6),
    st.floats(0.005, 0.02),
    st.floats(0, 2 * np.pi),
)
def test_a_known_parallax_is_found_whatever_else_moves(
    affine: list[float], size: float, direction: float
) -> None:
    x, y = places()
    a, b, c, d, e, f = affine
    plane = torch.stack([a + b * x + c * y, d + e * x + f * y])
    vector = size * torch.tensor([np.cos(direction), np.sin(direction)])[:, None, None]
    still, relief = score_parallax(clip(plane), dome()), dome()
    found = score_parallax(clip(plane + vector * relief), relief)
    assert still[0] < FIFTIETH
    assert found[0] == pytest.approx(size * residual_length(relief), rel=0.1, abs=FIFTIETH)


def test_light_that_changes_is_no_motion() -> None:
    nothing = torch.zeros(2, SIDE, SIDE, dtype=torch.float64)
    assert score_parallax(clip(nothing, 0.7, 0.1), dome())[0] < FIFTIETH
    assert score_parallax(torch.full((1, 2, 3, 32, 32), 90, dtype=torch.uint8), dome())[0] == 0


def test_clips_are_judged_one_by_one() -> None:
    bent = torch.stack([0.01 * dome(), torch.zeros_like(dome())])
    clips = torch.cat([clip(bent), clip(0 * bent)])
    together = score_parallax(clips, dome())
    assert together == pytest.approx([score_parallax(one[None], dome())[0] for one in clips])
    assert together[0] > 10 * together[1]


def test_bad_input_is_one_line() -> None:
    good = torch.zeros(1, 2, 3, 32, 32, dtype=torch.uint8)
    for clips, relief in ((good[:, :1], dome()), (good[0], dome()), (good, dome()[None])):
        with pytest.raises(InputError, match="T >= 2"):
            score_parallax(clips, relief)
    x, _ = places()
    with pytest.raises(InputError, match="affine"):
        score_parallax(good, 1 + x)


def test_motion_tells_simulated_heads_from_prints_already_at_32_pixels() -> None:
    captures = simulate(
        "planar", seed=1, size=32, frames=2, rate=25 / 12, scale=Scale((9, 1, 1), (60, 1, 1))
    )
    live = captures.manifest.bona_fide
    relief = captures.true_depth[torch.from_numpy(live)].flatten(0, 1).mean(0)
    scores = score_parallax(captures.rgb, relief)
    species = captures.manifest.column("species")
    prints = live | (species != "replay")
    assert auc(Scores(scores[prints], live[prints])).value > 0.85
