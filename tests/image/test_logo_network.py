"""The network that attends: identities of its parts, its losses, and its files."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sterling.errors import InputError
from sterling.image import LogoDesign, LogoNetwork
from sterling.image.logos import Camera, LogoPictures, LogoTraining, render_logos, train_logos
from sterling.image.logos.network import ORIENTATIONS, first_look, weighted_mean
from sterling.image.logos.training import (
    LogoLoss,
    MarginSoftmax,
    erase_attended,
    reverse_gradient,
    warm_up_and_fall,
)

SMALL = LogoDesign(size=24, width=4, dimension=8)


@pytest.fixture(scope="module")
def pictures() -> LogoPictures:
    camera = Camera(size=24, cells=6, correlation=0.5)
    return render_logos(np.repeat(np.arange(4), 12), camera, seed=0)


def test_regions_sum_to_the_weighted_mean() -> None:
    """The build specification's f_s = sum(A F) / sum A, whatever it is split into."""
    generator = torch.Generator().manual_seed(0)
    maps = torch.rand(2, 5, 12, 12, generator=generator)
    weights = torch.rand(2, 1, 12, 12, generator=generator)
    split = weighted_mean(maps, weights).view(2, 5, -1).mean(2)
    assert torch.allclose(split, (maps * weights).sum((2, 3)) / weights.sum((2, 3)), atol=1e-6)
    assert torch.isfinite(weighted_mean(maps, torch.zeros_like(weights))).all()


def test_constant_attention_makes_subject_and_background_the_plain_mean() -> None:
    maps = torch.rand(3, 4, 6, 6, generator=torch.Generator().manual_seed(1))
    for share in (0.2, 0.5):
        weights = torch.full((3, 1, 6, 6), share)
        plain = weighted_mean(maps, torch.ones_like(weights))
        assert torch.allclose(weighted_mean(maps, weights), plain, atol=1e-6)


def test_edges_do_not_depend_on_ink_being_light_or_dark() -> None:
    images = torch.randint(0, 256, (3, 3, 24, 24), generator=torch.Generator().manual_seed(2))
    images = images.to(torch.uint8)
    positive, negative = (first_look(one)[:, :ORIENTATIONS] for one in (images, 255 - images))
    assert torch.allclose(positive, negative, atol=1e-5)
    assert not torch.allclose(
        first_look(images)[:, ORIENTATIONS:], first_look(255 - images)[:, ORIENTATIONS:]
    )


