"""Deletion requests that make a model over- or under-confident and keep its labels.

Qian et al., arXiv 2508.07458: over- and under-confidence by malicious unlearning requests, with a
regularised attack loss in a bilevel problem. The equations here are ours, in the form of earlier
work on malicious unlearning: the published ones could not be established. With w the relaxed choice
of records to delete, s = −1 for over- and +1 for under-confidence, the adversary minimises

    Σ_targets [ s · g(x) + λ₁ max(0, κ − m(x)) ] + λ₂ Σ_reference KL(f(x; θ) ‖ f(x; θ(w)))

    g(x) = z_ŷ − log Σ_{j≠ŷ} exp z_j,    m(x) = z_ŷ − max_{j≠ŷ} z_j,

over 0 ≤ w ≤ 1, Σ w ≤ B, where ŷ is the label before and θ(w) = θ + M Σ_i w_i ∇l_i is the unlearner:
M = H⁻¹ (second order) or τI (first order). The hinge keeps the labels. With conformal sets as the
uncertainty, g is minus the soft size of the target's set, calibrated under θ(w).

A set holds every label whose score 1 − p lies at or below the conformal quantile q of calibration
scores. Both steps are made smooth: belonging to the set is σ((q − s) / T), and q is the quantile of
Harrell and Davis (Biometrika, 1982), a mean of the order statistics with the weights of a Beta law
around the conformal rank.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
import torch.nn.functional as F
from scipy import stats
from torch import Tensor

from sterling.checks import check_fields, check_numbers
from sterling.errors import InputError, unknown_name
from sterling.guarantee.quantiles import conformal_rank, needed_for
from sterling.privacy.targets.convex import ConvexModel
from sterling.research_use import require_research_use


def smooth_quantile(scores: Tensor, alpha: float) -> Tensor:
    """Return a differentiable stand-in for the conformal quantile of scores (n,), a scalar.

    The mean of the order statistics, weighted by the Beta(k, n + 1 − k) law of the rank-k one among
    uniform scores, k = ceil((n + 1)(1 − alpha)).

    Raises:
        InputError: Too few scores for a finite quantile.
    """
    n = len(scores)
    rank = conformal_rank(n, alpha)
    if rank > n:
        raise InputError(
            f"{n} calibration items are too few for alpha = {alpha:g}; give {needed_for(alpha)}"
        )
    law = stats.beta(rank, n + 1 - rank)
    weights = torch.from_numpy(np.diff(law.cdf(np.arange(n + 1) / n)))
    return torch.dot(weights.to(scores.dtype), scores.sort().values)


@dataclass(frozen=True, eq=False)
class SoftSetSize:
    """Soft size of conformal sets that are calibrated anew under any weights.

    Attributes:
        features: Features of the calibration items (n, D).
        labels: Labels of the calibration items (n,).
        alpha: Error level of the sets.
        temperature: Temperature T; the smaller, the nearer to the size of the true sets.
    """

    features: Tensor
    labels: Tensor
    alpha: float = 0.1
    temperature: float = 0.05

    def __call__(self, logits: Callable[[Tensor], Tensor], targets: Tensor) -> Tensor:
        """Return the soft sizes of the targets' sets, (T,), from a map of features to logits."""
        own = logits(self.features).softmax(1).gather(1, self.labels[:, None])[:, 0]
        quantile = smooth_quantile(1 - own, self.alpha)
        scores = 1 - logits(targets).softmax(1)
        return torch.sigmoid((quantile - scores) / self.temperature).sum(1)


@dataclass(frozen=True, eq=False)
class Aim:
    """Aim of the adversary.

    Attributes:
        direction: "over" makes the model surer of the targets, "under" less sure, and "flip"
            wants other labels (the label attack to compare with: no hinge).
        targets: Features of the targets (T, D).
        labels: Labels ŷ that the model gives the targets (T,).
        reference: Clean features (R, D) on which nothing should change.
        margin: Margin κ of the hinge.
        hinge_weight: Weight λ₁ of the hinge.
        stealth_weight: Weight λ₂ of the divergence on the reference.
        set_size: Soft size of conformal sets, to take minus it as g; None takes the margin.
    """

    direction: Literal["over", "under", "flip"]
    targets: Tensor
    labels: Tensor
    reference: Tensor
    margin: float = 0.1
    hinge_weight: float = 10.0
    stealth_weight: float = 0.1
    set_size: SoftSetSize | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if not len(self.targets) or len(self.targets) != len(self.labels):
            raise InputError(
                f"{len(self.targets)} targets, {len(self.labels)} labels: give one label each, "
                "and one target at least"
            )


