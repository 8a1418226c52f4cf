"""Privacy: target models, membership inference, unlearning, key-value caches."""

from typing import TYPE_CHECKING, Any

from sterling.privacy.membership import MembershipFDR
from sterling.privacy.targets.answers import losses_of

if TYPE_CHECKING:
    from sterling.privacy.cache import KVCloakCache

__all__ = ["KVCloakCache", "MembershipFDR", "losses_of"]


def __getattr__(name: str) -> Any:
    if name != "KVCloakCache":  # needs transformers, so it is loaded when it is asked for
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from sterling.privacy.cache import KVCloakCache

    return KVCloakCache
