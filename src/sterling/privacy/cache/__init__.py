"""Key-value caches: attacks that read a prompt from them, and KV-Cloak, which hides it.

"Shadow in the Cache: Unveiling and Mitigating Privacy Risks of KV-cache in LLM Inference", NDSS
2026, arXiv 2508.09442. `KVCloakCache` needs transformers and is loaded when it is asked for.
"""

from typing import TYPE_CHECKING, Any

from sterling.extras import needs
from sterling.privacy.cache.baselines import (
    cache_norms,
    channels_permuted,
    noise_multiplier,
    noised,
)
from sterling.privacy.cache.blocks import obfuscate, restore, restore_by_marker
from sterling.privacy.cache.cloak import CloakConfig, CloakSecret, LayerSecret, draw_secret
from sterling.privacy.cache.collision import calibrated, collide, target_gap
from sterling.privacy.cache.fingerprint import SCORES, Fingerprinter, normalised_rank
from sterling.privacy.cache.fusion import fuse
from sterling.privacy.cache.recovery import inject, invert, rouge_l, token_recovery
from sterling.privacy.cache.snapshot import (
    CacheSnapshot,
    cloaked_snapshot,
    largest_entries,
    plain_snapshot,
    snapshot,
)

if TYPE_CHECKING:
    from sterling.privacy.cache.cloaked_cache import KVCloakCache

__all__ = [
    "SCORES",
    "CacheSnapshot",
    "CloakConfig",
    "CloakSecret",
    "Fingerprinter",
    "KVCloakCache",
    "LayerSecret",
    "cache_norms",
    "calibrated",
    "channels_permuted",
    "cloaked_snapshot",
    "collide",
    "draw_secret",
    "fuse",
    "inject",
    "invert",
    "largest_entries",
    "noise_multiplier",
    "noised",
    "normalised_rank",
    "obfuscate",
    "plain_snapshot",
    "restore",
    "restore_by_marker",
    "rouge_l",
    "snapshot",
    "target_gap",
    "token_recovery",
]


def __getattr__(name: str) -> Any:
    if name != "KVCloakCache":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    with needs("lm", "KVCloakCache"):
        from sterling.privacy.cache.cloaked_cache import KVCloakCache
    return KVCloakCache
