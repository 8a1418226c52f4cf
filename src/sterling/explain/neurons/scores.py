"""Scores of how well a phrase names a unit, from embeddings of pictures and phrases.

Phrases are taken in blocks, so that neither the similarity of all pictures with all phrases nor
its softmax is ever held whole. Every score is an array (U, M); higher is a better name.

Source: soft-WPMI, WPMI, cubed cosine and rank reorder are CLIP-Dissect's (Oikarinen and Weng, ICLR
2023) with its released constants. The mean difference, which reads patches, is ours.
"""

import math
from collections.abc import Iterator

import torch
from torch import Tensor

from sterling.checks import check_numbers
from sterling.errors import InputError

BLOCK = 512  # phrases at a time
_LEAST = 1e-7  # added to probabilities before a logarithm


def soft_wpmi(
    pictures: Tensor,
    phrases: Tensor,
    values: Tensor,
    *,
    top: int = 100,
    scale: float = 10.0,
    weight: float = 1.0,
    membership: tuple[float, float] = (0.998, 0.97),
    block: int = BLOCK,
) -> Tensor:
    """Soft weighted pointwise mutual information of phrases and the pictures that excite a unit.

    ``Σ_r log(1 + p_r (P(c | x_r) - 1)) - weight · log mean over units``, over the `top` pictures in
    order of activation; P is a softmax over phrases of `scale` times the similarity, and p_r falls
    from the first to the second `membership` along the ranks.

    Args:
        pictures: Embeddings of unit length (N, D).
        phrases: Embeddings of unit length (M, D).
        values: Activations (N, U).
        top: Number of pictures of a unit.
        scale: Factor of the similarity.
        weight: Weight of what all units have in common.
        membership: Probability that a picture belongs to the unit, at the first and the last rank.
        block: Phrases at a time.

    Returns:
        Scores (U, M).
    """
    count = _top(top, pictures)
    first, last = membership
    belongs = first - torch.arange(count, dtype=pictures.dtype) / count * (first - last)
    return _information(
        pictures, phrases, values, count, scale, weight, block, belongs=belongs[None, :, None]
    )


def wpmi(
    pictures: Tensor,
    phrases: Tensor,
    values: Tensor,
    *,
    top: int = 28,
    scale: float = 2.0,
    weight: float = 0.6,
    block: int = BLOCK,
) -> Tensor:
    """Weighted pointwise mutual information: `soft_wpmi` with every picture certain to belong."""
    certain = torch.ones(1, 1, 1, dtype=pictures.dtype)
    count = _top(top, pictures)
    return _information(pictures, phrases, values, count, scale, weight, block, belongs=certain)


def _information(
    pictures: Tensor,
    phrases: Tensor,
    values: Tensor,
    top: int,
    scale: float,
    weight: float,
    block: int,
    *,
    belongs: Tensor,
) -> Tensor:
    check_numbers(at_least=1, block=block)
    rows = values.topk(top, dim=0).indices.T  # (U, top)
    used, places = torch.unique(rows, return_inverse=True)
    embedded = pictures[used]
    # The softmax's denominator, phrase block by phrase block.
    total = torch.full((len(used),), -torch.inf, dtype=pictures.dtype)
    for _, similar in _blocks(embedded, phrases, block):
        total = torch.logaddexp(total, (scale * similar).logsumexp(1))
    scores = torch.empty(len(rows), len(phrases), dtype=pictures.dtype)
    for columns, similar in _blocks(embedded, phrases, block):
        likely = (scale * similar - total[:, None]).exp()
        for unit, at in enumerate(places):
            given = 1 + belongs[0] * (likely[at] - 1)
            scores[unit, columns] = (given + _LEAST).log().sum(0)
    common = scores.logsumexp(0) - math.log(len(scores))
    return scores - weight * common


def cosine_cubed(
    pictures: Tensor, phrases: Tensor, values: Tensor, *, block: int = BLOCK
) -> Tensor:
    """Cosine of cubed, centred activations with cubed, centred similarities over all pictures.

    Arguments and result as in `soft_wpmi`.
    """
    wanted = _cubed(values)
    scores = torch.empty(values.shape[1], len(phrases), dtype=pictures.dtype)
    for columns, similar in _blocks(pictures, phrases, block):
        scores[:, columns] = wanted.T @ _cubed(similar)
    return scores


