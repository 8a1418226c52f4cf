"""The losses of MFR (Guo et al., CVPR 2020) on gallery and probe features, without a classifier.

Features are unit vectors (B, D), row i of both of the same person. Constants are defaults of ours
where the paper's could not be established.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def hard_pair_loss(gallery: Tensor, probe: Tensor, threshold: float = 0.3) -> Tensor:
    """Draw hard pairs of one person together and push those of two apart.

    With M = F_g F_pᵀ, hard are pairs of one person with M_ii < τ, and of two with M_ij > τ. The
    loss is the mean of ½‖F_g,i - F_p,i‖² over the former, less that of ½‖F_g,i - F_p,j‖² over the
    latter; of unit vectors that is 1 - cosine. Without hard pairs of a kind its term is 0.

    Args:
        gallery: (B, D), unit rows.
        probe: (B, D), unit rows.
        threshold: τ, in [-1, 1]; whether positives have one of their own is not established.
    """
    cosines = gallery @ probe.T
    same = torch.eye(len(cosines), dtype=torch.bool, device=cosines.device)
    apart = 1 - cosines
    return _mean_where(apart, same & (cosines < threshold)) - _mean_where(
        apart, ~same & (cosines > threshold)
    )


def soft_classification_loss(gallery: Tensor, probe: Tensor, scale: float = 16.0) -> Tensor:
    """Cross-entropy of every feature against the people of the batch.

    The weight of a person is the normalised mean of both features. Gradients pass through it
    (ours: whether the paper's do is not established).

    Args:
        gallery: (B, D), unit rows.
        probe: (B, D), unit rows.
        scale: s of the logits.
    """
    weights = F.normalize(gallery + probe, dim=1)
    people = torch.arange(len(weights), device=weights.device)
    return (
        F.cross_entropy(scale * gallery @ weights.T, people)
        + F.cross_entropy(scale * probe @ weights.T, people)
    ) / 2


def domain_alignment_loss(features: Sequence[tuple[Tensor, Tensor]], scale: float = 1.0) -> Tensor:
    """Mean squared distance of the domains' mean features to the mean of these.

    Args:
        features: Gallery and probe of each domain, (B, D) each; one domain or more.
        scale: s, by which the distances are multiplied.
    """
    centres = torch.stack([(gallery + probe).mean(dim=0) / 2 for gallery, probe in features])
    apart: Tensor = (scale * (centres - centres.mean(dim=0))).square().sum(dim=1).mean()
    return apart


def _mean_where(values: Tensor, wanted: Tensor) -> Tensor:
    """The mean over some entries, 0 where there are none."""
    return (values * wanted).sum() / wanted.sum().clamp(min=1)
