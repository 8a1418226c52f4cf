"""Part crops are windows of the picture, its heads are weighed as released, and parts can tell."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from tests.draws import pixels, seeded, uniform
from torch import Tensor

from sterling.face.data import landmark_places
from sterling.face.pad import Detector, Preprocessing, Provenance, TrainConfig, train
from sterling.face.pad.networks.network import Output
from sterling.face.pad.networks.part_crops import (
    MOSAIC,
    PARTS,
    PartCrops,
    PartSupervision,
    corrupt_bona_fides,
    head_losses,
    part_corners,
    part_crops,
)
from sterling.measure import Scores, auc


def pictures(n: int, side: int = 64, seed: int = 0) -> Tensor:
    return pixels(n, 3, side, side, seed=seed)


def test_crops_are_the_halved_face_and_windows_cut_out_of_it() -> None:
    images = pictures(2).float()
    crops = part_crops(images)
    assert crops.shape == (2, len(PARTS), 3, 32, 32)
    first = images[0, :, :2, :2].mean(dim=(1, 2))
    assert torch.allclose(crops[0, 0, :, 0, 0], first)
    for number, (left, top) in enumerate(part_corners(32, 32), start=1):
        window = images[:, :, top : top + 32, left : left + 32]
        assert torch.equal(crops[:, number], window)


@pytest.mark.parametrize("side", [32, 64, 128, 224])
def test_windows_lie_within_the_picture_and_hold_their_landmarks(side: int) -> None:
    half = side // 2
    corners = dict(zip(PARTS[1:], part_corners(half, half), strict=True))
    places = [(side * x, side * y) for x, y in landmark_places(1.3)]
    holds = {"eyes": places[:2], "nose": [places[2]], "chin": places[3:]}
    for part, (left, top) in corners.items():
        assert 0 <= left <= half
        assert 0 <= top <= half
        for x, y in holds.get(part, []):
            assert left <= x <= left + half
            assert top <= y <= top + half
    # The ears' windows mirror each other, and reach further out than the eyes'.
    assert corners["left ear"][0] + corners["right ear"][0] == pytest.approx(half, abs=1)
    assert corners["left ear"][0] < corners["eyes"][0] < corners["right ear"][0]
    assert corners["eyes"][1] < corners["nose"][1] < corners["chin"][1]


def test_the_score_is_a_quarter_of_the_whole_and_weighted_parts() -> None:
    network = PartCrops(10, 2)
    chances = torch.tensor([[0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3]])
    score = network.liveness(Output(logits=chances.logit()))
    parts = (2 * 0.9 + 0.8 + 0.7 + 0.6 + 0.5 * 0.5 + 0.5 * 0.4) / 6
    assert float(score) == pytest.approx(0.25 * 0.3 + 0.75 * parts, abs=1e-6)
    alone = PartCrops(10, 2, parts=False)
    assert float(alone.liveness(Output(logits=torch.tensor([[0.0]])))) == 0.5


def test_the_loss_weighs_heads_and_bona_fides() -> None:
    logits = torch.linspace(-2, 2, 14).view(2, 7)
    live = torch.tensor([True, False])

    def entropy(head: int, weight: float) -> float:
        bona_fide, attack = logits[:, head].sigmoid().tolist()
        return (-weight * math.log(bona_fide) - math.log(1 - attack)) / 2

    expected = 0.5 * entropy(6, 1) + sum(
        weight * entropy(head, 5) for head, weight in enumerate((0.5, 0.1, 0.1, 0.1, 0.05, 0.05))
    )
    assert float(head_losses(logits, live)) == pytest.approx(expected, abs=1e-6)
    assert float(head_losses(logits[:, 6:], live)) == pytest.approx(entropy(6, 1), abs=1e-6)


def test_each_head_looks_at_its_own_crop_and_the_last_at_all() -> None:
    network = PartCrops(10, 2, seed=1).eval()
    images = torch.rand(1, 3, 64, 64, requires_grad=True)
    output = network(images)
    for number, (left, top) in enumerate(part_corners(32, 32), start=1):
        (slope,) = torch.autograd.grad(output.logits[0, number], images, retain_graph=True)
        outside = torch.ones(64, 64, dtype=torch.bool)
        outside[top : top + 32, left : left + 32] = False
        assert slope.abs().sum() > 0
        assert slope[0, :, outside].abs().sum() == 0
    (slope,) = torch.autograd.grad(output.logits[0, -1], images)
    assert (slope[0].abs().sum(dim=0) > 0).float().mean() > 0.9


def chin(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures of noise; attacks have a chequered chin, finer than half the resolution shows."""
    images, live = pictures(n, seed=seed) // 8, torch.arange(n) % 2 == 0
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    chequered = 80 * ((rows + columns) % 2).to(torch.uint8)
    chequered[:48] = 40
    plain = torch.full_like(chequered, 40)
    return images + torch.where(live[:, None, None], plain, chequered)[:, None], live


