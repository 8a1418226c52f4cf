"""PRE-MAP's policy, frames and scores; and a run on real gaze."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tests.studies.smoke import run_smoke

from sterling.errors import InputError
from sterling.gaze import PointTarget, nss, parse_points
from sterling.studies.gaze.pre_map._frames import AD, GazeSet, draw_ads, draw_points
from sterling.studies.gaze.pre_map._policy import (
    BINS,
    COUNT,
    END,
    EVERYONE,
    SLOTS,
    PointPolicy,
    SaliencyNetwork,
    answer_mask,
    decode,
    encode,
)
from sterling.studies.gaze.pre_map._scores import Truth
from sterling.studies.gaze.pre_map._training import Recipe, Training, reinforce, supervise

TINY = Training(steps=2, frames=2, group=4, rate=1e-3)


@pytest.fixture(scope="module")
def ads() -> GazeSet:
    return draw_ads(4, np.random.default_rng(0))


@pytest.fixture(scope="module")
def policy() -> PointPolicy:
    return PointPolicy(2, SaliencyNetwork(seed=0).encoder, seed=0)


@pytest.mark.parametrize("size", [AD, (800, 600), (1920, 1080)])
def test_tokens_are_read_back_in_pixels_of_the_frame(size: tuple[int, int]) -> None:
    points = np.random.default_rng(0).random((COUNT, 2)) * size
    read = parse_points(decode(encode(points, size), size))
    assert read is not None
    assert len(read) == COUNT
    assert (np.abs(read - points) <= np.array(size) / BINS).all()
    assert ((read >= 0) & (read < size)).all()


def test_an_answer_that_ends_within_a_point_cannot_be_read() -> None:
    tokens = encode(np.array([[10.0, 20.0], [30.0, 40.0]]), AD)
    assert decode(tokens, AD) == '{"points": [[12, 21], [32, 40]]}'
    assert decode(tokens[:3] + [END] * 21, AD) == '{"points": [[12, 21], [32'
    assert parse_points(decode(tokens[:3] + [END] * 21, AD)) is None
    assert parse_points(decode([END] * 24, AD)) is None
    assert parse_points(decode([3] + [END] * 23, AD)) is None


def test_the_mask_ends_with_the_first_end() -> None:
    assert answer_mask(torch.tensor([[1, 2, END, END]])).tolist() == [[True, True, True, False]]
    assert answer_mask(torch.tensor([[1, 2, 3, 4]])).all()


def test_sampled_answers_have_the_scores_that_given_ones_have(
    ads: GazeSet, policy: PointPolicy
) -> None:
    profiles = torch.tensor([[1, 2, 0]]).repeat(len(ads), 1)
    generator = torch.Generator().manual_seed(0)
    tokens, scores = policy(ads.pictures, profiles, generator=generator)
    assert tokens.shape == scores.shape == (len(ads), 3, 2 * SLOTS)
    again, given = policy(ads.pictures, profiles, tokens)
    mask = answer_mask(tokens)
    assert torch.equal(again, tokens)
    torch.testing.assert_close(given[mask], scores[mask])


def test_the_first_point_has_probabilities_that_sum_to_1(ads: GazeSet, policy: PointPolicy) -> None:
    places = [(x, y) for x in range(BINS) for y in range(BINS + 1)] + [(END, END)]
    tokens = torch.full((1, len(places), 2 * SLOTS), END)
    tokens[0, :, :2] = torch.tensor(places)
    profiles = torch.ones(1, len(places), dtype=torch.long)
    with torch.no_grad():
        _, scores = policy(ads.pictures[:1], profiles, tokens)
    over = tokens[0, :, 0] == END
    first = scores[0, :, 0].exp() * torch.where(over, 1.0, scores[0, :, 1].exp())
    assert first.sum().item() == pytest.approx(1, abs=1e-5)


def test_after_pooled_training_all_profiles_answer_as_everyone(
    ads: GazeSet, policy: PointPolicy
) -> None:
    trained = supervise(policy, ads, TINY, np.random.default_rng(0), asked=False)
    profiles = torch.tensor([[EVERYONE, 1, 2]])
    tokens = torch.tensor([[encode(ads.everyone(0)[:COUNT], AD)] * 3])
    asked = supervise(trained, ads, TINY, np.random.default_rng(0), asked=True)
    with torch.no_grad():
        _, pooled = trained(ads.pictures[:1], profiles, tokens)
        _, told_apart = asked(ads.pictures[:1], profiles, tokens)
    torch.testing.assert_close(pooled[0, 0], pooled[0, 1])
    assert not torch.allclose(told_apart[0, 1], told_apart[0, 2])


def test_rewards_move_the_policy_towards_what_they_pay_for(ads: GazeSet) -> None:
    one = ads.only([0])
    spot = np.array([[40.0, 30.0]])
    target = PointTarget.of(np.repeat(spot, COUNT, axis=0), AD)
    start = PointPolicy(2, SaliencyNetwork(seed=0).encoder, seed=0)
    training = Training(steps=40, frames=1, group=8, rate=1e-2)
    targets = {(0, 0): target, (0, 1): target}
    _, rewards = reinforce(start, one, targets, Recipe(), training, 0)
    assert rewards[-5:, 2].mean() > rewards[:5, 2].mean() + 0.1
    _, again = reinforce(start, one, targets, Recipe(), replace(training, steps=5), 0)
    _, other = reinforce(start, one, targets, Recipe(kind="ap_grpo"), replace(training, steps=5), 0)
    np.testing.assert_array_equal(again[0], rewards[0])
    assert not np.array_equal(again, other)


def test_gaze_is_drawn_from_the_known_density(ads: GazeSet) -> None:
    assert ads.densities is not None
    np.testing.assert_allclose(ads.densities.sum(axis=(2, 3)), 1)
    density = ads.densities[0, 0]
    points = draw_points(density, 4000, np.random.default_rng(1))
    assert ((points >= 0) & (points < AD)).all()
    y, x = np.mgrid[0:90, 0:160] + 0.5
    for values, drawn in ((x, points[:, 0]), (y, points[:, 1])):
        mean = (density * values).sum()
        deviation = np.sqrt((density * (values - mean) ** 2).sum())
        assert abs(drawn.mean() - mean) < 5 * deviation / np.sqrt(len(points))


def test_profiles_look_at_what_they_are_said_to_look_at(ads: GazeSet) -> None:
    assert ads.densities is not None
    for faces, products in ads.densities:
        assert np.corrcoef(faces.ravel(), products.ravel())[0, 1] < 0.9


def test_nss_against_fixations_is_that_of_the_room(ads: GazeSet) -> None:
    real = replace(ads, densities=None)
    truth = Truth.of(real, 1)
    answer = np.random.default_rng(0).random((90, 160))
    expected = [nss(answer, real.fixations(1, profile)) for profile in (0, 1)]
    np.testing.assert_allclose(truth.nss(answer), expected, rtol=1e-10)
    assert (truth.nss(np.ones((90, 160))) == 0).all()


def write_osie(folder: Path, frames: int, viewers: int) -> Path:
    rng = np.random.default_rng(0)
    (folder / "stimuli").mkdir(parents=True)
    stored = {}
    for index in range(frames):
        pixels = rng.integers(0, 255, (30, 40, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / "stimuli" / f"{index}.png")
        stored[f"{index}.png"] = [
            {
                "subject": viewer,
                "x": (rng.random(6) * 40).tolist(),
                "y": (rng.random(6) * 30).tolist(),
                "dur_ms": [200] * 6,
            }
            for viewer in range(viewers)
        ]
    (folder / "fixations.json").write_text(json.dumps(stored))
    return folder


def test_viewers_of_a_folder_take_the_place_of_profiles(tmp_path: Path) -> None:
    data = write_osie(tmp_path / "data", 12, 3)
    evidence = run_smoke("pre_map", tmp_path, f"data={data}")
    assert "SIMULATED" not in evidence.scope
    assert {"own_viewer", "over_pooled", "over_centre_bias"} <= {one.id for one in evidence.claims}
    table = next(one for one in evidence.tables if one.name == "viewers")
    assert "all other viewers, map" in {row[0] for row in table.rows}
    own = next(one for one in evidence.claims if one.id == "own_viewer")
    assert own.low is not None
    assert "clustered" in own.estimand


@pytest.mark.parametrize(("frames", "viewers"), [(12, 1), (6, 3)])
def test_too_few_viewers_or_frames_are_named(frames: int, viewers: int, tmp_path: Path) -> None:
    data = write_osie(tmp_path / "data", frames, viewers)
    with pytest.raises(InputError, match="profiles need two viewers"):
        run_smoke("pre_map", tmp_path, f"data={data}")


def test_a_frame_that_one_viewer_saw_is_named(tmp_path: Path) -> None:
    data = write_osie(tmp_path / "data", 12, 3)
    stored = json.loads((data / "fixations.json").read_text())
    stored["7.png"] = stored["7.png"][:1]
    (data / "fixations.json").write_text(json.dumps(stored))
    with pytest.raises(InputError, match=r"'7\.png' has fixations of one viewer"):
        run_smoke("pre_map", tmp_path, f"data={data}")
