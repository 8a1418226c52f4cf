"""MFR's losses, sampling and meta-gradient, in double precision, and what judges it."""

from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from sterling.adapt import FunctionalModel
from sterling.errors import InputError
from sterling.face.recognition import (
    MFR,
    DomainAggregation,
    DomainSampling,
    FaceEncoder,
    GalleryProbe,
    Identities,
    PairCriterion,
    domain_alignment_loss,
    hard_pair_loss,
    procedural_domains,
    read_identity_folders,
    soft_classification_loss,
)
from sterling.measure import tar_at_far


def unit(rows: int, seed: int = 0, size: int = 5) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    return F.normalize(torch.randn(rows, size, generator=draw, dtype=torch.float64), dim=1)


@given(st.integers(0, 1000), st.floats(-0.9, 0.9))
def test_hard_pairs_are_those_beyond_the_threshold(seed: int, threshold: float) -> None:
    gallery, probe = unit(6, seed), unit(6, seed + 1)
    same, other = [], []
    for i in range(6):
        for j in range(6):
            cosine = float(gallery[i] @ probe[j])
            half = float((gallery[i] - probe[j]).square().sum()) / 2
            if i == j and cosine < threshold:
                same.append(half)
            if i != j and cosine > threshold:
                other.append(half)
    expected = (np.mean(same) if same else 0.0) - (np.mean(other) if other else 0.0)
    assert float(hard_pair_loss(gallery, probe, threshold)) == pytest.approx(expected, abs=1e-12)


def test_without_hard_pairs_nothing_is_lost_and_nothing_pulls() -> None:
    gallery = torch.eye(4, dtype=torch.float64).requires_grad_()
    loss = hard_pair_loss(gallery, torch.eye(4, dtype=torch.float64), 0.3)
    (gradient,) = torch.autograd.grad(loss, gallery)
    assert float(loss.detach()) == 0
    assert not bool(gradient.any())


def test_soft_classification_is_cross_entropy_against_the_mean_of_both() -> None:
    gallery, probe, total = unit(4), unit(4, 1), 0.0
    for side in (gallery, probe):
        for i in range(4):
            logits = []
            for j in range(4):
                mean = (gallery[j] + probe[j]) / 2
                logits.append(8 * float(side[i] @ mean / mean.norm()))
            total += float(np.log(np.exp(logits).sum()) - logits[i])
    assert float(soft_classification_loss(gallery, probe, 8.0)) == pytest.approx(total / 8)


@given(st.integers(0, 1000))
def test_alignment_is_nothing_for_equal_domains_and_blind_to_a_common_shift(seed: int) -> None:
    domains = [(unit(4, seed + 2 * i), unit(4, seed + 2 * i + 1)) for i in range(3)]
    shift = unit(1, seed + 99)
    moved = [(one + shift, other + shift) for one, other in domains]
    loss = domain_alignment_loss(domains, 2.0)
    torch.testing.assert_close(domain_alignment_loss(moved, 2.0), loss)
    assert float(domain_alignment_loss([domains[0]] * 3)) == pytest.approx(0, abs=1e-24)
    centres = np.stack([((one + other) / 2).mean(dim=0).numpy() for one, other in domains])
    apart = 4 * ((centres - centres.mean(axis=0)) ** 2).sum(axis=1).mean()
    assert float(loss) == pytest.approx(apart)


def domains(people: int = 8, pictures: int = 3, size: int = 16) -> list[Identities]:
    found = procedural_domains(people, pictures, size=size).values()
    return [Identities(one.domain, one.images.double(), one.person) for one in found]


SAMPLING = DomainSampling(domains(), people=4)