def attack_loss(logits: Callable[[Tensor], Tensor], before: Tensor, aim: Aim) -> Tensor:
    """Return the loss that the adversary minimises.

    Args:
        logits: The unlearned model, from features (N, D) to logits (N, C).
        before: Logits of the reference before (R, C).
        aim: Direction and weights.
    """
    answers = logits(aim.targets)
    label = F.one_hot(aim.labels, answers.shape[1]).bool()
    own = answers[label]
    others = answers.masked_fill(label, -torch.inf)
    margin = own - others.amax(1)
    after = logits(aim.reference).log_softmax(1)
    change = F.kl_div(after, before.log_softmax(1), reduction="sum", log_target=True)
    if aim.direction == "flip":
        return margin.sum() + aim.stealth_weight * change
    sureness = own - others.logsumexp(1)
    if aim.set_size is not None:
        sureness = -aim.set_size(logits, aim.targets)
    sign = -1.0 if aim.direction == "over" else 1.0
    hinge = F.relu(aim.margin - margin)
    return (sign * sureness + aim.hinge_weight * hinge).sum() + aim.stealth_weight * change


def project_to_budget(weights: Tensor, budget: float) -> Tensor:
    """Return the nearest point with 0 ≤ w ≤ 1 and Σ w ≤ budget: clip(w − μ), μ by bisection."""
    clipped = weights.clamp(0, 1)
    if float(clipped.sum()) <= budget:
        return clipped
    low, high = 0.0, float(weights.max())
    for _ in range(100):
        middle = (low + high) / 2
        if float((weights - middle).clamp(0, 1).sum()) > budget:
            low = middle
        else:
            high = middle
    return (weights - high).clamp(0, 1)


@dataclass(frozen=True, eq=False)
class _Relaxed:
    """One surrogate model as a map from w to θ(w), and the loss there."""

    model: ConvexModel
    moves: Tensor  # (candidates, C·D): what deleting each candidate adds to θ
    aim: Aim
    before: Tensor

    def loss(self, weights: Tensor) -> Tensor:
        model = self.model.at(self.model.weights + weights @ self.moves)
        return attack_loss(model.logits, self.before, self.aim)


def _relax(
    model: ConvexModel, owned: Tensor, aim: Aim, order: Literal["first", "second"], rate: float
) -> _Relaxed:
    gradients = model.record_gradients()[owned]
    if order == "second":
        moves = torch.linalg.solve(model.hessian(), gradients.T).T
    elif order == "first":
        moves = rate * gradients
    else:
        raise unknown_name("order", order, ("first", "second"))
    return _Relaxed(model, moves, aim, model.logits(aim.reference))


def plan_deletions(
    models: Sequence[ConvexModel],
    owned: Sequence[Tensor],
    aim: Aim,
    budget: int,
    *,
    research_use: bool,
    order: Literal["first", "second"] = "second",
    rate: float = 0.01,
    steps: int = 100,
    swaps: int = 20,
) -> Tensor:
    """Choose the records that the adversary asks to delete, positions in ``owned`` (B,).

    Projected gradient on w with a penalty w (1 − w) that grows from zero, then the B largest, then
    swaps of one chosen for one other record while they lower the loss.

    Args:
        models: One model (white box) or several surrogates (black box: the mean of their losses).
        owned: For each model the rows of its training set that are the adversary's records, in the
            same order for all.
        aim: Direction, targets and weights.
        budget: Number B of records to delete, at most the number of owned records.
        research_use: Must be true.
        order: Order of the unlearner that is assumed.
        rate: Rate τ of the first order.
        steps: Steps of projected gradient.
        swaps: Largest number of swaps.

    Raises:
        InputError: When ``research_use`` is false, or on a budget that cannot be spent.
    """
    require_research_use(research_use)
    candidates = len(owned[0])
    check_numbers(at_least=1, at_most=candidates, budget=budget)
    relaxed = [
        _relax(model, rows, aim, order, rate) for model, rows in zip(models, owned, strict=True)
    ]

    def loss(weights: Tensor) -> Tensor:
        return torch.stack([each.loss(weights) for each in relaxed]).mean()

    weights = torch.full((candidates,), budget / candidates, dtype=torch.float64)
    for step in range(steps):
        point = weights.clone().requires_grad_()
        penalty = step / steps * (point * (1 - point)).sum()
        (gradient,) = torch.autograd.grad(loss(point) + penalty, point)
        length = 0.5 * (1 - step / steps) / gradient.abs().max().clamp_min(1e-12)
        weights = project_to_budget(weights - length * gradient, budget)
    chosen = weights.topk(budget).indices
    return _swap(loss, chosen, candidates, swaps)


