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
    PARTS,
    PartCrops,
    PartSupervision,
    head_losses,
    make_trash,
    part_crops,
    part_windows,
)
from sterling.measure import Scores, auc


def pictures(n: int, side: int = 64, seed: int = 0) -> Tensor:
    return pixels(n, 3, side, side, seed=seed)


def test_crops_are_the_halved_face_and_enlarged_windows() -> None:
    images = pictures(2).float()
    crops = part_crops(images)
    assert crops.shape == (2, len(PARTS), 3, 32, 32)
    first = images[0, :, :2, :2].mean(dim=(1, 2))
    assert torch.allclose(crops[0, 0, :, 0, 0], first)
    flat = torch.zeros(1, 3, 64, 64)
    for number, (left, right, top, bottom) in enumerate(part_windows(64, 64), start=1):
        marked = flat.clone()
        marked[..., top:bottom, left:right] = 7.0
        assert bool((part_crops(marked)[:, number] == 7).all())
        assert bool((part_crops(7.0 - marked)[:, number] == 0).all())


def test_windows_are_the_released_shares_of_a_larger_crop() -> None:
    """Eyes: x .187 to .817 of 1.6 boxes are (x - .5) 1.6 / 1.3 + .5 of 1.3 boxes, and so on."""
    side = 1300
    released = {
        "eyes": (0.187, 0.817, 0.308, 0.568),
        "chin": (0.252, 0.752, 0.617, 0.877),
        "nose": (0.379, 0.639, 0.467, 0.662),
    }
    for (part, shares), found in zip(released.items(), part_windows(side, side), strict=False):
        box = [(share - 0.5) * 1600 + 650 for share in shares]  # pixels around the same centre
        assert found == pytest.approx(box, abs=0.6), part
    *_, left, right = part_windows(side, side)
    assert left[0] == 0  # the ears' outer edges lie beyond a crop of 1.3 boxes
    assert right[1] == side
    assert (left[1], right[0]) == pytest.approx((392.4, 912.4), abs=0.6)


@pytest.mark.parametrize("side", [32, 64, 128, 224])
def test_windows_lie_within_the_picture_and_hold_their_landmarks(side: int) -> None:
    windows = dict(zip(PARTS[1:], part_windows(side, side), strict=True))
    places = [(side * x, side * y) for x, y in landmark_places(1.3)]
    holds = {"eyes": places[:2], "nose": [places[2]], "chin": places[3:]}
    for part, (left, right, top, bottom) in windows.items():
        assert 0 <= left < right <= side
        assert 0 <= top < bottom <= side
        for x, y in holds.get(part, []):
            assert left <= x <= right
            assert top <= y <= bottom


def test_the_stem_is_shared_and_ears_share_their_stages() -> None:
    network = PartCrops(10, 2)
    assert len(network.branches) == 5
    assert len(network.part_heads) == 6
    assert len(PartCrops(10, 2, parts=False).branches) == 1


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

    # As released: the head of all weighs 1, and bona fides weigh 5 in the parts, not in the face.
    parts = enumerate((0.1, 0.1, 0.1, 0.05, 0.05), start=1)
    expected = entropy(6, 1) + 0.5 * entropy(0, 1)
    expected += sum(weight * entropy(head, 5) for head, weight in parts)
    assert float(head_losses(logits, live)) == pytest.approx(expected, abs=1e-6)
    assert float(head_losses(logits[:, 6:], live)) == pytest.approx(entropy(6, 1), abs=1e-6)


def test_each_head_looks_at_its_own_crop_and_the_last_at_all() -> None:
    network = PartCrops(10, 2, seed=1).eval()
    images = torch.rand(1, 3, 64, 64, requires_grad=True)
    output = network(images)
    for number, (left, right, top, bottom) in enumerate(part_windows(64, 64), start=1):
        (slope,) = torch.autograd.grad(output.logits[0, number], images, retain_graph=True)
        outside = torch.ones(64, 64, dtype=torch.bool)
        outside[top:bottom, left:right] = False
        assert slope.abs().sum() > 0
        assert slope[0, :, outside].abs().sum() == 0
    (slope,) = torch.autograd.grad(output.logits[0, -1], images)
    assert (slope[0].abs().sum(dim=0) > 0).float().mean() > 0.9


def chin(n: int, seed: int) -> tuple[Tensor, Tensor]:
    """Pictures of noise; attacks have a chequered chin, finer than half the resolution shows."""
    images, live = pictures(n, seed=seed) // 8, torch.arange(n) % 2 == 0
    rows, columns = torch.meshgrid(torch.arange(64), torch.arange(64), indexing="ij")
    chequered = 80 * ((rows + columns) % 2).to(torch.uint8)
    chequered[:46] = 40
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
def test_trash_is_labelled_an_attack_and_the_rest_stays(seed: int, share: float) -> None:
    images = uniform(12, 3, 24, 24, seed=seed) * 255
    live = uniform(12, seed=seed + 1) < 0.5
    trash, label = make_trash(images, live, share, seeded(seed))
    assert not (label & ~live).any()
    assert torch.equal(trash[label], images[label])
    if share == 0:
        assert torch.equal(label, live)
        assert torch.equal(trash, images)


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("alive", [True, False])
def test_pictures_of_any_label_become_trash_at_the_given_rate(share: float, alive: bool) -> None:
    n = 2000
    images = uniform(1, 1, 32, 32).expand(n, 1, 32, 32)
    live = torch.full((n,), alive)
    trash, label = make_trash(images, live, share, seeded(0))
    changed = int((trash != images).flatten(1).any(dim=1).sum())
    assert stats.binomtest(changed, n, share).pvalue > 1e-6
    assert int((live & ~label).sum()) == (changed if alive else 0)


def test_trash_is_a_tiny_part_of_the_released_area_and_aspect() -> None:
    """On a ramp to the right and one downwards the ranges give the part's width and height."""
    n, side = 800, 224
    across = torch.arange(side, dtype=torch.float32).expand(side, side)
    images = torch.stack([across, across.T]).expand(n, 2, side, side)
    trash, _ = make_trash(images, torch.ones(n, dtype=torch.bool), 1.0, seeded(1))
    middle = trash[..., side // 4 : 3 * side // 4, side // 4 : 3 * side // 4]
    wide, tall = (2 * (middle[:, k].amax((1, 2)) - middle[:, k].amin((1, 2))) for k in (0, 1))
    area, aspect = wide * tall / side**2, wide / tall
    assert 4.6 / side < area.min() < 5.6 / side
    assert 9 / side < area.max() < 10.4 / side
    assert 0.23 < aspect.min() < 0.3
    assert 3.4 < aspect.max() < 4.3
