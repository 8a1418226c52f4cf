"""MetaAdvDet (ACM MM 2019): learn a start from which few pictures show a new attack.

For each task the master network is copied, the copy descends on the support, and the master
learns from the copies' query gradients, taken for constants in the inner steps: MAML of first
order (`sterling.adapt.fomaml`). Nothing of a copy survives its task.
"""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor, nn

from sterling.adapt import GradientLearner, Task
from sterling.adapt.normalisation import inside_transform
from sterling.errors import InputError
from sterling.image.adversarial_tasks import ATTACKED, CLEAN, AttackedImages


class LastBatchStatistics(nn.Module):
    """Batch normalisation with a momentum of 1: in evaluation, by the last batch of training.

    After few-shot adaptation that is the support, so that queries are scored one by one.

    Args:
        channels: Number of channels C of inputs (N, C, H, W).
        epsilon: Number added to the variance.
    """

    def __init__(self, channels: int, epsilon: float = 1e-5) -> None:
        super().__init__()
        self.epsilon = epsilon
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.last: tuple[Tensor, Tensor] | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same shape."""
        if not self.training and self.last is not None:
            mean, variance = self.last
        else:
            variance, mean = torch.var_mean(x, (0, 2, 3), correction=0, keepdim=True)
            if self.training and not inside_transform():
                self.last = (mean.detach(), variance.detach())
        scale = self.weight.view(1, -1, 1, 1) * (variance + self.epsilon).rsqrt()
        return (x - mean) * scale + self.bias.view(1, -1, 1, 1)


def adversarial_detector(channels: int, size: int, width: int = 64, seed: int = 0) -> nn.Sequential:
    """Return the paper's Conv-3: three 3 × 3 convolutions, each halved, and two logits.

    Weights as its code draws them: N(0, √(2 / (9 · width))), the head N(0, 0.01) with a bias of 1.

    Args:
        channels: Channels of the pictures.
        size: Side of the pictures, 22 pixels or more.
        width: Channels of each convolution.
        seed: Seed of the weights.

    Raises:
        InputError: The pictures are too small.
    """
    side = size
    for _ in range(3):
        side = (side - 2) // 2
    if side < 1:
        raise InputError(f"size {size}: give 22 pixels or more")
    draw = torch.Generator().manual_seed(seed)
    network = nn.Sequential()
    for block in range(3):
        convolution = nn.Conv2d(width if block else channels, width, 3)
        nn.init.normal_(convolution.weight, std=math.sqrt(2 / (9 * width)), generator=draw)
        nn.init.zeros_(convolution.bias)  # type: ignore[arg-type]
        network.append(
            nn.Sequential(convolution, LastBatchStatistics(width), nn.ReLU(), nn.MaxPool2d(2))
        )
    head = nn.Linear(width * side**2, 2)
    nn.init.normal_(head.weight, std=0.01, generator=draw)
    nn.init.ones_(head.bias)
    return network.extend([nn.Flatten(), head])


def detect(learner: GradientLearner, task: Task) -> NDArray[np.float64]:
    """Adapt a copy to the support and score the queries one by one.

    Returns:
        Probability that each query is clean (queries,).
    """
    network = learner.model.module.train()
    adapted = learner.adapted(task, learner.test_steps, "first").after()
    with torch.no_grad(), _evaluating(network):
        found: NDArray[np.float64] = adapted(task.query).softmax(1)[:, CLEAN].double().cpu().numpy()
    return found


@contextmanager
def _evaluating(network: nn.Module) -> Iterator[None]:
    network.eval()
    try:
        yield
    finally:
        network.train()


@dataclass(frozen=True)
class Judged:
    """Figures of one task, or their means over several; in [0, 1], 1 is best.

    Attributes:
        f1: F1 with clean the positive class, as the paper's code has it.
        f1_attacked: F1 with attacked the positive class.
        auroc: Chance that a clean query seems cleaner than an attacked one.
    """

    f1: float
    f1_attacked: float
    auroc: float


def judge(clean: NDArray[np.float64], labels: NDArray[np.int64]) -> Judged:
    """Return the figures of a task, at a threshold of ½.

    Args:
        clean: Probability of being clean (N,).
        labels: Labels (N,), 1 for clean and 0 for attacked, both present.
    """
    called = (clean > 0.5).astype(int)
    good, bad = clean[labels == CLEAN], clean[labels == ATTACKED]
    above = (good[:, None] > bad).mean() + (good[:, None] == bad).mean() / 2
    return Judged(_f1(called, labels, CLEAN), _f1(called, labels, ATTACKED), float(above))


def _f1(called: NDArray[np.int_], labels: NDArray[np.int64], positive: int) -> float:
    """Return the harmonic mean of precision and recall; 0 where nothing is called positive."""
    hits = int(((called == positive) & (labels == positive)).sum())
    return 2 * hits / (int((called == positive).sum()) + int((labels == positive).sum()))


class JointModel(nn.Module):
    """Classifier and detector as seen by an attacker who knows both.

    To n logits Z it adds 2 p max Z, with p the detector's probability of an attack: with max Z
    above 0 the added one wins where p > ½. Z are shifted to be above 0, which changes no answer.

    Args:
        classifier: Maps pictures to n logits.
        detector: Maps pictures to two logits, attacked and clean; used in evaluation mode.
    """

    def __init__(self, classifier: nn.Module, detector: nn.Module) -> None:
        super().__init__()
        self.classifier, self.detector = classifier, detector

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to (N, n + 1)."""
        logits = self.classifier(x)
        logits = logits - logits.amin(dim=1, keepdim=True).detach() + 1
        attacked = self.detector(x).softmax(dim=1)[:, ATTACKED]
        return torch.cat([logits, (2 * attacked * logits.amax(dim=1))[:, None]], dim=1)


