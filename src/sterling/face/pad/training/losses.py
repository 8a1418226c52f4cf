"""Losses: mean squared error and contrastive depth loss on maps, cross-entropy on logits."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sterling.errors import InputError
from sterling.face.pad.networks.network import Output

# Position of the +1 of each of the eight kernels, relative to the -1 at the centre.
_NEIGHBOURS = tuple((dy, dx) for dy in (-1, 0, 1) for dx in (-1, 0, 1) if (dy, dx) != (0, 0))


def _require_maps(predicted: Tensor, target: Tensor, smallest: int) -> None:
    if predicted.shape != target.shape:
        raise InputError(
            f"predicted maps have shape {tuple(predicted.shape)} and targets {tuple(target.shape)}:"
            " resize the targets to the map's size"
        )
    if predicted.ndim != 3 or min(predicted.shape[-2:]) < smallest or predicted.shape[0] == 0:
        raise InputError(
            f"maps have shape {tuple(predicted.shape)}: (N, H, W) with N >= 1 and sides of at "
            f"least {smallest} are needed"
        )


class ContrastiveDepthLoss(nn.Module):
    """Squared error between the local contrasts of two maps; lower is better.

    Each of eight fixed 3×3 kernels K_i has -1 at the centre and +1 at one neighbour. The loss is
    the mean over kernels and positions, without padding, of (K_i ⊛ P - K_i ⊛ G)². Adding a constant
    to a map does not change it. (Wang et al., "Exploiting temporal and depth information for
    multi-frame face anti-spoofing", 2018; without padding as in CDCN, CVPR 2020.)
    """

    def forward(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss of maps `predicted` and `target`, both (N, H, W), H and W >= 3.

        Raises:
            InputError: The shapes differ or a side is below 3.
        """
        _require_maps(predicted, target, smallest=3)
        # The kernels are linear: eight shifted differences of one error map, no convolution.
        error = predicted - target
        height, width = error.shape[-2:]
        centre = error[:, 1:-1, 1:-1]
        contrasts = [
            (error[:, 1 + dy : height - 1 + dy, 1 + dx : width - 1 + dx] - centre).square().mean()
            for dy, dx in _NEIGHBOURS
        ]
        return torch.stack(contrasts).mean()


class DepthLoss(nn.Module):
    """Mean squared error plus `cdl_weight` times the contrastive depth loss; lower is better.

    Args:
        cdl_weight: Weight of the contrastive depth loss, 0 or more; CDCN uses 1.

    Raises:
        InputError: `cdl_weight` is negative.
    """

    def __init__(self, cdl_weight: float = 1.0) -> None:
        super().__init__()
        if not cdl_weight >= 0:
            raise InputError(f"cdl_weight is {cdl_weight}: it must be 0 or more")
        self.cdl_weight = cdl_weight
        self.contrast = ContrastiveDepthLoss()

    def forward(self, predicted: Tensor, target: Tensor) -> Tensor:
        """Return the scalar loss of maps `predicted` and `target`, both (N, H, W).

        Raises:
            InputError: The shapes differ, or a side is below 3 while `cdl_weight` is positive.
        """
        _require_maps(predicted, target, smallest=1)
        squared = F.mse_loss(predicted, target)
        if self.cdl_weight == 0:
            return squared
        contrast: Tensor = self.contrast(predicted, target)
        return squared + self.cdl_weight * contrast


def bona_fide_of(maps: Tensor) -> Tensor:
    """Mark the label maps (N, ...) of bona fide presentations: those with a positive value."""
    return maps.flatten(1).amax(dim=1) > 0


def label_loss(output: Output, live: Tensor) -> Tensor:
    """Binary cross-entropy of the last head's log odds, a scalar; lower is better.

    Args:
        output: Output with logits (N, K).
        live: bool (N,), true for bona fide.
    """
    assert output.logits is not None
    odds = output.logits[:, -1]
    return F.binary_cross_entropy_with_logits(odds, live.to(odds.dtype))


class OutputLoss(nn.Module):
    """The loss of any network's output; lower is better.

    With ``b`` the network's ``logit_share``, it is b times the binary cross-entropy, summed over
    the heads that count and averaged over presentations, plus 1 - b times the `DepthLoss`,
    averaged over the scored frames. (Wang et al., CVPR 2020, equation of the overall loss, with
    b = 0.8; CDCN has b = 0.)

    Args:
        cdl_weight: Weight of the contrastive depth loss within the depth loss.
        logit_share: Share of the logits in the score, in [0, 1].

    Raises:
        InputError: `cdl_weight` is negative.
    """

    def __init__(self, cdl_weight: float, logit_share: float) -> None:
        super().__init__()
        self.depth = DepthLoss(cdl_weight)
        self.logit_share = logit_share

    def forward(self, output: Output, maps: Tensor) -> Tensor:
        """Return the scalar loss of an output, given label maps as `Network.map_shape` says.

        The first F label maps of a clip are used where the network judges F frames.
        """
        parts = []
        if output.maps is not None and self.logit_share < 1:
            predicted, target = output.maps, maps
            if predicted.ndim == 4:
                target = maps[:, : predicted.shape[1]].flatten(0, 1)
                predicted = predicted.flatten(0, 1)
            parts.append((1 - self.logit_share) * self.depth(predicted, target))
        if output.logits is not None and self.logit_share > 0:
            wanted = bona_fide_of(maps).to(output.logits.dtype)[:, None].expand_as(output.logits)
            entropy = F.binary_cross_entropy_with_logits(output.logits, wanted, reduction="none")
            if output.heads is not None:
                entropy = entropy.masked_fill(~output.heads, 0.0)
            parts.append(self.logit_share * entropy.sum(dim=1).mean())
        return torch.stack(parts).sum(dim=0)
