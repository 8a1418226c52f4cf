"""Layer-wise adaptive updating (LWAU; Qin et al., IEEE Signal Processing Letters 2020).

MAML with a learned inner rate for every layer, shared by all steps. Normalisation has no rate: its
scale and shift are meta-learned and do not adapt, as in the released code.
"""

from dataclasses import replace

import torch
from torch import Tensor, nn

from sterling.adapt.functional import FunctionalModel, Parameters
from sterling.adapt.learners import GradientLearner
from sterling.adapt.normalisation import BatchStatistics
from sterling.adapt.rates import LearnedRates
from sterling.errors import InputError

# Released code: bound ± of each number of the meta-gradient, for `fit_meta`, not of inner ones.
CLIP = 10.0
NORMS = (BatchStatistics, nn.GroupNorm, nn.LayerNorm)


def layered(module: nn.Module) -> FunctionalModel:
    """Return the model with one group for each top part of a module ("block1", "head").

    Scale and shift of normalisation layers are in no group, so that they do not adapt.
    """
    norms = {name for name, child in module.named_modules() if isinstance(child, NORMS)}
    groups = {
        name: name.partition(".")[0]
        for name, _ in module.named_parameters()
        if name.rpartition(".")[0] not in norms
    }
    return FunctionalModel(module, groups)


def lwau(
    model: FunctionalModel,
    rate: float = 0.01,
    *,
    steps: int = 5,
    test_steps: int = 10,
    penalty: float = 0.0,
    seed: int = 0,
) -> GradientLearner:
    """Return a learner with one learned rate for every group of the model.

    The released code sums the inner loss over the classes of a task where ours is a mean: its rate
    of 0.01 is 0.05 here for five ways.

    Args:
        model: Model whose groups are the layers; see `layered`.
        rate: Start of the rates, times 0.99 to 1.00.
        steps: Number of inner steps in training.
        test_steps: Number of inner steps in evaluation.
        penalty: Weight of Σ|w| + Σw² over the parameters that adapt, in the outer loss. The
            released code's 0.001, with a loss summed over queries and divided by shots, is
            0.001 · shots / (ways · queries) with our mean.
        seed: Seed of the rates' start.
    """
    rates = LearnedRates(model, "layer", rate)
    draw = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for value in rates.values.values():
            value.mul_(1 - 0.01 * torch.rand((), generator=draw, dtype=value.dtype))
    names = list(model.groups)

    def elastic(parameters: Parameters) -> Tensor:
        sums = [parameters[name].abs().sum() + parameters[name].square().sum() for name in names]
        return penalty * torch.stack(sums).sum()

    return GradientLearner(model, rates, steps, test_steps, penalty=elastic if penalty else None)


def freeze_bottom(learner: GradientLearner, layers: int) -> GradientLearner:
    """Return the learner without adaptation of its first `layers` groups; weights are shared.

    Their gradients are not computed, which makes adaptation cheaper.

    Raises:
        InputError: No group would be left to adapt.
    """
    groups = learner.model.group_names
    if not 0 <= layers < len(groups):
        raise InputError(
            f"layers {layers}: freeze 0 to {len(groups) - 1} of the {len(groups)} groups, so that "
            "one is left to adapt"
        )
    return replace(learner, adapt=tuple(groups[layers:]))