def train_pooled(
    network: nn.Module, data: AttackedImages, *, steps: int, batch_size: int, rate: float, seed: int
) -> nn.Module:
    """Train the baseline "DNN (balanced)": one detector of all known attacks, half clean pictures.

    Args:
        network: Network, trained in place by Adam.
        data: Known attacks.
        steps: Number of steps.
        batch_size: Pictures per step, half of them clean.
        rate: Learning rate of Adam.
        seed: Seed of the batches.
    """
    attacked = torch.cat(list(data.attacked.values()))
    draw = torch.Generator().manual_seed(seed)
    optimizer = torch.optim.Adam(network.parameters(), rate)
    half = batch_size // 2
    labels = torch.tensor([ATTACKED, CLEAN], device=attacked.device).repeat_interleave(half)
    for _ in range(steps):
        bad, good = (
            torch.randint(len(pool), (half,), generator=draw) for pool in (attacked, data.clean)
        )
        logits = network(torch.cat([attacked[bad], data.clean[good]]))
        optimizer.zero_grad()
        torch.autograd.backward(F.cross_entropy(logits, labels))
        optimizer.step()
    return network


def high_frequency(images: Tensor) -> Tensor:
    """Return three numbers of each picture that need no learning, (N, 3).

    The mean, the log of the energy above half of Nyquist's frequency, and the mean distance from
    the picture smoothed over 3 × 3 pixels, which feature squeezing (Xu et al., NDSS 2018) looks at.
    The choice is ours.
    """
    spectrum = torch.fft.fft2(images - images.mean((2, 3), keepdim=True)).abs().square()
    across, along = (
        torch.fft.fftfreq(side, device=images.device).abs() for side in images.shape[2:]
    )
    high = torch.maximum(across[:, None], along[None, :]) > 0.25
    smooth = F.avg_pool2d(F.pad(images, (1, 1, 1, 1), mode="replicate"), 3, 1)
    features = [
        images.mean((1, 2, 3)),
        (spectrum * high).mean((1, 2, 3)).add(1e-6).log(),
        (images - smooth).abs().mean((1, 2, 3)),
    ]
    return torch.stack(features, dim=1)


def nearest_centroid(
    features: Callable[[Tensor], Tensor], scale: Tensor, task: Task
) -> NDArray[np.float64]:
    """Score queries by the nearer of the two means of the support.

    Args:
        features: Maps pictures (N, C, H, W) to features (N, D).
        scale: Divisor of each feature, (D,).
        task: Task with a support of both kinds.

    Returns:
        A score in [0, 1] of being clean, ½ half way between the means.
    """
    support, query = (features(part) / scale for part in (task.support, task.query))
    distances = [
        (query - support[task.support_labels == label].mean(dim=0)).square().sum(dim=1)
        for label in (ATTACKED, CLEAN)
    ]
    found: NDArray[np.float64] = torch.sigmoid(distances[0] - distances[1]).double().cpu().numpy()
    return found
