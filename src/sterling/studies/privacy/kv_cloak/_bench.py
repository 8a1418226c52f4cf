"""A model, a secret drawn for it, and prompts: what attacks and the defence are tried on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from sterling.lm import LocalModel
from sterling.privacy.cache.baselines import cache_norm, channels_permuted, noised
from sterling.privacy.cache.cloak import CloakConfig, CloakSecret, draw_secret
from sterling.privacy.cache.fusion import fuse
from sterling.privacy.cache.snapshot import (
    CacheSnapshot,
    cloaked_snapshot,
    largest_entries,
    plain_snapshot,
)
from sterling.runs import derive_seed

if TYPE_CHECKING:
    from transformers import PreTrainedModel

PLAIN, CLOAKED, NOISE, PERMUTED = "plain", "KV-Cloak", "Gaussian noise", "channels permuted"
ARMS = (PLAIN, NOISE, PERMUTED, CLOAKED)


@dataclass(frozen=True)
class CacheBench:
    """What trials need. Every prompt begins with the same tokens, which the adversary knows.

    Attributes:
        lm: The model with its tokenizer.
        template: Tokens that every prompt begins with.
        ids: Tokens of each prompt, the template's first.
        measured: Tokens of a long text that the bounds of entries are measured on.
        seed: Of secrets, noise and draws.
    """

    lm: LocalModel
    template: Tensor
    ids: Sequence[Tensor]
    measured: Tensor
    seed: int

    @property
    def model(self) -> "PreTrainedModel":
        """With the public weights."""
        return self.lm.model

    @cached_property
    def largest(self) -> Tensor:
        """Largest entries (L, 2, H) of the measured text."""
        return largest_entries([plain_snapshot(self.model, self.measured)])

    @cached_property
    def secret(self) -> CloakSecret:
        """Of the published defaults."""
        return self.draw(CloakConfig(), "bench")

    @cached_property
    def fused(self) -> "PreTrainedModel":
        """The model with the secret's M in its weights."""
        return fuse(self.model, self.secret)

    @cached_property
    def layers(self) -> Mapping[str, int]:
        """First, middle and last layer; the middle one only where there is one between."""
        last = len(self.largest) - 1
        places = {"first": 0, "middle": (last + 1) // 2, "last": last}
        return {name: at for name, at in places.items() if name != "middle" or 0 < at < last}

    def draw(self, config: CloakConfig, *names: str | int) -> CloakSecret:
        """A secret that follows from the seed; a real one is drawn from the system."""
        key = derive_seed(self.seed, "secret", *names).to_bytes(32, "little")
        head_dim = plain_snapshot(self.model, self.measured[:1]).keys[0].shape[-1]
        return draw_secret(self.largest, head_dim, config, key)

    def arms(self, prompt: int) -> dict[str, CacheSnapshot]:
        """The caches of one prompt, by defence."""
        plain = plain_snapshot(self.model, self.ids[prompt])
        return {
            PLAIN: plain,
            NOISE: noised(plain, self._median_norm, self._generator("noise", prompt)),
            PERMUTED: channels_permuted(plain, self._generator("permutation")),
            CLOAKED: cloaked_snapshot(self.fused, self.secret, self.ids[prompt], (0, prompt)),
        }

    def truth(self, prompt: int) -> list[int]:
        """What an attack should find: the prompt's tokens after the template."""
        tokens: list[int] = self.ids[prompt][len(self.template) :].tolist()
        return tokens

    @cached_property
    def _median_norm(self) -> float:
        return float(np.median([cache_norm(plain_snapshot(self.model, ids)) for ids in self.ids]))

    def _generator(self, *names: str | int) -> torch.Generator:
        return torch.Generator().manual_seed(derive_seed(self.seed, *names) % 2**63)
