"""Choice on validation tasks, and over-fitting to the number of shots."""

from collections.abc import Mapping

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from torch import Tensor, nn

from sterling.adapt import (
    Judged,
    ProtoNet,
    Task,
    cet_loss,
    cet_proxy,
    fit_chosen,
    judge_tasks,
    tof_gap,
)
from sterling.errors import InputError


class Scripted:
    """Its only weight goes down by 1 an iteration; two steps of adaptation, of which one is best.

    Validation accuracy is highest after 6 iterations and one step.
    """

    def __init__(self) -> None:
        self.module = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.module.weight)

    def parts(self) -> Mapping[str, nn.Module]:
        return {"model": self.module}

    def outer_loss(self, task: Task) -> Tensor:
        return self.module.weight.sum() + 0 * task.support.sum()

    def predict(self, task: Task) -> Tensor:
        return self.logits_by_step(task)[-1]

    def logits_by_step(self, task: Task) -> Tensor:
        away = abs(float(self.module.weight.detach()) + 6)
        right = torch.tensor([2.0, 9.0, 4.0]) - away
        certain = torch.where(
            torch.arange(10) < right[:, None], 1.0, -1.0
        )  # of ten queries, so many are right
        return torch.stack([certain, -certain], dim=2) * (1 - 2 * task.query_labels)[:, None]


def scripted_task(_number: int) -> Task:
    labels = torch.tensor([0, 1] * 5)
    return Task(torch.zeros(2, 1), torch.arange(2), torch.zeros(10, 1), labels, (0, 1))


def test_the_best_checkpoint_and_step_of_validation_are_kept() -> None:
    learner = Scripted()
    chosen = fit_chosen(
        learner,
        scripted_task,
        scripted_task,
        iterations=12,
        checks=4,
        numbers=range(3),
        tasks=1,
        optimizer=lambda own: torch.optim.SGD(own, 1.0),
    )
    assert (chosen.iteration, chosen.step) == (6, 1)
    assert chosen.accuracy == pytest.approx(0.9)
    assert float(learner.module.weight.detach()) == -6
    judged = judge_tasks(learner, scripted_task, range(2))
    np.testing.assert_allclose(judged.accuracy, [[0.2, 0.9, 0.4]] * 2)
    right, wrong = np.log1p(np.exp(-2.0)), np.log1p(np.exp(2.0))
    np.testing.assert_allclose(judged.cross_entropy[0, 1], 0.9 * right + 0.1 * wrong, rtol=1e-6)


def test_a_learner_without_steps_has_one_column() -> None:
    task = Task(
        torch.tensor([[0.0], [1.0]]),
        torch.arange(2),
        torch.tensor([[0.1], [0.6]]),
        torch.tensor([0, 0]),
        (0, 1),
    )
    judged = judge_tasks(ProtoNet(nn.Identity()), lambda _: task, range(1))
    assert isinstance(judged, Judged)
    assert judged.accuracy.tolist() == [[0.5]]


@pytest.mark.parametrize(("checks", "tasks"), [(0, 1), (3, 1), (1, 0)])
def test_choices_that_cannot_be_made_are_refused(checks: int, tasks: int) -> None:
    with pytest.raises(InputError, match="tasks to choose by"):
        fit_chosen(
            Scripted(),
            scripted_task,
            scripted_task,
            iterations=2,
            checks=checks,
            numbers=range(tasks),
        )


SQUARE = hnp.arrays(np.float64, (3, 4), elements=st.floats(0.01, 1))


@given(SQUARE)
def test_gaps_of_any_matrix(accuracy: np.ndarray) -> None:
    gap = tof_gap(accuracy)
    assert (gap >= 0).all()
    best = accuracy.max(axis=0)
    np.testing.assert_allclose(tof_gap(np.vstack([accuracy, best]))[-1], 0, atol=1e-12)
    # The rows' order by gap is that by mean accuracy; and the proxy is 0 only without an error.
    np.testing.assert_allclose(gap + accuracy.mean(axis=1), best.mean(), atol=1e-12)
    assert (cet_proxy(accuracy) >= 0).all()
    assert cet_proxy(np.ones((2, 2))).tolist() == [0, 0]
    # Jensen: the mean logarithm lies below the logarithm of the mean.
    assert (cet_proxy(accuracy) >= -np.log(accuracy.mean(axis=1)) - 1e-12).all()


def test_quantities_by_hand() -> None:
    np.testing.assert_allclose(tof_gap([[0.8, 0.6], [0.7, 0.9]]), [0.15, 0.05])
    np.testing.assert_allclose(cet_proxy([[0.5, 0.25]]), [1.5 * np.log(2)])
    np.testing.assert_allclose(cet_loss([[0.5, 1.5], [2.0, 0.0]]), [1.0, 1.0])


def test_what_is_no_matrix_of_accuracies_is_refused() -> None:
    with pytest.raises(InputError, match="from 0 to 1"):
        tof_gap([[80.0, 60.0]])
    with pytest.raises(InputError, match="rows"):
        cet_loss([1.0, 2.0])
    with pytest.raises(InputError, match="infinite"):
        cet_proxy([[0.0, 1.0]])
