from .cache import KVCloakCache
from .membership import MembershipFDR
from .targets.answers import losses_of

__all__ = ["KVCloakCache", "MembershipFDR", "losses_of"]