@given(st.integers(0, 10**6))
@settings(max_examples=30)
def test_every_domain_is_left_out_once_and_nobody_is_on_both_sides(batch: int) -> None:
    splits = [SAMPLING.split(4 * batch + held) for held in range(4)]
    assert {one.target.domain for one in splits} == {one.domain for one in SAMPLING.domains}
    for split in splits:
        assert split.target.domain not in {one.domain for one in split.sources}
        assert len(split.sources) == 3
        for pairs in (*split.sources, split.target):
            (domain,) = (one for one in SAMPLING.domains if one.domain == pairs.domain)
            person = domain.person[pairs.rows]
            assert (person[:, 0] == person[:, 1]).all()
            assert len(np.unique(person[:, 0])) == 4
            assert len(np.unique(pairs.rows)) == 8  # no picture twice
            assert torch.equal(pairs.gallery, domain.images[pairs.rows[:, 0]])
    assert torch.equal(splits[0].target.probe, SAMPLING.split(4 * batch).target.probe)


def encoder(seed: int = 0) -> FunctionalModel:
    return FunctionalModel(FaceEncoder(1, 16, width=4, dimension=6, seed=seed).double())


def gradient_of(loss: Tensor, model: FunctionalModel) -> dict[str, Tensor]:
    parameters = model.parameters()
    return dict(zip(parameters, torch.autograd.grad(loss, list(parameters.values())), strict=True))


def test_without_held_out_domains_it_is_domain_aggregation() -> None:
    """γ = 1 without alignment: over a meta-batch each domain counts as often as any other."""
    model, plain = encoder(), PairCriterion(alignment=0)
    meta = torch.stack(
        [MFR(model, 0.1, 1.0, plain).outer_loss(SAMPLING.split(held)) for held in range(4)]
    ).mean()
    aggregated = DomainAggregation(model, plain).outer_loss(SAMPLING.batch(0))
    found, expected = gradient_of(meta, model), gradient_of(aggregated, model)
    for name, one in found.items():
        torch.testing.assert_close(one, expected[name], atol=1e-12, rtol=1e-9)


def test_the_meta_gradient_is_that_of_finite_differences() -> None:
    """Along a random direction; ReLU and the choice of hard pairs have no kink so near."""
    model, split = encoder(), SAMPLING.split(1)
    learner = MFR(model, 0.05, 0.4)
    parameters = model.parameters()
    draw = torch.Generator().manual_seed(3)
    direction = {
        name: torch.randn(one.shape, generator=draw, dtype=torch.float64)
        for name, one in parameters.items()
    }
    found = gradient_of(learner.outer_loss(split), model)
    slope = sum(float((found[name] * way).sum()) for name, way in direction.items())

    def loss_at(step: float) -> float:
        with torch.no_grad():
            for name, one in parameters.items():
                one.add_(step * direction[name])
        value = float(learner.outer_loss(split).detach())
        with torch.no_grad():
            for name, one in parameters.items():
                one.sub_(step * direction[name])
        return value

    tiny = 1e-6
    assert (loss_at(tiny) - loss_at(-tiny)) / (2 * tiny) == pytest.approx(slope, rel=1e-5)
    without = gradient_of(MFR(model, 1e-12, 0.4).outer_loss(split), model)
    other = sum(float((without[name] * way).sum()) for name, way in direction.items())
    assert abs(other - slope) > 1e-3 * abs(slope)  # the inner step is seen


def test_an_embedding_depends_on_its_picture_alone() -> None:
    model = FaceEncoder(1, 16, width=4)
    images = procedural_domains(3, 2, size=16)["dark"].images
    torch.testing.assert_close(model(images)[:1], model(images[:1]), atol=1e-5, rtol=1e-5)


# Judging


def test_all_gallery_and_probe_pairs_are_compared() -> None:
    draw = np.random.default_rng(0)
    person = np.repeat(np.arange(7), 3)
    embeddings = draw.normal(size=(21, 4))
    compared = GalleryProbe.of(embeddings, person)
    genuine, impostor, wrong = [], [], 0
    unit_rows = embeddings / np.linalg.norm(embeddings, axis=1, keepdims=True)
    for probe in range(21):
        if probe % 3 == 0:
            continue
        cosines = [float(unit_rows[3 * one] @ unit_rows[probe]) for one in range(7)]
        wrong += int(np.argmax(cosines) != person[probe])
        genuine.append(cosines.pop(person[probe]))
        impostor += cosines
    assert compared.tar(0.2).tar == tar_at_far(genuine, impostor, 0.2).tar
    assert (compared.rank_1().errors, compared.rank_1().trials) == (wrong, 14)
    assert len(compared.accuracy(7).folds) == 7


