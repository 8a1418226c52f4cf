"""A patch that, laid over an attack presentation, makes a detector take it for bona fide.

One patch for all presentations, found by gradients of the detector under test and laid at places
drawn at random, so that it works wherever it is stuck on (Brown et al., "Adversarial Patch", 2017).
It stays a digital patch: that it can be printed and survives a camera is not tested.
"""

import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.face.pad.detector.preprocessing import normalise
from sterling.face.pad.layers.cdc import fold
from sterling.face.pad.networks.network import Network
from sterling.research_use import require_research_use

STEP = 8.0
"""Grey levels that a step moves each pixel of the patch. Our default."""

BATCH = 16


def adversarial_patch(
    network: Network,
    attacks: Tensor,
    side: int,
    *,
    research_use: bool,
    steps: int = 60,
    seed: int = 0,
) -> Tensor:
    """Find the patch whose presentations score highest on average, by signed gradient steps.

    Args:
        network: Network of single colour pictures; left unchanged.
        attacks: uint8 (N, 3, S, S), attack presentations that are not tested later.
        side: Side of the patch in pixels, 1 to S.
        research_use: Must be true: this finds an attack on a detector of one's own.
        steps: Gradient steps, each on up to 16 presentations drawn at random.
        seed: Seed of the draws and of the initial patch.

    Returns:
        uint8 (3, side, side).

    Raises:
        InputError: `research_use` is false, there is no attack, or the patch does not fit.
    """
    require_research_use(research_use)
    size = attacks.shape[-1]
    if not len(attacks) or not 1 <= side <= size:
        raise InputError(
            f"{len(attacks)} attack presentations of side {size} and a patch of side {side}: "
            "at least one is needed, and the patch must fit into it"
        )
    generator = torch.Generator().manual_seed(seed)
    judge = fold(network).requires_grad_(False)
    patch = 255 * torch.rand((3, side, side), generator=generator)
    for _ in range(steps):
        drawn = attacks[torch.randint(len(attacks), (BATCH,), generator=generator)]
        patch.requires_grad_()
        shown = _paste(drawn.float(), patch, generator)
        score = judge.liveness(judge(normalise(shown))).mean()
        (uphill,) = torch.autograd.grad(score, patch)
        patch = (patch.detach() + STEP * uphill.sign()).clamp(0, 255)
    return patch.round().to(torch.uint8)


def paste(images: Tensor, patch: Tensor, *, seed: int) -> Tensor:
    """Lay a patch over each picture, at a place drawn at random.

    Args:
        images: uint8 (N, 3, S, S); left as they are.
        patch: uint8 (3, P, P), P <= S.
        seed: Seed of the places.

    Returns:
        uint8 (N, 3, S, S).
    """
    return _paste(images, patch, torch.Generator().manual_seed(seed))


def _paste(images: Tensor, patch: Tensor, generator: torch.Generator) -> Tensor:
    pasted = images.clone()
    room, side = images.shape[-1] - patch.shape[-1] + 1, patch.shape[-1]
    places = torch.randint(room, (len(images), 2), generator=generator).tolist()
    for row, (top, left) in enumerate(places):
        pasted[row, :, top : top + side, left : left + side] = patch
    return pasted