def test_parts_see_what_the_halved_face_cannot() -> None:
    found = {}
    for parts in (True, False):
        network = PartCrops(10, 4, parts, seed=0)
        images, live = chin(96, 1)
        maps = live.float()[:, None, None]
        config = TrainConfig(epochs=6, learning_rate=3e-3, batch_size=16, seed=0)
        train(network, images, maps, config, objective=PartSupervision(0.0, augmented=False))
        detector = Detector(
            network, Preprocessing(size=64), Provenance("noise", True, "Apache-2.0", 0, 96, "")
        )
        tested, truth = chin(80, 2)
        found[parts] = auc(Scores(detector.score(tested), truth.numpy())).value
    assert found[True] > 0.95
    assert found[False] < 0.7


def test_a_flipped_score_is_the_mean_over_both_and_blind_to_mirroring() -> None:
    network = PartCrops(10, 2, seed=3)
    detector = Detector(
        network.eval(), Preprocessing(size=64), Provenance("noise", True, "Apache-2.0", 0, 1, "")
    )
    images = pictures(5)
    mirrored = images.flip(-1)
    both = detector.score(images, flip=True)
    expected = (detector.score(images) + detector.score(mirrored)) / 2
    assert np.allclose(both, expected, atol=1e-9)
    assert np.allclose(both, detector.score(mirrored, flip=True), atol=1e-9)
    assert not np.allclose(both, detector.score(images), atol=1e-9)


@given(st.integers(0, 10_000), st.floats(0, 1))
def test_attacks_stay_and_labels_fall_with_the_pictures(seed: int, share: float) -> None:
    images = uniform(12, 3, 24, 24, seed=seed) * 255
    live = uniform(12, seed=seed + 1) < 0.5
    corrupted, label = corrupt_bona_fides(images, live, share, seeded(seed))
    assert torch.equal(corrupted[~live], images[~live])
    assert not (label & ~live).any()
    changed = (corrupted != images).flatten(1).any(dim=1)
    # A shuffle, or a half of the own picture, may leave a picture as it was.
    assert not (changed & label).any()
    if share == 0:
        assert torch.equal(label, live)


@pytest.mark.parametrize("share", [0.1, 0.5])
def test_the_rate_is_the_one_asked_for(share: float) -> None:
    n = 4000
    live = torch.ones(n, dtype=torch.bool)
    _, label = corrupt_bona_fides(torch.zeros(n, 1, 8, 8), live, share, seeded(0))
    assert stats.binomtest(int((~label).sum()), n, share).pvalue > 1e-6


def test_the_three_damages_are_what_they_say() -> None:
    n, side = 300, 24
    images = uniform(n, 3, side, side, seed=1)
    corrupted, label = corrupt_bona_fides(images, torch.ones(n, dtype=torch.bool), 1.0, seeded(2))
    assert not label.any()
    tiles = images.unfold(2, MOSAIC, MOSAIC).unfold(3, MOSAIC, MOSAIC).mean(dim=(-1, -2))
    kinds = {"shuffled": 0, "mosaic": 0, "halves": 0}
    for before, after, means in zip(images, corrupted, tiles, strict=True):
        if torch.allclose(after[:, ::MOSAIC, ::MOSAIC], means):
            kinds["mosaic"] += 1
        elif torch.equal(after[:, : side // 2], before[:, : side // 2]):
            kinds["halves"] += 1
        else:
            kinds["shuffled"] += 1
            assert torch.equal(after.flatten(1).sort().values, before.flatten(1).sort().values)
    assert min(kinds.values()) > n / 3 - 6 * np.sqrt(n * 2 / 9)
