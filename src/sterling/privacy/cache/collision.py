"""Collision: token ids from any layer's keys and values, by trying candidates.

"Shadow in the Cache" (arXiv 2508.09442). Tokens are recovered from left to right. At each position
the vocabulary is tried in the order of the model's own prediction, batch after batch; the first
token whose key and value both come near enough to the observed ones is taken. Collision+ takes
its two thresholds from a text that the adversary could choose.
"""

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from sterling.checks import check_numbers
from sterling.errors import InputError
from sterling.privacy.cache.snapshot import CacheSnapshot, plain_snapshot
from sterling.research_use import require_research_use

if TYPE_CHECKING:
    from transformers import Cache, PreTrainedModel

Acceptance = Callable[[Tensor], Tensor]
"""From distances (B, 2) of keys and values to which candidates pass, bool (B,)."""

GAP = 3.0
"""Standard deviations below a batch's mean; the released code's target gap."""

RANK = 8
"""Rank of the right token that Collision+ reckons with; the released code's."""

TOLERANCE = 1.01


@dataclass(frozen=True)
class _Searcher:
    """The model up to one layer, and whole, with what was recovered so far."""

    whole: Any
    shallow: Any
    layer: int

    @classmethod
    def of(cls, model: "PreTrainedModel", layer: int) -> "_Searcher":
        decoder: Any = model.get_decoder()
        check_numbers(at_least=0, below=len(decoder.layers), layer=layer)
        shallow = copy.copy(decoder)
        # The copy shares every weight; only its list of layers is its own.
        shallow._modules = {**decoder._modules, "layers": decoder.layers[: layer + 1]}
        shallow.config = copy.copy(decoder.config)
        shallow.config.num_hidden_layers = layer + 1
        return cls(model, shallow, layer)

    def distances(self, prefix: Tensor, tokens: Tensor, stolen: CacheSnapshot) -> Tensor:
        """Return the distances of each token's key and value to those after the prefix, (B, 2)."""
        cache = self.prefix_cache(prefix, len(tokens))
        self.shallow(input_ids=tokens[:, None], past_key_values=cache, use_cache=True)
        at, layer = len(prefix), cache.layers[self.layer]
        apart = [
            (mine[:, :, -1] - theirs[self.layer][:, at]).flatten(1).norm(dim=1)
            for mine, theirs in ((layer.keys, stolen.keys), (layer.values, stolen.values))
        ]
        return torch.stack(apart, dim=1)

    def prefix_cache(self, prefix: Tensor, copies: int) -> "Cache":
        from transformers import DynamicCache

        cache = DynamicCache()
        if len(prefix):
            self.shallow(input_ids=prefix[None], past_key_values=cache, use_cache=True)
            cache.batch_repeat_interleave(copies)
        return cache

    def order(self, prefix: Tensor) -> Tensor:
        """Return the vocabulary, most probable next token first; unsorted without a prefix."""
        if not len(prefix):
            return torch.arange(self.whole.config.vocab_size)
        logits: Tensor = self.whole(input_ids=prefix[None], logits_to_keep=1).logits
        return logits[0, -1].argsort(descending=True, stable=True)


def target_gap(gap: float = GAP) -> Acceptance:
    """Accept distances that lie `gap` standard deviations below the batch's mean."""

    def accepts(distances: Tensor) -> Tensor:
        return (distances < distances.mean(dim=0) - gap * distances.std(dim=0)).all(dim=1)

    return accepts


