"""Pairs of captures by their context: what a liveness embedding should ignore, and what not.

Context-guided dynamic pairs of Liu et al. (CCL, "Contrastive Context-Aware Learning for 3D
High-Fidelity Mask Face Presentation Attack Detection", IEEE TIFS 2022). A positive is of the
anchor's class in another context; a negative is of the other class in the most similar context, so
that only liveness tells the two apart. Dynamic: drawn anew at every step. That harder pairs are
preferred as training goes, which the paper also has, is not built: its rule is unknown.
"""

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sterling.errors import InputError
from sterling.face.data import Manifest

ASPECTS = ("subject", "illumination", "sensor", "session", "distance")
"""Columns of a manifest that make up the context, beside the class and its species."""


def contexts_of(manifest: Manifest) -> NDArray[np.int64]:
    """The context of each row as numbers (N, aspects): equal numbers are equal values.

    A value that is not known ("") is equal to no other.
    """
    columns = []
    for name in ASPECTS:
        codes = np.unique(manifest.column(name), return_inverse=True)[1].astype(np.int64)
        unknown = manifest.column(name) == ""
        codes[unknown] = -1 - np.flatnonzero(unknown)
        columns.append(codes)
    return np.stack(columns, axis=1)


def draw_pairs(
    contexts: Tensor, bona_fide: Tensor, anchors: Tensor, draws: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Draw one positive and one negative for each anchor.

    Args:
        contexts: int64 (N, K), see `contexts_of`.
        bona_fide: bool (N,).
        anchors: int64 (B,), rows.
        draws: CPU generator; ties are broken by it.

    Returns:
        Rows (B,) of the positives: drawn evenly from the anchor's class among those whose context
        differs in one aspect or more (the anchor itself where there is none). Rows (B,) of the
        negatives: of the other class, with as many aspects in common with the anchor as any has.

    Raises:
        InputError: A class is missing.
    """
    if bool(bona_fide.all()) or not bool(bona_fide.any()):
        raise InputError("pairs need bona fide captures and attacks, and one of them is missing")
    common = (contexts[anchors, None, :] == contexts[None, :, :]).sum(dim=2)
    same_class = bona_fide[anchors, None] == bona_fide[None, :]
    chance = torch.rand(common.shape, generator=draws)
    differs = same_class & (common < contexts.shape[1])
    # An anchor that stands alone is its own positive: two views of one picture.
    itself = torch.zeros_like(differs)
    itself[torch.arange(len(anchors)), anchors] = True
    allowed = torch.where(differs.any(dim=1, keepdim=True), differs, itself)
    positives = chance.masked_fill(~allowed, -1).argmax(dim=1)
    # Chance lies in [0, 1): it decides among equals and never outweighs an aspect.
    negatives = (common + chance).masked_fill(same_class, -1).argmax(dim=1)
    return positives, negatives
