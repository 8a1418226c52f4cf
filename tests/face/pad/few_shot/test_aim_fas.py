"""The adaptive inner update against closed forms, its tasks, and the lists it is released with."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.draws import pixels, seeded
from torch import Tensor, nn

from sterling.adapt import (
    FunctionalModel,
    GradientLearner,
    LearnedRates,
    Task,
    fit_meta,
    inner_loop,
)
from sterling.errors import InputError
from sterling.face.data import Manifest, read_type_lists
from sterling.face.pad.few_shot.aim_fas import (
    FIRST_RATE,
    DepthMaps,
    adaptive_inner_update,
    liveness_after,
)
from sterling.face.pad.few_shot.attack_type_tasks import FaceTypes, TypeTasks, task_errors, types_of


class Point(nn.Module):
    """½ ‖θ - a‖² is its loss."""

    def __init__(self) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64))

    def forward(self, a: Tensor) -> Tensor:
        loss: Tensor = (self.theta - a).square().sum() / 2
        return loss


A = torch.tensor([0.3, 0.4, -1.0], dtype=torch.float64)


def updated(alpha: float, gamma: float, steps: int) -> tuple[FunctionalModel, LearnedRates, Tensor]:
    model = FunctionalModel(Point())
    rates = LearnedRates(model, "model", alpha, decay=True).double()
    assert rates.decay is not None
    with torch.no_grad():
        rates.decay.fill_(gamma)
    path = inner_loop(model, lambda forward: forward(A), rates, steps, order="first")
    return model, rates, path.states[-1]["theta"]


@given(st.floats(0.01, 0.5), st.floats(0.0, 1.3), st.integers(0, 6))
def test_the_update_has_the_closed_form_of_a_quadratic(
    alpha: float, gamma: float, steps: int
) -> None:
    """θ_u - a = (θ_0 - a) Π_j (1 - α γ^j); γ = 1 is plain descent, γ = 0 its first step alone."""
    model, _, end = updated(alpha, gamma, steps)
    share = float(np.prod([1 - alpha * gamma**j for j in range(steps)]))
    start = model.parameters()["theta"].detach()
    torch.testing.assert_close(end.detach(), A + (start - A) * share, atol=1e-12, rtol=0)
    if steps:
        _, _, first = updated(alpha, 0.0, steps)
        torch.testing.assert_close(first.detach(), A + (start - A) * (1 - alpha))


def test_alpha_gamma_and_start_have_the_gradients_of_the_detached_update() -> None:
    """∂/∂α = -Σ γ^j ⟨v, g_j⟩, ∂/∂γ = -Σ j α γ^{j-1} ⟨v, g_j⟩, ∂/∂θ_0 = v, of v = ∇L_q(θ_u)."""
    alpha, gamma, steps, b = 0.2, 0.9, 4, A.flip(0)
    model, rates, end = updated(alpha, gamma, steps)
    query = (end - b).square().sum() / 2
    values, decay = rates.values["all"], rates.decay
    assert decay is not None
    found = torch.autograd.grad(query, [values, decay, model.parameters()["theta"]])
    v, theta = (end - b).detach(), model.parameters()["theta"].detach()
    by_alpha = by_gamma = 0.0
    for j in range(steps):
        g = theta - A
        by_alpha -= gamma**j * float(v @ g)
        by_gamma -= j * alpha * gamma ** (j - 1) * float(v @ g)
        theta = theta - alpha * gamma**j * g
    assert float(found[0]) == pytest.approx(by_alpha)
    assert float(found[1]) == pytest.approx(by_gamma)
    torch.testing.assert_close(found[2], v)


def test_with_gamma_of_one_it_is_first_order_maml() -> None:
    draw = seeded()
    images = torch.randint(0, 256, (4, 3, 32, 32), generator=draw, dtype=torch.uint8)
    maps = torch.rand(4, 4, 4, generator=draw)
    task = Task(images, maps, images.flip(0), maps.flip(0), (1, 0))
    model = FunctionalModel(DepthMaps(2))
    ends = [
        adaptive_inner_update(model, rate=0.05, learned=learned).adapted(task, 3).states[-1]
        for learned in (True, False)
    ]
    for name, value in ends[0].items():
        torch.testing.assert_close(value, ends[1][name], atol=1e-7, rtol=1e-6)
    learner = adaptive_inner_update(model, seed=3)
    assert isinstance(learner.rates, LearnedRates)
    assert FIRST_RATE[0] <= learner.rates.table()["all"][0] <= FIRST_RATE[1]
    assert learner.outer == {2: 1.0, -1: 1.0}
    path = learner.adapted(task, 3)
    after = [learner.criterion(path.after(step)(task.query), task.query_labels) for step in (2, 3)]
    torch.testing.assert_close(learner.outer_loss(task), after[0] + after[1])


def test_gamma_falls_where_late_steps_fit_noise() -> None:
    """Three examples whose labels are noisy, five numbers to fit: going on is over-fitting."""

    def draw(number: int) -> Task:
        rng = seeded(number)
        weight = torch.randn(5, generator=rng)
        x, other = torch.randn(3, 5, generator=rng), torch.randn(20, 5, generator=rng)
        noisy = x @ weight + 2 * torch.randn(3, generator=rng)
        return Task(x, noisy[:, None], other, (other @ weight)[:, None], ())

    model = FunctionalModel(nn.Linear(5, 1, bias=False))
    with torch.no_grad():
        model.module.get_parameter("weight").zero_()
    rates = LearnedRates(model, "model", 0.15, decay=True)
    learner = GradientLearner(
        model, rates, steps=5, order="first", criterion=nn.functional.mse_loss
    )
    fit_meta(
        learner,
        draw,
        iterations=150,
        tasks=4,
        optimizer=lambda _own: torch.optim.Adam([p for p in (rates.decay,) if p is not None], 0.01),
    )
    assert rates.decay is not None
    assert float(rates.decay.detach()) < 0.9


# Tasks


def types(per_type: int, names: str, seed: int = 0) -> FaceTypes:
    """Living types of capital letters, spoofing ones of small letters; pictures hold their row."""
    labels = np.repeat([*names.upper(), *names], per_type)
    live = np.char.isupper(labels)
    columns = {
        "item": [f"{seed}-{row}" for row in range(len(labels))],
        "label": np.where(live, "bona_fide", "attack"),
        "species": np.where(live, "bona_fide", labels),
        "illumination": np.where(live, labels, "x"),
    }
    images = torch.arange(len(labels), dtype=torch.uint8)[:, None, None, None]
    maps = torch.from_numpy(live).float()[:, None, None]
    return types_of(Manifest.from_columns(columns), images, maps, "illumination", "species")


OLD, NEW = types(12, "abc"), types(12, "de", seed=1)


@given(st.integers(0, 10**6), st.sampled_from([0, 1, 3]))
@settings(max_examples=40)
def test_a_task_adapts_on_old_types_and_so_many_new_ones(number: int, shots: int) -> None:
    tasks = TypeTasks(OLD, OLD, faces=4, queries=5, shots=(0, 1, 3))
    pair, task = tasks.pair(number), tasks.with_shots(number, shots)
    assert pair.old_living != pair.living
    assert pair.old_spoofing != pair.spoofing
    support, query = (task_rows(one) for one in (task.support, task.query))
    assert len(support) == 8
    assert not set(support) & set(query)
    for start, old, new in (
        (0, OLD.living[pair.old_living], OLD.living[pair.living]),
        (4, OLD.spoofing[pair.old_spoofing], OLD.spoofing[pair.spoofing]),
    ):
        assert set(support[start : start + 4 - shots]) <= set(old.tolist())
        assert set(support[start + 4 - shots : start + 4]) <= set(new.tolist())
    assert set(query[:5]) <= set(OLD.living[pair.living].tolist())
    assert set(query[5:]) <= set(OLD.spoofing[pair.spoofing].tolist())
    assert task.support_labels.flatten().tolist() == [1.0] * 4 + [0.0] * 4
    assert task_rows(tasks.with_shots(number, 0).query) == query  # whatever the shots


def task_rows(images: Tensor) -> list[int]:
    return [int(row) for row in images.flatten().tolist()]


def test_zero_shots_show_nothing_of_the_query_types_and_few_shots_are_nested() -> None:
    tasks = TypeTasks(OLD, NEW, faces=4, queries=5, shots=(0, 1, 3))
    for number in range(20):
        pair = tasks.pair(number)
        assert {pair.old_living, pair.old_spoofing} <= {*"ABC", *"abc"}
        assert {pair.living, pair.spoofing} <= {*"DE", *"de"}
        one, three = (task_rows(tasks.with_shots(number, k).support) for k in (1, 3))
        assert one[3] in three[1:4]
        assert one[:1] == three[:1]
    drawn = {task_rows(tasks.draw(number).support)[0] for number in range(30)}
    assert len(drawn) > 5


def test_types_with_too_few_faces_take_no_part_and_are_named() -> None:
    small = FaceTypes(OLD.images, OLD.maps, {**OLD.living, "few": np.arange(3)}, OLD.spoofing)
    tasks = TypeTasks(small, small, faces=4, queries=5, shots=(0, 1))
    assert tasks.left_out == ("few",)
    assert all("few" not in vars(tasks.pair(number)).values() for number in range(50))
    with pytest.raises(InputError, match="0 living types have the 20 faces"):
        TypeTasks(OLD, NEW, faces=20)
    with pytest.raises(InputError, match="shots from 0"):
        TypeTasks(OLD, NEW, faces=4, shots=(5,))


def test_liveness_is_the_mean_map_after_adaptation() -> None:
    images = pixels(4, 3, 32, 32, seed=1)
    maps = torch.tensor([1.0, 1.0, 0.0, 0.0])[:, None, None].expand(4, 4, 4)
    task = Task(images, maps, images[:2], maps[:2], (1, 0))
    learner = adaptive_inner_update(FunctionalModel(DepthMaps(2)), rate=0.1)
    support, queries = liveness_after(learner, task, 0)
    torch.testing.assert_close(support, learner.model.module(images).flatten(1).mean(1).detach())
    assert queries.shape == (2,)
    adapted, _ = liveness_after(learner, task, 10)
    assert not adapted.requires_grad
    assert float(adapted[:2].mean() - adapted[2:].mean()) > float(
        support[:2].mean() - support[2:].mean()
    )


def test_the_supports_threshold_is_used_and_the_queries_own_is_the_optimistic_one() -> None:
    support = np.array([0.9, 0.8, 0.2, 0.1])
    moved = np.array([0.4, 0.3, 0.02, 0.01])  # told apart, on another level
    assert task_errors(support, moved) == {"ACER": 0.5, "EER": 0.0, "AUC": 1.0}
    assert task_errors(support, support) == {"ACER": 0.0, "EER": 0.0, "AUC": 1.0}


# Lists


def write_lists(folder: Path) -> None:
    for split, names in (("train", ("1_1_1", "1_1_2")), ("test", ("2_1_1", "2_1_3"))):
        (folder / "OULU_ZF" / split).mkdir(parents=True)
        for name in names:
            lines = [f"{split}/{name}_{row}.jpg" for row in range(5)]
            (folder / split).mkdir(exist_ok=True)
            for line in lines:
                (folder / line).write_bytes(b"")
            (folder / "OULU_ZF" / split / f"{name}.txt").write_text("\n".join(lines) + "\n")


def test_released_lists_become_types(tmp_path: Path) -> None:
    write_lists(tmp_path)
    read = read_type_lists(tmp_path, pictures=3)
    assert list(read) == ["train", "test"]
    test = read["test"]
    assert test.bona_fide.tolist() == [True] * 3 + [False] * 3
    assert set(test.column("species")) == {"bona_fide", "2_1_3"}
    assert [Path(one).name for one in test.column("path")[:3]] == [
        *("2_1_1_0.jpg", "2_1_1_2.jpg", "2_1_1_4.jpg")
    ]
    (tmp_path / "test" / "2_1_3_4.jpg").unlink()
    with pytest.raises(InputError, match=r"2_1_3\.txt: names test/2_1_3_4\.jpg"):
        read_type_lists(tmp_path)
    (tmp_path / "OULU_ZF" / "train" / "1_1_1.txt").write_text("\n")
    with pytest.raises(InputError, match="names no picture"):
        read_type_lists(tmp_path)
    with pytest.raises(InputError, match="0 sets of type lists"):
        read_type_lists(tmp_path / "test")
    with pytest.raises(InputError, match="no such folder"):
        read_type_lists(tmp_path / "nowhere")


def test_normalisation_is_fixed_and_decay_is_on_convolutions_alone() -> None:
    """As released: scale 1 and shift 0 throughout, α and γ without decay."""
    from sterling.studies.face.aim_fas._tasks import _adam

    learner = adaptive_inner_update(FunctionalModel(DepthMaps(4)))
    assert isinstance(learner.rates, LearnedRates)
    network = DepthMaps(4)
    assert {one.ndim for one in network.parameters()} <= {1, 4}
    assert not any(".weight" in name and one.ndim == 1 for name, one in network.named_parameters())
    parameters = [one for part in learner.parts().values() for one in part.parameters()]
    decayed, free = _adam(1e-4, parameters).param_groups
    assert decayed["weight_decay"] == 2e-5
    assert free["weight_decay"] == 0
    assert {one.ndim for one in decayed["params"]} == {4}
    learned = {id(one) for one in learner.rates.parameters()}
    assert learned
    assert learned <= {id(one) for one in free["params"]}