def test_edges_know_their_direction() -> None:
    upright = torch.zeros(1, 3, 24, 24, dtype=torch.uint8)
    upright[..., 12:] = 200
    first = first_look(upright)[0, :ORIENTATIONS].sum((1, 2))
    turned = first_look(upright.transpose(2, 3).contiguous())[0, :ORIENTATIONS].sum((1, 2))
    assert int(first.argmax()) != int(turned.argmax())
    assert torch.allclose(first.roll(ORIENTATIONS // 2), turned, atol=1e-4)


def test_embeddings_have_unit_length_and_do_not_depend_on_the_batch() -> None:
    network = LogoNetwork(SMALL)
    images = torch.randint(0, 256, (5, 3, 24, 24), generator=torch.Generator().manual_seed(3))
    images = images.to(torch.uint8)
    whole, parts = network.embed(images), network.embed(images, batch=2)
    assert torch.allclose(whole.norm(dim=1), torch.ones(5), atol=1e-6)
    assert torch.allclose(whole, parts, atol=1e-6)
    assert network.embed(images[:0]).shape == (0, 8)
    with pytest.raises(InputError, match="give uint8"):
        network.embed(images.float())
    with pytest.raises(InputError, match="multiple of 24"):
        LogoDesign(size=40)


def test_without_a_margin_the_loss_is_a_softmax_of_cosines_and_a_margin_adds() -> None:
    head = MarginSoftmax(6, 3, scale=8.0, margin=0.0)
    vectors = torch.randn(10, 6, generator=torch.Generator().manual_seed(4))
    labels = torch.arange(10) % 3
    cosines = F.cosine_similarity(vectors[:, None], head.weight[None], dim=2)
    plain = F.cross_entropy(8 * cosines, labels)
    assert torch.allclose(head(vectors, labels), plain, atol=1e-5)
    head.margin = 0.3
    expected = cosines - 0.3 * F.one_hot(labels, 3)
    assert torch.allclose(head(vectors, labels), F.cross_entropy(8 * expected, labels), atol=1e-5)
    assert head(vectors, labels) > plain


def test_the_reversed_gradient_is_minus_the_weighted_one() -> None:
    values = torch.tensor([1.0, 2.0], requires_grad=True)
    reverse_gradient(values, 0.25).square().sum().backward()  # type: ignore[no-untyped-call]
    assert values.grad is not None
    assert values.grad.tolist() == [-0.5, -1.0]


def test_erasing_hides_the_places_attended_to_most() -> None:
    attention = torch.arange(16.0).view(1, 1, 4, 4) / 16
    left, kept = erase_attended(torch.ones(1, 2, 4, 4), attention, 0.25)
    assert kept.sum() == 12
    assert left[0, :, 3].sum() == 0  # the last row holds the four largest
    assert left.sum() == 24


def test_min_max_pushes_the_attention_and_spares_the_maps(pictures: LogoPictures) -> None:
    """Only the attention feels the rival, with the opposite sign of the rival's own gain."""
    network = LogoNetwork(SMALL)
    labels = torch.from_numpy(pictures.brands)

    def gradients(adversary: str, progress: float) -> dict[str, torch.Tensor]:
        settings = LogoTraining(adversary=adversary)  # type: ignore[arg-type]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            loss = LogoLoss(network, 4, settings)
        network.zero_grad()
        network.eval()
        loss(network(pictures.images), labels, pictures.inner, progress).backward()
        found = {
            "rival": loss.rival.weight,
            "joint": network.joint.weight,
            "attention": dict(network.named_parameters())["attention.2.weight"],
        }
        return {key: one.grad.clone() for key, one in found.items() if one.grad is not None}

    plain, start, end = (
        gradients(*one) for one in (("none", 1.0), ("min-max", 0.0), ("min-max", 1.0))
    )
    assert torch.allclose(plain["joint"], end["joint"], atol=1e-6)
    assert "rival" not in plain
    assert end["rival"].abs().max() > 0  # the rival learns at full rate from the start
    assert torch.allclose(start["rival"], end["rival"], atol=1e-6)
    assert torch.allclose(plain["attention"], start["attention"], atol=1e-5)  # weight 0 at first
    assert not torch.allclose(plain["attention"], end["attention"], atol=1e-5)


def test_training_learns_and_attention_does_not_saturate(pictures: LogoPictures) -> None:
    for adversary in ("erasing", "min-max"):
        network = LogoNetwork(SMALL)
        settings = LogoTraining(steps=80, batch=16, adversary=adversary)
        losses = train_logos(network, pictures, settings, seed=0)
        assert np.mean(losses[-5:]) < 0.8 * np.mean(losses[:5])
        attention = network(pictures.images).attention.detach()
        assert 0.1 < float(attention.mean()) < 0.9
        assert float(attention.std()) > 0.02


def test_same_seed_same_weights(pictures: LogoPictures) -> None:
    settings = LogoTraining(steps=3, batch=8)
    first, second = LogoNetwork(SMALL, seed=1), LogoNetwork(SMALL, seed=1)
    for network in (first, second):
        train_logos(network, pictures, settings, seed=5)
    for one, other in zip(first.parameters(), second.parameters(), strict=True):
        assert torch.equal(one, other)


def test_the_plain_network_attends_to_nothing() -> None:
    network = LogoNetwork(LogoDesign(size=24, width=4, dimension=8, parts="whole"))
    seen = network(torch.zeros(2, 3, 24, 24, dtype=torch.uint8))
    assert torch.equal(seen.attention, torch.ones(2, 1, 6, 6))
    assert network.joint.in_features * 2 == LogoNetwork(SMALL).joint.in_features


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    for steps in (1, 2, 10, 300):
        optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], 1.0)
        schedule = warm_up_and_fall(optimizer, steps)
        rates = []
        for _ in range(steps):
            rates.append(schedule.get_last_lr()[0])
            optimizer.step()
            schedule.step()
        assert all(0 < rate <= 1 for rate in rates)
        assert rates[-1] == min(rates[len(rates) // 2 :])


def test_crops_of_one_brand_or_another_size_are_refused(pictures: LogoPictures) -> None:
    one = render_logos(np.zeros(3, np.int64), Camera(size=24, cells=6), seed=0)
    with pytest.raises(InputError, match="two or more"):
        train_logos(LogoNetwork(SMALL), one, LogoTraining(steps=1), seed=0)
    with pytest.raises(InputError, match="crops of 24 pixels"):
        train_logos(LogoNetwork(), pictures, LogoTraining(steps=1), seed=0)


def test_files_give_the_network_back_to_half_precision(tmp_path: Path) -> None:
    network = LogoNetwork(SMALL, seed=3)
    network.save(tmp_path, trained_on="nothing")
    again = LogoNetwork.load(tmp_path)
    images = torch.randint(0, 256, (4, 3, 24, 24), generator=torch.Generator().manual_seed(3))
    images = images.to(torch.uint8)
    assert torch.allclose(network.embed(images), again.embed(images), atol=5e-3)
    assert json.loads((tmp_path / "network.json").read_text())["trained_on"] == "nothing"


@pytest.mark.parametrize("damage", ["card", "weights", "missing", "other design"])
def test_files_that_do_not_fit_are_refused_in_one_line(tmp_path: Path, damage: str) -> None:
    LogoNetwork(SMALL).save(tmp_path)
    if damage == "card":
        (tmp_path / "network.json").write_text("[")
    elif damage == "weights":
        (tmp_path / "network.safetensors").write_bytes(b"nothing")
    elif damage == "missing":
        (tmp_path / "network.safetensors").unlink()
    else:
        card = {"design": {"size": 24, "width": 8}}
        (tmp_path / "network.json").write_text(json.dumps(card))
    with pytest.raises(InputError) as caught:
        LogoNetwork.load(tmp_path)
    assert "\n" not in str(caught.value)
