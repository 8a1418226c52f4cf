"""Fingerprints: is a candidate text in the obfuscated cache?

With the published defaults S and M are orthogonal, so a block keeps its singular values but for
the offset, a matrix of rank one. The adversary has candidate texts, runs them through the public
model, and ranks them by how well each explains the block that was found. Three scores, ours; for
all of them larger is more alike:

- "interlacing": adding a matrix of rank one moves each singular value at most to its neighbour.
  The score is how far they are out of place, negated: 0 for the right text under the mask "row"
  with orthogonal matrices. With any other configuration it promises nothing.
- "simulation": log-likelihood of the block's singular values, taken as normal with the mean that
  obfuscating the candidate under secrets of the adversary's own gives. It knows the configuration
  and works, as far as anything does, against all of them.
- "subspace": the rows of S P X M span what the rows of X M span, whatever S is, and M only turns
  pairs of columns. So the 2 x 2 parts of the projection on that span keep their singular values.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from sterling.errors import InputError
from sterling.privacy.cache.blocks import obfuscate
from sterling.privacy.cache.cloak import KEY_BYTES, CloakConfig, draw_secret
from sterling.research_use import require_research_use

SCORES = ("interlacing", "simulation", "subspace")
SIMULATIONS = 12
FLOOR = 1e-5
"""Singular values below this share of the block's largest are rounding: a text that repeats a token
has values of lower rank."""


class Fingerprinter:
    """Candidate blocks, with the numbers that the adversary computes from them once.

    Attributes:
        candidates: Number of candidates.

    Args:
        rows: Plain keys and values of the candidates' blocks for each attacked layer,
            (2, C, H, b, d).
        config: Constants of the defence, which are public.
        seed: Seed of the adversary's own secrets.
        research_use: See `sterling.research_use`.

    Raises:
        InputError: The switch is off, there are fewer than two candidates, or blocks have other
            rows than the configuration says.
    """

    def __init__(
        self, rows: Sequence[Tensor], config: CloakConfig, *, seed: int, research_use: bool
    ) -> None:
        require_research_use(research_use)
        if not rows or rows[0].shape[1] < 2:
            raise InputError("candidates: two or more blocks, of one layer or more")
        if rows[0].shape[-2] != config.block:
            raise InputError(f"blocks of {rows[0].shape[-2]} rows: the cache has {config.block}")
        self.candidates = rows[0].shape[1]
        self._singular = _each_candidate([singular_values(layer) for layer in rows])
        self._subspaces = _each_candidate([_pair_invariants(layer) for layer in rows])
        self._mean, self._deviation = _simulated(rows, config, seed)

    def scores(self, observed: Sequence[Tensor]) -> dict[str, Tensor]:
        """Return how alike the found block is to each candidate, (C,) for each name of `SCORES`.

        Args:
            observed: Obfuscated keys and values of one block for each layer, (2, H, b, d).
        """
        rows = [layer[:, None] for layer in observed]
        found = _each_candidate([singular_values(layer) for layer in rows])
        standard = (_logarithms(found) - self._mean) / self._deviation
        invariants = _each_candidate([_pair_invariants(layer) for layer in rows])
        return {
            "interlacing": -_out_of_place(found, self._singular).sum(dim=(1, 2)),
            "simulation": -standard.square().sum(dim=(1, 2)),
            "subspace": -(invariants - self._subspaces).square().sum(dim=(1, 2)),
        }


def normalised_rank(scores: Tensor, truth: int) -> float:
    """Return the share of other candidates that score below the right one, ties half."""
    right = scores[truth]
    below = (scores < right).sum() + ((scores == right).sum() - 1) / 2
    return float(below) / (len(scores) - 1)


def singular_values(blocks: Tensor) -> Tensor:
    """Return singular values of matrices (..., b, d), largest first, float64 (..., min(b, d))."""
    gram = blocks.double() @ blocks.double().mT
    squares: Tensor = torch.linalg.eigvalsh(gram)
    return squares.flip(-1).clamp_min(0).sqrt()


def _out_of_place(found: Tensor, candidates: Tensor) -> Tensor:
    """Return how far singular values lie beyond the neighbours they may reach, as logarithms."""
    floor = FLOOR * found[..., :1]
    found, candidates = (torch.maximum(one, floor).log() for one in (found, candidates))
    above = (found[..., 1:] - candidates[..., :-1]).clamp_min(0)
    below = (candidates[..., 1:] - found[..., :-1]).clamp_min(0)
    return above + below


def _pair_invariants(blocks: Tensor) -> Tensor:
    """Return trace and determinant of P_ij^T P_ij for the projection P's parts of pairs i, j."""
    basis = torch.linalg.qr(blocks.double().mT).Q
    half = basis.shape[-2] // 2
    pairs = torch.stack((basis[..., :half, :], basis[..., half:, :]), dim=-2).flatten(-3, -2)
    projection = (pairs @ pairs.mT).view(*pairs.shape[:-2], half, 2, half, 2)
    squares = projection.square().sum(dim=(-3, -1))
    determinant = projection[..., 0, :, 0] * projection[..., 1, :, 1]
    determinant = determinant - projection[..., 0, :, 1] * projection[..., 1, :, 0]
    return torch.stack((squares, determinant), dim=-1).flatten(-3).float()


def _simulated(rows: Sequence[Tensor], config: CloakConfig, seed: int) -> tuple[Tensor, Tensor]:
    """Return mean (C, P, b) and deviation (P, b) of log singular values under other secrets."""
    largest = torch.stack([layer.abs().amax(dim=(1, 3, 4)) for layer in rows])
    drawn = []
    for trial in range(SIMULATIONS):
        key = seed.to_bytes(8, "little") + trial.to_bytes(KEY_BYTES - 8, "little")
        secret = draw_secret(largest, rows[0].shape[-1], config, key)
        values = []
        for layer, blocks in zip(secret.layers, rows, strict=True):
            mixed = blocks.double() @ layer.mixer[:, None]
            hidden = obfuscate(mixed, layer, [(trial,)])[..., 0, :, :]
            values.append(_logarithms(singular_values(hidden)))
        drawn.append(_each_candidate(values))
    stacked = torch.stack(drawn)
    deviation = stacked.std(dim=0).square().mean(dim=0).sqrt()
    return stacked.mean(dim=0), deviation.clamp_min(FLOOR)


def _logarithms(singular: Tensor) -> Tensor:
    return torch.maximum(singular, FLOOR * singular[..., :1]).log()


def _each_candidate(layers: Sequence[Tensor]) -> Tensor:
    """Reshape (2, C, H, k) of each layer to (C, P, k) for P heads of keys and values."""
    return torch.cat([layer.transpose(0, 1).flatten(1, 2) for layer in layers], dim=1)