@torch.no_grad()
def collide(
    model: "PreTrainedModel",
    stolen: CacheSnapshot,
    layer: int,
    *,
    research_use: bool,
    accepts: Acceptance | None = None,
    length: int | None = None,
    searched: float = 1.0,
    batch: int = 256,
    prefix: Tensor | None = None,
) -> Tensor:
    """Return the recovered tokens after ``prefix``, int64; fewer where none passed.

    Args:
        model: Model with the public weights.
        stolen: The stolen cache.
        layer: Layer whose rows are collided with.
        research_use: See `sterling.research_use`.
        accepts: Rule that takes a candidate: `target_gap` (the default), or `calibrated`.
        length: Number of tokens to recover; None takes all rows.
        searched: Share of the vocabulary that is tried at a position, in (0, 1].
        batch: Number of candidates at a time, 2 or more, else they have no deviation.
        prefix: Tokens that the adversary knows the text to begin with, such as those of a chat
            template. Without any, the first position is tried in the vocabulary's order.

    Raises:
        InputError: The switch is off, or an argument is out of range.
    """
    require_research_use(research_use)
    check_numbers(above=0, at_most=1, searched=searched)
    check_numbers(at_least=2, batch=batch)
    accepts = accepts or target_gap()
    searcher = _Searcher.of(model, layer)
    known = torch.empty(0, dtype=torch.int64) if prefix is None else prefix
    rows = stolen.length - len(known)
    found = known
    for _ in range(rows if length is None else min(length, rows)):
        order = searcher.order(found)
        order = order[: max(batch, int(searched * len(order)))]
        token = _first_accepted(searcher, found, torch.split(order, batch), stolen, accepts)
        if token is None:
            break
        found = torch.cat((found, token[None]))
    return found[len(known) :]


def _first_accepted(
    searcher: _Searcher,
    prefix: Tensor,
    batches: Sequence[Tensor],
    stolen: CacheSnapshot,
    accepts: Acceptance,
) -> Tensor | None:
    for tokens in batches:
        passed = accepts(searcher.distances(prefix, tokens, stolen))
        if bool(passed.any()):
            return tokens[passed.int().argmax()]
    return None


@torch.no_grad()
def calibrated(
    model: "PreTrainedModel", known: Tensor, layer: int, *, research_use: bool, batch: int = 256
) -> Acceptance:
    """Choose Collision+'s thresholds on a text that the adversary had cached.

    Distances of right tokens are compared with those of the ``batch`` most probable others. If they
    are apart for keys and for values, the thresholds are their middles. Otherwise both thresholds
    lie between the means of both kinds, where a right token of rank 8 passes first with the largest
    probability, both kinds taken as normal (as in the released code: a component that is apart does
    not keep its middle then).

    Args:
        model: Model with the public weights.
        known: Token ids of the text (T,), 2 or more.
        layer: Layer whose rows are attacked.
        research_use: See `sterling.research_use`.
        batch: Number of other tokens tried at a position.

    Raises:
        InputError: The switch is off, or the text is too short.
    """
    require_research_use(research_use)
    if len(known) < 2:
        raise InputError(f"known text of {len(known)} tokens: 2 or more")
    searcher = _Searcher.of(model, layer)
    observed = plain_snapshot(model, known)
    right, other = [], []
    for at in range(1, len(known)):
        candidates = searcher.order(known[:at])[:batch]
        candidates = torch.cat((known[at : at + 1], candidates[candidates != known[at]]))
        distances = searcher.distances(known[:at], candidates, observed)
        right.append(distances[:1])
        other.append(distances[1:])
    limits = _threshold(torch.cat(right).double(), torch.cat(other).double()) * TOLERANCE

    def accepts(distances: Tensor) -> Tensor:
        return (distances.double() < limits).all(dim=1)

    return accepts


def _threshold(right: Tensor, other: Tensor) -> Tensor:
    """Return one threshold for keys and one for values, from distances (R, 2) and (O, 2)."""
    if bool((right.amax(dim=0) < other.amin(dim=0)).all()):
        return (right.amax(dim=0) + other.amin(dim=0)) / 2
    low, high = right.mean(dim=0), other.mean(dim=0)
    grid = low + torch.linspace(0, 1, 2001, dtype=right.dtype)[:, None] * (high - low)
    passes = torch.special.ndtr((grid - right.mean(dim=0)) / right.std(dim=0).clamp_min(1e-12))
    wrong = torch.special.ndtr((grid - other.mean(dim=0)) / other.std(dim=0).clamp_min(1e-12))
    best = (passes * (1 - wrong) ** (RANK - 1)).argmax(dim=0)
    return grid.gather(0, best[None])[0]