def test_a_person_drawn_twice_counts_twice_and_never_as_two_people() -> None:
    similarity = np.array([[0.9, 0.1], [0.2, 0.8]])
    one = GalleryProbe(similarity, np.arange(2), np.arange(2), np.array([2, 1]))
    genuine, impostor = one.comparisons()
    assert sorted(genuine) == [0.8, 0.9, 0.9]
    assert sorted(impostor) == [0.1, 0.1, 0.2, 0.2]
    alone = GalleryProbe(similarity, np.arange(2), np.arange(2), np.array([2, 0]))
    assert [len(each) for each in alone.comparisons()] == [2, 0]


def test_the_interval_over_people_covers() -> None:
    """Mean genuine similarity with an effect of the person, over repetitions."""
    covered = 0
    for seed in range(100):
        draw = np.random.default_rng(seed)
        person = np.repeat(np.arange(25), 4)
        own = 0.5 + draw.normal(0, 0.2, 25)[person] + draw.normal(0, 0.1, 100)
        similarity = np.where(np.arange(25)[:, None] == person, own, -1.0)
        compared = GalleryProbe(similarity, np.arange(25), person, np.ones(25, int))
        found = compared.over_people(
            lambda one: float(one.comparisons()[0].mean()), seed=seed, repetitions=100
        )
        covered += found.interval.contains(0.5)
    # At a true coverage of 0.92 (the percentile interval's for 25 people) fewer: 1 in 10^4.
    assert covered >= 81


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        (lambda: Identities("x", torch.zeros(3, 1, 16, 16), np.array([0, 0, 1])), "person 1"),
        (lambda: Identities("x", torch.zeros(3, 1, 16, 16), np.array([0, 0])), "3 pictures of 2"),
        (lambda: domains(4)[0].divide(0.9, 0), "fewer than two on one side"),
        (lambda: DomainSampling(domains()[:1], 4), "1 domains"),
        (lambda: MFR(encoder(), balance=0.0), "balance"),
        (lambda: FaceEncoder(size=20), "size 20"),
        (lambda: procedural_domains(0, 2), "identities 0"),
    ],
)
def test_bad_input_is_named(wrong: object, named: str) -> None:
    assert callable(wrong)
    with pytest.raises(InputError, match=named):
        wrong()


def test_real_faces_are_found_aligned_and_divided(shared_data: Path, tmp_path: Path) -> None:
    for domain, people in (("orl_att", 4), ("yale", 4), ("lfw_grey", 0)):
        source = shared_data / "faces" / domain
        if not people:
            chosen = [one for one in sorted(source.iterdir()) if one.is_dir()]
            chosen = [one for one in chosen if len(list(one.iterdir())) > 1][:5]
        else:
            chosen = sorted(one for one in source.iterdir() if one.is_dir())[:people]
        for person in chosen:
            (tmp_path / domain).mkdir(exist_ok=True)
            (tmp_path / domain / person.name).symlink_to(person)
    read, missed = read_identity_folders(tmp_path, size=32, pictures=2)
    assert {one.domain for one in read} == {"orl_att", "yale", "lfw_grey"}
    assert missed <= 3
    for one in read:
        assert len(one.people) >= 4
        assert tuple(one.images.shape[1:]) == (1, 32, 32)
        assert float(one.images.abs().max()) <= 1
    with pytest.raises(InputError, match="two to learn from"):
        read_identity_folders(tmp_path, ("yale",))
    with pytest.raises(InputError, match="no such folder"):
        read_identity_folders(tmp_path, ("yale", "orl_att", "nobody"))
