"""AIM-FAS (Qin et al., AAAI 2020): learn where to start and how fast and how long to adapt.

The inner update θ_{j+1} = θ_j - α γ^j ∇L(θ_j) has two learned scalars. Inner gradients are taken
for constants; α, γ and the start learn from the query losses after the second and the last step.
"""

import torch
from torch import Tensor, nn

from sterling.adapt import (
    BatchStatistics,
    FunctionalModel,
    GradientLearner,
    LearnedRates,
    Task,
    with_batch_statistics,
)
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.networks.depth_net import DepthNet
from sterling.face.pad.training.losses import DepthLoss

FIRST_RATE = (0.8e-3, 1.25e-3)  # the release's range of α at first


class DepthMaps(nn.Module):
    """Depth maps of pictures by a `DepthNet` of batch statistics.

    A batch is normalised by itself, in training and in test, as released: what a picture scores
    depends on those judged with it. Scale and shift of the normalisation stay 1 and 0, as released.
    (The release normalises after each ReLU, `DepthNet` before.)

    Args:
        width: Channels of the stem; 16 in the release.
        seed: Seed of the initial weights.
    """

    def __init__(self, width: int = 16, *, seed: int = 0) -> None:
        super().__init__()
        self.network = with_batch_statistics(DepthNet(width, seed=seed))
        for part in self.network.modules():
            if isinstance(part, BatchStatistics):
                part.weight = part.bias = None

    def forward(self, images: Tensor) -> Tensor:
        """Maps (N, S/8, S/8), 0 or more, of uint8 (N, 3, S, S)."""
        maps: Tensor = self.network(normalise(images)).maps
        return maps


def adaptive_inner_update(
    model: FunctionalModel,
    *,
    rate: float | None = None,
    steps: int = 3,
    test_steps: int = 20,
    cdl_weight: float = 1.0,
    learned: bool = True,
    seed: int = 0,
) -> GradientLearner:
    """The learner, for tasks of `TypeTasks`.

    Args:
        model: Network from pictures to depth maps, such as `DepthMaps`.
        rate: α at first; None draws it from the release's range.
        steps: Inner steps of training, u.
        test_steps: Inner steps of test.
        cdl_weight: Weight of the contrastive depth loss beside the squared error.
        learned: Whether α and γ are learned; False is first-order MAML at a fixed rate.
        seed: Seed of the initial α.
    """
    low, high = FIRST_RATE
    draw = torch.rand((), generator=torch.Generator().manual_seed(seed % 2**63))
    first = low + (high - low) * float(draw) if rate is None else rate
    return GradientLearner(
        model,
        LearnedRates(model, "model", first, decay=True) if learned else first,
        steps,
        test_steps,
        order="first",
        outer={2: 1.0, -1: 1.0} if steps > 2 else {-1: 1.0},
        criterion=DepthLoss(cdl_weight),
    )


def liveness_after(learner: GradientLearner, task: Task, steps: int) -> tuple[Tensor, Tensor]:
    """Liveness of a task's support and queries after adapting on the support.

    Args:
        learner: Learner that adapts.
        task: Its pictures, uint8, and label maps; each of both is judged as one batch.
        steps: Inner steps, 0 or more.

    Returns:
        Mean of the maps, (support,) and (queries,); higher is more alive.
    """
    adapted = learner.adapted(task, steps, "first").after()
    with torch.no_grad():
        support, queries = (
            adapted(images).flatten(1).mean(dim=1) for images in (task.support, task.query)
        )
    return support, queries
