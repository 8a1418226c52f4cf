"""How wrong a task's queries are judged, by who may know the threshold."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from sterling.adapt import GradientLearner, Task
from sterling.face.pad.baselines.thumbnails import score_thumbnails
from sterling.face.pad.few_shot.aim_fas import liveness_after
from sterling.measure import Scores, auc, eer, evaluate, threshold_at_eer

FIGURES = ("ACER", "EER", "AUC")


def task_errors(support: NDArray[np.float64], queries: NDArray[np.float64]) -> dict[str, float]:
    """Error figures of a task from liveness scores, whose first halves are living faces.

    Args:
        support: Scores (M,), higher is more alive.
        queries: Scores (N,).

    Returns:
        ``"ACER"`` at the threshold of equal errors on the support, which is what a user has;
        ``"EER"`` of the queries at their own threshold, which nobody has: optimistic, and what the
        release of AIM-FAS reports; ``"AUC"`` of the queries.
    """
    chosen_on, judged = (
        Scores(
            values,
            np.arange(len(values)) < len(values) // 2,
            item=[f"{kind} {row}" for row in range(len(values))],
        )
        for kind, values in (("support", support), ("query", queries))
    )
    threshold = threshold_at_eer(chosen_on, source="support")
    return {
        "ACER": evaluate(judged, threshold).acer,
        "EER": eer(judged).value,
        "AUC": auc(judged).value,
    }


def errors_after(learner: GradientLearner, task: Task, steps: int) -> dict[str, float]:
    """`task_errors` of a learner after so many inner steps on the support."""
    support, queries = liveness_after(learner, task, steps)
    return task_errors(support.double().cpu().numpy(), queries.double().cpu().numpy())


def errors_of_thumbnails(task: Task) -> dict[str, float]:
    """`task_errors` of logistic regression on the support's 8×8 thumbnails."""
    live = np.arange(len(task.support)) < len(task.support) // 2
    both = torch.cat([task.support, task.query])
    scores = score_thumbnails(task.support, live, both)
    return task_errors(scores[: len(live)], scores[len(live) :])


def mean_errors(each: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Mean of every figure over tasks."""
    return {figure: float(np.mean([one[figure] for one in each])) for figure in FIGURES}
