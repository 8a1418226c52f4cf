"""Deletion requests that make a model surer, or less sure, than it should be, and keep its labels.

Qian et al., arXiv 2508.07458: over- and under-confidence by malicious unlearning requests, with a
regularised attack loss in a bilevel problem. The equations here are ours, in the form of earlier
work on malicious unlearning: the published ones could not be established. With w the relaxed choice
of records to delete, s = −1 for over- and +1 for under-confidence, the adversary minimises

    Σ_targets [ s · g(x) + λ₁ max(0, κ − m(x)) ] + λ₂ Σ_reference KL(f(x; θ) ‖ f(x; θ(w)))

    g(x) = z_ŷ − log Σ_{j≠ŷ} exp z_j,    m(x) = z_ŷ − max_{j≠ŷ} z_j,

over 0 ≤ w ≤ 1, Σ w ≤ B, where ŷ is the label before and θ(w) = θ + M Σ_i w_i ∇l_i is the unlearner:
M = H⁻¹ (second order) or τI (first order). The hinge keeps the labels. With conformal sets as the
uncertainty, g is minus the soft size of the target's set, calibrated under θ(w).
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from sterling.errors import InputError
from sterling.privacy.targets.convex import ConvexModel
from sterling.privacy.unlearning_attacks.soft_set_size import SoftSetSize
from sterling.research_use import require_research_use


@dataclass(frozen=True, eq=False)
class Aim:
    """What the adversary wants.

    Attributes:
        direction: "over" makes the model surer of the targets, "under" less sure, and "flip"
            wants other labels (the label attack to compare with: no hinge).
        targets: Features (T, D).
        labels: The labels ŷ that the model gives them (T,).
        reference: Clean features (R, D) on which nothing should change.
        margin: κ.
        hinge_weight: λ₁.
        stealth_weight: λ₂.
        set_size: Take minus the soft size of conformal sets as g; None takes the margin.
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
        if self.direction not in ("over", "under", "flip"):
            raise InputError(f"direction {self.direction!r}: use 'over', 'under' or 'flip'")
        if not len(self.targets) or len(self.targets) != len(self.labels):
            raise InputError(
                f"{len(self.targets)} targets, {len(self.labels)} labels: give one label each, "
                "and one target at least"
            )


def attack_loss(logits: Callable[[Tensor], Tensor], before: Tensor, aim: Aim) -> Tensor:
    """The loss that the adversary minimises.

    Args:
        logits: What the unlearned model answers, from features (N, D) to logits (N, C).
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
    """The nearest point with 0 ≤ w ≤ 1 and Σ w ≤ budget: clip(w − μ), μ ≥ 0 by bisection."""
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
        raise InputError(f"order {order!r}: use 'first' or 'second'")
    return _Relaxed(model, moves, aim, model.logits(aim.reference))


def plan_request(
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
    """Choose which of its own records the adversary asks to delete, positions in ``owned`` (B,).

    Projected gradient on w with a penalty w (1 − w) that grows from zero, then the B largest, then
    swaps of one chosen for one other record while they lower the loss.

    Args:
        models: One model (white box) or several surrogates (black box: the mean of their losses).
        owned: For each model the rows of its training set that are the adversary's records, in the
            same order for all.
        aim: What is wanted.
        budget: B, at least 1 and at most the number of owned records.
        research_use: Must be true.
        order: Of the unlearner that is assumed.
        rate: τ of the first order.
        steps: Of projected gradient.
        swaps: At most so many.

    Raises:
        InputError: When ``research_use`` is false, or on a budget that cannot be spent.
    """
    require_research_use(research_use)
    candidates = len(owned[0])
    _check_budget(budget, candidates)
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


def plan_verified_request(
    model: ConvexModel,
    owned: Tensor,
    aim: Aim,
    budget: int,
    *,
    research_use: bool,
    rounds: int = 6,
) -> Tensor:
    """The white-box adversary's request, checked by its own retraining, rows of training (B,).

    One Newton step underrates large moves, so that labels can flip. The adversary retrains without
    its request, makes the linear map anew from there, and swaps. Of all requests on the way it
    takes the one with the fewest flipped labels, and of these the one with the lowest loss.

    Args:
        model: The model under attack.
        owned: Rows of its training set that are the adversary's.
        aim: What is wanted.
        budget: B.
        research_use: Must be true.
        rounds: Of retraining and swapping.

    Raises:
        InputError: When ``research_use`` is false, or on a budget that cannot be spent.
    """
    before = model.logits(aim.reference)
    chosen = plan_request([model], [owned], aim, budget, research_use=research_use)
    requests: list[tuple[int, float, Tensor]] = []
    for _ in range(rounds + 1):
        after = model.without(owned[chosen])
        logits = after.logits(aim.targets)
        flips = 0 if aim.direction == "flip" else int((logits.argmax(1) != aim.labels).sum())
        value = float(attack_loss(after.logits, before, aim))
        requests.append((flips, value, chosen))
        there = torch.zeros(len(owned), dtype=torch.float64)
        there[chosen] = 1
        gradients = model.at(after.weights).record_gradients()[owned]
        moves = torch.linalg.solve(after.hessian(), gradients.T).T
        # From the retrained weights on, w counts from the present request.
        relaxed = _Relaxed(model.at(after.weights - there @ moves), moves, aim, before)
        again = _swap(relaxed.loss, chosen, len(owned), 10)
        if torch.equal(again, chosen):
            break
        chosen = again
    return owned[min(requests, key=lambda request: request[:2])[2]]


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
    """Choose a request from nothing but what the service answers, positions (B,).

    NES (Ilyas et al., ICML 2018) perturbs the preferences for all candidates by Gaussian noise,
    SPSA (Spall, 1992) by signs; both in antithetic pairs. A request holds the B largest.

    Args:
        observe: From positions (B,) to the attack's loss as seen through the service.
        candidates: Number of owned records.
        budget: B.
        rng: Draws the perturbations.
        research_use: Must be true.
        estimator: Of the gradient.
        queries: Calls of ``observe`` that may be made.
        pairs: Antithetic pairs per step.
        spread: Of the perturbation.
        learning_rate: Of the preferences.

    Raises:
        InputError: When ``research_use`` is false, or on a budget that cannot be spent.
    """
    require_research_use(research_use)
    _check_budget(budget, candidates)
    if estimator not in ("NES", "SPSA"):
        raise InputError(f"estimator {estimator!r}: use 'NES' or 'SPSA'")
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


def _check_budget(budget: int, candidates: int) -> None:
    if not 1 <= budget <= candidates:
        raise InputError(
            f"budget {budget}: give 1 to {candidates}, the number of records the adversary owns"
        )