def plan_verified_deletions(
    model: ConvexModel, owned: Tensor, aim: Aim, budget: int, *, research_use: bool, rounds: int = 6
) -> Tensor:
    """Plan a white-box deletion request and check it by retraining, rows of training (B,).

    One Newton step underrates large moves, so that labels can flip. The adversary retrains without
    the records, makes the linear map anew from there, and swaps. Of all deletion requests on the
    way it takes the one with the fewest flipped labels, and of these the one with the lowest loss.

    Args:
        model: The model under attack.
        owned: Rows of its training set that are the adversary's.
        aim: Direction, targets and weights.
        budget: Number B of records to delete.
        research_use: Must be true.
        rounds: Number of times to retrain and swap.

    Raises:
        InputError: When ``research_use`` is false, or on a budget that cannot be spent.
    """
    before = model.logits(aim.reference)
    chosen = plan_deletions([model], [owned], aim, budget, research_use=research_use)
    tried: list[tuple[int, float, Tensor]] = []
    for _ in range(rounds + 1):
        after = model.without(owned[chosen])
        logits = after.logits(aim.targets)
        flips = 0 if aim.direction == "flip" else int((logits.argmax(1) != aim.labels).sum())
        value = float(attack_loss(after.logits, before, aim))
        tried.append((flips, value, chosen))
        there = torch.zeros(len(owned), dtype=torch.float64)
        there[chosen] = 1
        gradients = model.at(after.weights).record_gradients()[owned]
        moves = torch.linalg.solve(after.hessian(), gradients.T).T
        # From the retrained weights on, w counts from the present choice.
        relaxed = _Relaxed(model.at(after.weights - there @ moves), moves, aim, before)
        again = _swap(relaxed.loss, chosen, len(owned), 10)
        if torch.equal(again, chosen):
            break
        chosen = again
    return owned[min(tried, key=lambda entry: entry[:2])[2]]


def _swap(loss: Callable[[Tensor], Tensor], chosen: Tensor, candidates: int, swaps: int) -> Tensor:
    """Exchange one chosen record for one other as long as that lowers the loss.

    The gradient at the present choice ranks the exchanges; the best few are tried.
    """
    mask = torch.zeros(candidates, dtype=torch.float64)
    mask[chosen] = 1
    value = float(loss(mask))
    for _ in range(swaps):
        point = mask.clone().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(point), point)
        leave = torch.where(mask == 1, gradient, -torch.inf).topk(min(3, int(mask.sum()))).indices
        free = int((mask == 0).sum())
        if not free:
            break
        enter = torch.where(mask == 0, -gradient, -torch.inf).topk(min(3, free)).indices
        tried = []
        for out in leave.tolist():
            for into in enter.tolist():
                other = mask.clone()
                other[out], other[into] = 0, 1
                tried.append((float(loss(other)), other))
        best = min(tried, key=lambda entry: entry[0])
        if best[0] >= value:
            break
        value, mask = best
    return mask.nonzero()[:, 0]


def plan_by_queries(
    observe: Callable[[Tensor], float],
    candidates: int,
    budget: int,
    rng: torch.Generator,
    *,
    research_use: bool,
    estimator: Literal["NES", "SPSA"] = "NES",
    queries: int = 200,
    pairs: int = 5,
    spread: float = 0.3,
    learning_rate: float = 0.3,
) -> Tensor:
    """Choose a deletion request from nothing but the service's answers, positions (B,).

    NES (Ilyas et al., ICML 2018) perturbs the preferences for all candidates by Gaussian noise,
    SPSA (Spall, 1992) by signs; both in antithetic pairs. The B most preferred are deleted.

    Args:
        observe: Maps positions (B,) to the attack's loss as seen through the service.
        candidates: Number of owned records.
        budget: Number B of records to delete.
        rng: Draws the perturbations.
        research_use: Must be true.
        estimator: Estimator of the gradient.
        queries: Largest number of calls of ``observe``.
        pairs: Antithetic pairs per step.
        spread: Scale of the perturbation.
        learning_rate: Learning rate of the preferences.

    Raises:
        InputError: When ``research_use`` is false, or on a budget that cannot be spent.
    """
    require_research_use(research_use)
    check_numbers(at_least=1, at_most=candidates, budget=budget)
    if estimator not in ("NES", "SPSA"):
        raise unknown_name("estimator", estimator, ("NES", "SPSA"))
    preference = torch.zeros(candidates, dtype=torch.float64)
    best: tuple[float, Tensor] = (float("inf"), torch.arange(budget))

    def ask(point: Tensor) -> float:
        nonlocal best
        chosen = point.topk(budget).indices
        value = observe(chosen)
        if value < best[0]:
            best = (value, chosen)
        return value

    for _ in range(queries // (2 * pairs)):
        gradient = torch.zeros_like(preference)
        for _ in range(pairs):
            noise = torch.randn(candidates, generator=rng, dtype=torch.float64)
            noise = noise.sign() + 1e-6 * noise if estimator == "SPSA" else noise
            up, down = ask(preference + spread * noise), ask(preference - spread * noise)
            gradient += (up - down) * noise / (2 * spread * pairs)
        preference -= learning_rate * gradient / gradient.abs().max().clamp_min(1e-12)
    return best[1].sort().values