def _cubed(values: Tensor) -> Tensor:
    cubes = (values - values.mean(0)) ** 3
    scaled: Tensor = cubes / cubes.norm(dim=0).clamp(min=1e-12)
    return scaled


def rank_reorder(
    pictures: Tensor,
    phrases: Tensor,
    values: Tensor,
    *,
    share: float = 0.05,
    power: float = 3.0,
    block: int = BLOCK,
) -> Tensor:
    """Closeness of a unit's largest activations to the order that a phrase gives them.

    The `share` of pictures that excite a unit most are ordered by their similarity with the phrase;
    the score is minus the mean ``|difference|^power`` of the activations at equal ranks, to the
    power ``1 / power``, as a share of the range of these activations. 0 is best.

    Arguments and result as in `soft_wpmi`; CLIP-Dissect divides by other constants.
    """
    check_numbers(above=0, at_most=1, share=share)
    count = max(2, round(share * len(pictures)))
    if count > len(pictures):
        raise InputError(f"{len(pictures)} pictures: rank reorder needs 2 or more")
    excited, rows = values.topk(count, dim=0)
    scores = torch.empty(values.shape[1], len(phrases), dtype=pictures.dtype)
    extent = (excited[0] - excited[-1]).clamp(min=1e-12)
    for columns, similar in _blocks(pictures, phrases, block):
        for unit in range(values.shape[1]):
            order = similar[rows[:, unit]].argsort(dim=0, descending=True, stable=True)
            moved = (excited[order, unit] - excited[:, unit, None]).abs()
            scores[unit, columns] = -((moved**power).mean(0) ** (1 / power)) / extent[unit]
    return scores


def mean_difference(patches: Tensor, background: Tensor, phrases: Tensor) -> Tensor:
    """Similarity of a unit's patches with phrases, above that of patches drawn at random.

    ``mean_i z(x_i, c)``, where z is the cosine less its mean over background patches, divided by
    its standard deviation there.

    Args:
        patches: Embeddings of every unit's patches (U, k, D).
        background: Embeddings of background patches (B, D), 2 or more.
        phrases: Embeddings (M, D).

    Returns:
        Standard deviations above the background (U, M).
    """
    similar = background @ phrases.T
    mean, spread = similar.mean(0), similar.std(0).clamp(min=1e-12)
    return (patches.mean(1) @ phrases.T - mean) / spread


def diverse(scores: Tensor, phrases: Tensor, count: int, *, weight: float = 0.5) -> list[int]:
    """Choose phrases that score high and differ: maximal marginal relevance.

    Each next one maximises ``(1 - weight) score - weight · (largest cosine with those chosen)``,
    with scores scaled to [0, 1].

    Args:
        scores: Scores of the phrases (M,).
        phrases: Their embeddings of unit length (M, D).
        count: Number of phrases.
        weight: Weight of difference, in [0, 1].

    Source: Carbonell and Goldstein, SIGIR 1998.
    """
    low, high = scores.min(), scores.max()
    relevance = (scores - low) / (high - low).clamp(min=1e-12)
    alike = phrases @ phrases.T
    chosen = [int(relevance.argmax())]
    while len(chosen) < min(count, len(scores)):
        gain = (1 - weight) * relevance - weight * alike[:, chosen].amax(1)
        gain[chosen] = -torch.inf
        chosen.append(int(gain.argmax()))
    return chosen


def _top(top: int, pictures: Tensor) -> int:
    check_numbers(at_least=1, at_most=len(pictures), top=top)
    return top


def _blocks(pictures: Tensor, phrases: Tensor, block: int) -> Iterator[tuple[slice, Tensor]]:
    """Similarities with some phrases at a time, (N, up to `block`)."""
    if pictures.shape[1] != phrases.shape[1]:
        raise InputError(
            f"pictures are embedded in {pictures.shape[1]} numbers and phrases in "
            f"{phrases.shape[1]}; take one encoder for both"
        )
    for start in range(0, len(phrases), block):
        columns = slice(start, min(start + block, len(phrases)))
        yield columns, pictures @ phrases[columns].T
